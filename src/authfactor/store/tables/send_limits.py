"""How many messages were queued, one row per subject: an address, a user, or the environment.

An hour and a day begin with the first message after the one before has ended. One conditional statement
decides, so concurrent messages cannot exceed a limit. Times as far in the future as a window is long were
written before the clock was set back, and count for nothing.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from authfactor.models import SendLimits

if TYPE_CHECKING:
    from authfactor.store.db import Db

HOUR: Final = 3600 * 1000
DAY: Final = 24 * HOUR

_HOUR_RUNS = "send_limits.hour_at > $7 AND send_limits.hour_at < $8"
_DAY_RUNS = "send_limits.day_at > $9 AND send_limits.day_at < $10"

CHARGE = f"""
INSERT INTO send_limits (environment, subject, last_kind, last_at, hour_at, hour_count, day_at, day_count)
VALUES ($1, $2, $3, $4, $4, 1, $4, 1)
ON CONFLICT (environment, subject) DO UPDATE SET last_kind = excluded.last_kind, last_at = excluded.last_at,
  hour_at = CASE WHEN {_HOUR_RUNS} THEN send_limits.hour_at ELSE excluded.hour_at END,
  hour_count = CASE WHEN {_HOUR_RUNS} THEN send_limits.hour_count + 1 ELSE 1 END,
  day_at = CASE WHEN {_DAY_RUNS} THEN send_limits.day_at ELSE excluded.day_at END,
  day_count = CASE WHEN {_DAY_RUNS} THEN send_limits.day_count + 1 ELSE 1 END
WHERE NOT (send_limits.last_kind = excluded.last_kind
    AND send_limits.last_at > $5 AND send_limits.last_at < $6)
  AND NOT ({_HOUR_RUNS} AND send_limits.hour_count >= $11)
  AND NOT ({_DAY_RUNS} AND send_limits.day_count >= $12)
"""

OF_SUBJECT = """
SELECT last_kind, last_at, hour_at, hour_count, day_at, day_count FROM send_limits
WHERE environment = $1 AND subject = $2
"""


class Sent(NamedTuple):
    """What a subject has been charged."""

    last_kind: str
    last_at: int
    hour_at: int
    hour_count: int
    day_at: int
    day_count: int


class SendLimitsTable:
    """The table `send_limits`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def charge(self, environment: int, subject: str, kind: str, now: int, limits: SendLimits) -> bool:
        """Count a message of a subject; False when a limit does not allow it."""
        interval = limits.interval * 1000
        around = [edge for length in (interval, HOUR, DAY) for edge in (now - length, now + length)]
        values = (environment, subject, kind, now, *around, limits.per_hour, limits.per_day)
        return await self._db.run(CHARGE, *values) == 1

    async def of_subject(self, environment: int, subject: str) -> Sent:
        """Return what a subject has been charged; zeros if nothing."""
        row = await self._db.one(OF_SUBJECT, environment, subject)
        return Sent("", 0, 0, 0, 0, 0) if row is None else Sent(*row)
