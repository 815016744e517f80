"""Emails of users and operators with the keys they are stored under, and changing such a key."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from authfactor.store.db import Db

USERS = """
SELECT environment, id, email, email_key FROM users
WHERE (environment, id) > ($1, $2) ORDER BY environment, id LIMIT $3
"""

OPERATORS = "SELECT id, email, email_key FROM operators ORDER BY id"

# Only while the row still has the key that was read, and while no other row has the new one.
SET_USER_KEY = """
UPDATE users SET email_key = $4 WHERE environment = $1 AND id = $2 AND email_key = $3 AND NOT EXISTS (
  SELECT 1 FROM users other WHERE other.environment = $1 AND other.email_key = $4
)
"""

SET_OPERATOR_KEY = """
UPDATE operators SET email_key = $3 WHERE id = $1 AND email_key = $2 AND NOT EXISTS (
  SELECT 1 FROM operators other WHERE other.email_key = $3
)
"""


class StoredEmail(NamedTuple):
    """A user's email and the key it is stored under; an operator's if `environment` is None."""

    environment: int | None
    id: str
    email: str
    key: str


class EmailKeys:
    """Statements over all environments."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def users(self, environment: int, after: str, limit: int) -> list[StoredEmail]:
        """Return the emails of the next `limit` users after the key (`environment`, `after`)."""
        return [StoredEmail(*row) for row in await self._db.all(USERS, environment, after, limit)]

    async def operators(self) -> list[StoredEmail]:
        """Return the emails of all operators."""
        return [StoredEmail(None, *row) for row in await self._db.all(OPERATORS)]

    async def replace(self, stored: StoredEmail, key: str) -> bool:
        """Store an email under another key; False if another row has that key, or this one has changed."""
        if stored.environment is None:
            return await self._db.run(SET_OPERATOR_KEY, stored.id, stored.key, key) == 1
        return await self._db.run(SET_USER_KEY, stored.environment, stored.id, stored.key, key) == 1
