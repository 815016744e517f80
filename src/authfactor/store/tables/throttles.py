"""Rate limits in the database, one row per subject (the generic cell rate algorithm, GCRA).

`full_at` is GCRA's theoretical arrival time (TAT), called `tat` in Python: when the subject's full burst is
available again. An attempt advances it by one interval and is refused if it would then be more than the burst
ahead of now. One conditional statement decides, so concurrent attempts cannot exceed the limit. A row whose
TAT has passed equals no row, and is deleted.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authfactor.store.db import Db

# $3 now plus one interval, $4 now, $5 the interval, $6 the greatest stored TAT that still allows an attempt.
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
    """The table `throttles`. Times and intervals are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def charge(self, environment: int, subject: str, now: int, interval: int, burst: int) -> bool:
        """Take one of `burst` attempts, which refill at one per `interval`; False when none is left."""
        max_tat = now + (burst - 1) * interval
        row = (environment, subject, now + interval, now, interval, max_tat)
        return await self._db.run(CHARGE, *row) == 1

    async def refund(self, environment: int, subject: str, interval: int) -> None:
        """Give back one attempt."""
        await self._db.run(REFUND, environment, subject, interval)

    async def tat(self, environment: int, subject: str) -> int:
        """Return the subject's theoretical arrival time; 0 when there is no row."""
        row = await self._db.one(BY_SUBJECT, environment, subject)
        return int(row[0]) if row else 0

    async def clear(self, environment: int, subject: str) -> bool:
        """Delete the subject's row; False when there is none."""
        return await self._db.run(CLEAR, environment, subject) == 1
