"""Keys that sign access tokens, separate for each environment."""

from typing import TYPE_CHECKING

from authfactor.models import SigningKey

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = "id, private_key, certificate, created_at, signs_from, retired_at"

INSERT = f"INSERT INTO signing_keys (environment, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)"

PUBLISHED = f"""
SELECT {COLUMNS} FROM signing_keys
WHERE environment = $1 AND (retired_at IS NULL OR retired_at > $2) ORDER BY id
"""

RETIRE_OTHERS = """
UPDATE signing_keys SET retired_at = $3 WHERE environment = $1 AND id <> $2 AND retired_at IS NULL
"""


class SigningKeysTable:
    """The table `signing_keys`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, key: SigningKey) -> None:
        """Insert a key."""
        values = [getattr(key, name) for name in SigningKey.__struct_fields__]
        await self._db.run(INSERT, environment, *values)

    async def published(self, environment: int, now: int) -> list[SigningKey]:
        """Return the keys that are not retired by `now`, oldest first: those the JWKS publishes."""
        return [SigningKey(*row) for row in await self._db.all(PUBLISHED, environment, now)]

    async def retire_others(self, environment: int, key_id: str, retired_at: int) -> int:
        """Set when all other keys stop being published; return how many."""
        return await self._db.run(RETIRE_OTHERS, environment, key_id, retired_at)
