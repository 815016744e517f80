"""Six-digit codes that were mailed: one is current for each user and purpose (decision 0053)."""

from typing import TYPE_CHECKING

from authfactor.models.mailed import CodePurpose, MailedCode

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

COLUMNS = "id, purpose, user_id, email, digest, code, attempts, created_at, expires_at, used_at, replaced_at"

INSERT = f"""
INSERT INTO mailed_codes (environment, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""

BY_ID = f"SELECT {COLUMNS} FROM mailed_codes WHERE environment = $1 AND id = $2"

# `replaced_at IS NULL` is the condition of the unique index, so there is at most one.
CURRENT = f"""
SELECT {COLUMNS} FROM mailed_codes
WHERE environment = $1 AND user_id = $2 AND purpose = $3 AND replaced_at IS NULL
"""

REPLACE = """
UPDATE mailed_codes SET replaced_at = $4
WHERE environment = $1 AND user_id = $2 AND purpose = $3 AND replaced_at IS NULL
"""

VOID_OF_USER = """
UPDATE mailed_codes SET replaced_at = $3
WHERE environment = $1 AND user_id = $2 AND replaced_at IS NULL AND used_at IS NULL
"""

CHARGE = """
UPDATE mailed_codes SET attempts = attempts + 1
WHERE environment = $1 AND id = $2 AND attempts < $3 AND replaced_at IS NULL
"""

# The only statement that accepts a code: of any number of concurrent requests, one finds it unused.
SPEND = """
UPDATE mailed_codes SET used_at = $4
WHERE environment = $1 AND id = $2 AND digest = $3 AND used_at IS NULL AND replaced_at IS NULL
  AND expires_at > $4
"""

DELETE_OF_USER = "DELETE FROM mailed_codes WHERE environment = $1 AND user_id = $2"


class MailedCodesTable:
    """The table `mailed_codes`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def put(self, environment: int, code: MailedCode) -> None:
        """Insert a code, which replaces its user's current one of this purpose; the user's row is locked."""
        await self._db.run(REPLACE, environment, code.user_id, code.purpose, code.created_at)
        values = [getattr(code, name) for name in MailedCode.__struct_fields__]
        await self._db.run(INSERT, environment, *values)

    async def by_id(self, environment: int, code_id: str) -> MailedCode | None:
        """Return the row with this id, or None."""
        return _code(await self._db.one(BY_ID, environment, code_id))

    async def current(self, environment: int, user_id: str, purpose: CodePurpose) -> MailedCode | None:
        """Return a user's newest code of a purpose, in whatever state; None without one."""
        return _code(await self._db.one(CURRENT, environment, user_id, purpose))

    async def charge(self, environment: int, code_id: str, limit: int) -> bool:
        """Count an attempt before it is compared; False when `limit` have been counted."""
        return await self._db.run(CHARGE, environment, code_id, limit) == 1

    async def spend(self, environment: int, code_id: str, digest: str, now: int) -> bool:
        """Use a current, unexpired code; True for exactly one caller."""
        return await self._db.run(SPEND, environment, code_id, digest, now) == 1

    async def void_of_user(self, environment: int, user_id: str, now: int) -> int:
        """End the codes of a user that are not used yet; return how many."""
        return await self._db.run(VOID_OF_USER, environment, user_id, now)

    async def delete_of_user(self, environment: int, user_id: str) -> int:
        """Delete all codes of a user; return how many."""
        return await self._db.run(DELETE_OF_USER, environment, user_id)


def _code(row: "Row | None") -> MailedCode | None:
    return None if row is None else MailedCode(*row)
