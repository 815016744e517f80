"""Links to a new password. Their tokens are found by their hash, and sealed for the API."""

from typing import TYPE_CHECKING

from authfactor.models.mailed import PasswordResetRecord

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = "id, user_id, email, password_mark, token, created_at, expires_at, used_at"

INSERT = f"""
INSERT INTO password_resets (environment, {COLUMNS}, token_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

BY_ID = f"SELECT {COLUMNS} FROM password_resets WHERE environment = $1 AND id = $2"

# A page knows no environment; the index begins with it.
ENVIRONMENT_OF = """
SELECT e.number FROM environments e JOIN password_resets t ON t.environment = e.number AND t.token_hash = $1
"""

BY_TOKEN = f"SELECT {COLUMNS} FROM password_resets WHERE environment = $1 AND token_hash = $2"

# Of any number of concurrent requests with one token, one finds it unused.
SPEND = """
UPDATE password_resets SET used_at = $3
WHERE environment = $1 AND id = $2 AND used_at IS NULL AND expires_at > $3
"""

DELETE_OF_USER = "DELETE FROM password_resets WHERE environment = $1 AND user_id = $2"


class PasswordResetsTable:
    """The table `password_resets`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, reset: PasswordResetRecord, token_hash: bytes) -> None:
        """Insert a reset."""
        values = [getattr(reset, name) for name in PasswordResetRecord.__struct_fields__]
        await self._db.run(INSERT, environment, *values, token_hash)

    async def by_id(self, environment: int, reset_id: str) -> PasswordResetRecord | None:
        """Return the row with this id, or None."""
        return _reset(await self._db.one(BY_ID, environment, reset_id))

    async def environment_of(self, token_hash: bytes) -> int | None:
        """Return the number of the environment whose row has this token, in whatever state, or None."""
        row = await self._db.one(ENVIRONMENT_OF, token_hash)
        return None if row is None else int(row[0])

    async def by_hash(self, environment: int, token_hash: bytes) -> PasswordResetRecord | None:
        """Return the reset with this token, in whatever state, or None."""
        return _reset(await self._db.one(BY_TOKEN, environment, token_hash))

    async def spend(self, environment: int, reset_id: str, now: int) -> bool:
        """Use an unexpired reset; True for exactly one caller."""
        return await self._db.run(SPEND, environment, reset_id, now) == 1

    async def delete_of_user(self, environment: int, user_id: str) -> int:
        """Delete all resets of a user; return how many."""
        return await self._db.run(DELETE_OF_USER, environment, user_id)


def _reset(row: "Row | None") -> PasswordResetRecord | None:
    return None if row is None else PasswordResetRecord(*row)
