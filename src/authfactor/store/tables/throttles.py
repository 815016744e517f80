"""How soon somebody may try again, where only the pace counts: one moment a subject (GCRA).

`full_at` is when the subject's whole allowance is back. An attempt moves it on by one interval and is
refused where that would reach further ahead than the allowance. One conditional statement decides, so no
concurrent attempt gets a place twice; a row whose moment has passed says nothing and is removed.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authfactor.store.db import Db

# $3 one interval from now, $4 now, $5 the interval, $6 the latest `full_at` that may be there already.
CHARGE = """
INSERT INTO throttles (environment, subject, full_at) VALUES ($1, $2, $3)
ON CONFLICT (environment, subject) DO UPDATE
SET full_at = CASE WHEN throttles.full_at > $4 THEN throttles.full_at ELSE $4 END + $5
WHERE throttles.full_at <= $6
"""

REFUND = "UPDATE throttles SET full_at = full_at - $3 WHERE environment = $1 AND subject = $2"

BY_SUBJECT = "SELECT full_at FROM throttles WHERE environment = $1 AND subject = $2"

CLEAR = "DELETE FROM throttles WHERE environment = $1 AND subject = $2"


class ThrottlesTable:
    """Calls on the table `throttles`; times and intervals in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def charge(self, environment: int, subject: str, now: int, interval: int, allowance: int) -> bool:
        """Take one place of `allowance`, of which one comes back each `interval`; False when none is left."""
        latest = now + (allowance - 1) * interval
        row = (environment, subject, now + interval, now, interval, latest)
        return await self._db.run(CHARGE, *row) == 1

    async def refund(self, environment: int, subject: str, interval: int) -> None:
        """Take one attempt back."""
        await self._db.run(REFUND, environment, subject, interval)

    async def tat(self, environment: int, subject: str) -> int:
        """Return when the whole allowance is back; 0 for a subject that nothing is known of."""
        row = await self._db.one(BY_SUBJECT, environment, subject)
        return int(row[0]) if row else 0

    async def clear(self, environment: int, subject: str) -> bool:
        """Forget the subject; False when nothing was known of it."""
        return await self._db.run(CLEAR, environment, subject) == 1
