"""A user's newest sessions, ended ones included, and how many are active."""

from typing import TYPE_CHECKING, Final

from authfactor.models import PastSignIn, SessionRecord
from authfactor.store.tables.sessions import SESSION_COLUMNS

if TYPE_CHECKING:
    from authfactor.store.db import Db

_ACTIVE: Final = "ended_at IS NULL AND expires_at > $3 AND last_active_at > $4"

NEWEST = f"""
SELECT {SESSION_COLUMNS}, {_ACTIVE} FROM sessions INDEXED BY sessions_user
WHERE environment = $1 AND user_id = $2 ORDER BY id DESC LIMIT $5
"""

COUNT_OTHERS = f"""
SELECT count(*) FROM sessions INDEXED BY sessions_user
WHERE environment = $1 AND user_id = $2 AND {_ACTIVE} AND id <> $5
"""


class SignInHistory:
    """Queries over `sessions`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def newest(
        self, environment: int, user_id: str, now: int, active_since: int, limit: int
    ) -> list[PastSignIn]:
        """Return a user's newest sessions, newest first; one idle since `active_since` is not active."""
        rows = await self._db.all(NEWEST, environment, user_id, now, active_since, limit)
        return [PastSignIn(SessionRecord(*row[:-1]), bool(row[-1])) for row in rows]

    async def count_others(
        self, environment: int, user_id: str, now: int, active_since: int, session_id: str
    ) -> int:
        """Return how many active sessions a user has besides this one."""
        row = await self._db.one(COUNT_OTHERS, environment, user_id, now, active_since, session_id)
        return row[0] if row else 0
