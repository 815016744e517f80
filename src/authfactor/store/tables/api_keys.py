"""API keys. Only a key's SHA-256 is stored; it identifies the key in any environment."""

from typing import TYPE_CHECKING

from authfactor.models import ApiKey, Environment
from authfactor.store.tables import environments

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = "environment, id, name, hint, created_at, last_used_at, revoked_at"

INSERT = f"""
INSERT INTO api_keys ({COLUMNS}, secret_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
"""

ACTIVE_BY_HASH = f"""
SELECT {", ".join("k." + c.strip() for c in COLUMNS.split(","))},
       {", ".join("e." + c.strip() for c in environments.COLUMNS.split(","))}
FROM api_keys k JOIN environments e ON e.number = k.environment
WHERE k.secret_hash = $1 AND k.revoked_at IS NULL
"""

OF_ENVIRONMENT = f"SELECT {COLUMNS} FROM api_keys WHERE environment = $1 ORDER BY id"

REVOKE = "UPDATE api_keys SET revoked_at = $3 WHERE environment = $1 AND id = $2 AND revoked_at IS NULL"

TOUCH = """
UPDATE api_keys SET last_used_at = $3
WHERE environment = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)
"""

_KEY_FIELDS = len(ApiKey.__struct_fields__)


class ApiKeysTable:
    """The table `api_keys`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, key: ApiKey, secret_hash: bytes) -> bool:
        """Insert a key; False when the same key already exists."""
        values = [getattr(key, name) for name in ApiKey.__struct_fields__]
        return await self._db.run(INSERT, *values, secret_hash) == 1

    async def active_by_hash(self, secret_hash: bytes) -> tuple[ApiKey, Environment] | None:
        """Return a key that is not revoked, with its environment, or None."""
        row = await self._db.one(ACTIVE_BY_HASH, secret_hash)
        return None if row is None else (ApiKey(*row[:_KEY_FIELDS]), Environment(*row[_KEY_FIELDS:]))

    async def of_environment(self, environment: int) -> list[ApiKey]:
        """Return an environment's keys, oldest first, including revoked ones."""
        return [ApiKey(*row) for row in await self._db.all(OF_ENVIRONMENT, environment)]

    async def revoke(self, environment: int, key_id: str, now: int) -> bool:
        """Revoke a key; False when it is unknown or already revoked."""
        return await self._db.run(REVOKE, environment, key_id, now) == 1

    async def touch(self, environment: int, key_id: str, now: int) -> None:
        """Set when the key was last used, unless a later time is stored."""
        await self._db.run(TOUCH, environment, key_id, now)
