"""After a restore: what was used or ended since the backup must not come back to life."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authfactor.store.db import Db

Key = tuple[int, str]
_BETWEEN = "(environment, id) > ($1, $2) AND (environment, id) <= ($3, $4)"

SPEND_STEPS = f"UPDATE factors SET last_step = $5 WHERE {_BETWEEN} AND last_step < $5"

END_SESSIONS = f"""
UPDATE sessions SET ended_at = $5, updated_at = $5 WHERE {_BETWEEN} AND ended_at IS NULL
"""

EXPIRE_CHALLENGES = f"""
UPDATE challenges SET expires_at = $5 WHERE {_BETWEEN} AND verified_at IS NULL AND expires_at > $5
"""

END_OPERATOR_SESSIONS = "UPDATE operator_sessions SET ended_at = $1 WHERE ended_at IS NULL"

# Short-lived all of them; one that was used since would be open again.
EXPIRED: Final = ("pending_sign_ins", "links", "operator_links")


class RestoredRows:
    """Calls over all environments."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def end_of_batch(self, table: str, after: Key, limit: int) -> Key | None:
        """Find the last key of the next rows of a table, or None when there are none."""
        rows = await self._db.all(
            f"SELECT environment, id FROM {table} WHERE (environment, id) > ($1, $2)"
            " ORDER BY environment, id LIMIT $3",
            *after,
            limit,
        )
        return (rows[-1][0], rows[-1][1]) if rows else None

    async def spend_steps(self, after: Key, through: Key, step: int) -> int:
        """Let no code of this step or an earlier one be good for these factors."""
        return await self._db.run(SPEND_STEPS, *after, *through, step)

    async def end_sessions(self, after: Key, through: Key, now: int) -> int:
        """End these sessions."""
        return await self._db.run(END_SESSIONS, *after, *through, now)

    async def expire_challenges(self, after: Key, through: Key, now: int) -> int:
        """Let these challenges expire, unless they are verified or have expired."""
        return await self._db.run(EXPIRE_CHALLENGES, *after, *through, now)

    async def end_operator_sessions(self, now: int) -> int:
        """End every session of an operator."""
        return await self._db.run(END_OPERATOR_SESSIONS, now)

    async def expire_rest(self, now: int) -> int:
        """Let everything expire that waits to be used once; return how many."""
        return sum(
            [
                await self._db.run(f"UPDATE {table} SET expires_at = $1 WHERE expires_at > $1", now)
                for table in EXPIRED
            ]
        )
