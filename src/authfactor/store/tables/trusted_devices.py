"""Trusted devices and their tokens, which are stored as hashes (decision 0042)."""

from typing import TYPE_CHECKING

from authfactor.models import TrustedDeviceRecord, TrustedDeviceToken

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = (
    "id, user_id, source_id, mark, name, ip_address, user_agent, created_at, last_used_at, expires_at,"
    " ended_at"
)

# Of any number of concurrent requests with one session or link, one makes a device.
INSERT = f"""
INSERT INTO trusted_devices (environment, {COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING
"""

BY_ID = f"SELECT {COLUMNS} FROM trusted_devices WHERE environment = $1 AND id = $2"

OF_USER = f"""
SELECT {COLUMNS} FROM trusted_devices INDEXED BY trusted_devices_user
WHERE environment = $1 AND user_id = $2 ORDER BY id DESC
"""

TOUCH = """
UPDATE trusted_devices SET last_used_at = $3 WHERE environment = $1 AND id = $2 AND ended_at IS NULL
"""

END = """
UPDATE trusted_devices SET ended_at = $3 WHERE environment = $1 AND id = $2 AND ended_at IS NULL
"""

END_OF_USER = f"""
UPDATE trusted_devices INDEXED BY trusted_devices_user SET ended_at = $3
WHERE environment = $1 AND user_id = $2 AND ended_at IS NULL RETURNING {COLUMNS}
"""

DELETE = "DELETE FROM trusted_devices WHERE environment = $1 AND id = $2"

DELETE_TOKENS = "DELETE FROM trusted_device_tokens WHERE environment = $1 AND device_id = $2"

DELETE_OF_USER = "DELETE FROM trusted_devices WHERE environment = $1 AND user_id = $2"

DELETE_TOKENS_OF_USER = """
DELETE FROM trusted_device_tokens WHERE environment = $1 AND device_id IN
  (SELECT id FROM trusted_devices WHERE environment = $1 AND user_id = $2)
"""

TOKEN_COLUMNS = "device_id, created_at, spent_at, successor"  # noqa: S105 - names of columns

INSERT_TOKEN = f"""
INSERT INTO trusted_device_tokens (environment, token_hash, {TOKEN_COLUMNS})
VALUES ($1, $2, $3, $4, NULL, NULL)
"""

TOKEN_BY_HASH = f"""
SELECT {TOKEN_COLUMNS} FROM trusted_device_tokens WHERE environment = $1 AND token_hash = $2
"""

# Of any number of concurrent uses, one finds the token unspent; the others read the stored successor.
SPEND = """
UPDATE trusted_device_tokens SET spent_at = $3, successor = $4
WHERE environment = $1 AND token_hash = $2 AND spent_at IS NULL
"""


class TrustedDevicesTable:
    """The tables `trusted_devices` and `trusted_device_tokens`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, device: TrustedDeviceRecord) -> bool:
        """Insert a device; False when its session or link has made one before."""
        values = [getattr(device, name) for name in TrustedDeviceRecord.__struct_fields__]
        return await self._db.run(INSERT, environment, *values) == 1

    async def by_id(self, environment: int, device_id: str) -> TrustedDeviceRecord | None:
        """Return the row with this id, or None."""
        row = await self._db.one(BY_ID, environment, device_id)
        return None if row is None else TrustedDeviceRecord(*row)

    async def of_user(self, environment: int, user_id: str) -> list[TrustedDeviceRecord]:
        """Return a user's devices, newest first; ended and expired ones too. There are few."""
        return [TrustedDeviceRecord(*row) for row in await self._db.all(OF_USER, environment, user_id)]

    async def touch(self, environment: int, device_id: str, now: int) -> bool:
        """Set when a device was last used; False when it has ended."""
        return await self._db.run(TOUCH, environment, device_id, now) == 1

    async def end(self, environment: int, device_id: str, now: int) -> bool:
        """End a device; True for exactly one caller."""
        return await self._db.run(END, environment, device_id, now) == 1

    async def end_of_user(self, environment: int, user_id: str, now: int) -> list[TrustedDeviceRecord]:
        """End all of a user's devices; return those that this call ended."""
        rows = await self._db.all(END_OF_USER, environment, user_id, now)
        return sorted((TrustedDeviceRecord(*row) for row in rows), key=lambda device: device.id)

    async def delete(self, environment: int, device_id: str) -> None:
        """Delete a device and its tokens."""
        await self._db.run(DELETE_TOKENS, environment, device_id)
        await self._db.run(DELETE, environment, device_id)

    async def delete_of_user(self, environment: int, user_id: str) -> int:
        """Delete all of a user's devices and their tokens; return how many devices."""
        await self._db.run(DELETE_TOKENS_OF_USER, environment, user_id)
        return await self._db.run(DELETE_OF_USER, environment, user_id)

    async def insert_token(self, environment: int, token_hash: bytes, device_id: str, now: int) -> None:
        """Insert a token."""
        await self._db.run(INSERT_TOKEN, environment, token_hash, device_id, now)

    async def token_by_hash(self, environment: int, token_hash: bytes) -> TrustedDeviceToken | None:
        """Return the token with this hash, or None."""
        row = await self._db.one(TOKEN_BY_HASH, environment, token_hash)
        return None if row is None else TrustedDeviceToken(*row)

    async def spend_token(self, environment: int, token_hash: bytes, now: int, successor: str) -> bool:
        """Spend a token and store its sealed successor; True for exactly one caller."""
        return await self._db.run(SPEND, environment, token_hash, now, successor) == 1
