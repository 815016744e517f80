"""Devices that wait for their user (RFC 8628). A person types the user code on a page of all environments."""

from typing import TYPE_CHECKING

from authfactor.models.hosted_sign_in import AuthenticationProof, DeviceAuthorization
from authfactor.store.tables.proof_columns import PROOF_COLUMNS, PROOF_WIDTH, proof_values, read_proof

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = (
    "environment, id, user_code, ip_address, user_agent, poll_seconds, polled_at, approved_at, denied_at,"
    f" {PROOF_COLUMNS}, browser_session_id, created_at, expires_at, used_at, session_id"
)

INSERT = f"""
INSERT INTO device_authorizations (code_hash, {COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
ON CONFLICT DO NOTHING
"""

BY_HASH = f"SELECT {COLUMNS} FROM device_authorizations WHERE environment = $1 AND code_hash = $2"

BY_USER_CODE = f"SELECT {COLUMNS} FROM device_authorizations WHERE user_code = $1"

BY_ID = f"SELECT {COLUMNS} FROM device_authorizations WHERE environment = $1 AND id = $2"

POLL = """
UPDATE device_authorizations SET polled_at = $3, poll_seconds = $4 WHERE environment = $1 AND id = $2
"""

# Of an approval and a refusal, one decides.
_UNDECIDED = """
environment = $1 AND id = $2 AND approved_at IS NULL AND denied_at IS NULL AND expires_at > $3
"""

APPROVE = f"""
UPDATE device_authorizations SET approved_at = $3, browser_session_id = $4, user_id = $5, password_mark = $6,
  auth_method = $7, amr = $8, authenticated_at = $9, mfa_at = $10, trusted_device_id = $11
WHERE {_UNDECIDED}
"""

DENY = f"UPDATE device_authorizations SET denied_at = $3 WHERE {_UNDECIDED}"

# Of any number of concurrent polls, one uses the code.
USE = """
UPDATE device_authorizations SET used_at = $3, session_id = $4
WHERE environment = $1 AND id = $2 AND used_at IS NULL AND approved_at IS NOT NULL AND expires_at > $3
"""

_PROOF = 9


class DeviceAuthorizationsTable:
    """The table `device_authorizations`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, code_hash: bytes, device: DeviceAuthorization) -> bool:
        """Insert a device; False if its user code is in use."""
        values = [getattr(device, name) for name in DeviceAuthorization.__struct_fields__]
        values[_PROOF : _PROOF + 1] = proof_values(device.proof)
        return await self._db.run(INSERT, code_hash, *values) == 1

    async def by_hash(self, environment: int, code_hash: bytes) -> DeviceAuthorization | None:
        """Return the device with this device code, or None."""
        row = await self._db.one(BY_HASH, environment, code_hash)
        return None if row is None else _device(row)

    async def by_user_code(self, user_code: str) -> DeviceAuthorization | None:
        """Return the device with this user code, in any environment, or None."""
        row = await self._db.one(BY_USER_CODE, user_code)
        return None if row is None else _device(row)

    async def by_id(self, environment: int, device_id: str) -> DeviceAuthorization | None:
        """Return the row with this id, or None."""
        row = await self._db.one(BY_ID, environment, device_id)
        return None if row is None else _device(row)

    async def poll(self, environment: int, device_id: str, now: int, poll_seconds: int) -> None:
        """Keep when a device asked last, and how often it may."""
        await self._db.run(POLL, environment, device_id, now, poll_seconds)

    async def approve(
        self, environment: int, device_id: str, now: int, browser_session_id: str, proof: AuthenticationProof
    ) -> bool:
        """Approve an undecided device; True for exactly one decision."""
        values = browser_session_id, *proof_values(proof)
        return await self._db.run(APPROVE, environment, device_id, now, *values) == 1

    async def deny(self, environment: int, device_id: str, now: int) -> bool:
        """Refuse an undecided device; True for exactly one decision."""
        return await self._db.run(DENY, environment, device_id, now) == 1

    async def use(self, environment: int, device_id: str, now: int, session_id: str) -> bool:
        """Use an approved device's code for a session; True for exactly one caller."""
        return await self._db.run(USE, environment, device_id, now, session_id) == 1


def _device(row: "Row") -> DeviceAuthorization:
    values = [*row[:_PROOF], read_proof(row, _PROOF), *row[_PROOF + PROOF_WIDTH :]]
    return DeviceAuthorization(*values)
