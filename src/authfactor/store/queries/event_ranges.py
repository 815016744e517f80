"""Ranges of events by id, over all environments, to seal and verify them.

No API key reaches these statements. Environments are enumerated from the events' own primary key, so that
rows of an environment that does not exist are found too.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

# Columns added by later migrations go last; a digest omits them where they are NULL.
COLUMNS = "environment, id, name, user_id, data, created_at"

NEXT_ENVIRONMENT = "SELECT environment FROM events WHERE environment > $1 ORDER BY environment LIMIT 1"

FROM = f"SELECT {COLUMNS} FROM events WHERE environment = $1 AND id >= $2 AND id < $3 ORDER BY id LIMIT $4"

AFTER = f"SELECT {COLUMNS} FROM events WHERE environment = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4"

NTH = "SELECT id FROM events WHERE environment = $1 AND id >= $2 AND id < $3 ORDER BY id LIMIT 1 OFFSET $4"

FIRST = "SELECT id FROM events WHERE environment = $1 AND id >= $2 ORDER BY id LIMIT 1"

LAST = "SELECT id FROM events WHERE environment = $1 AND id >= $2 AND id < $3 ORDER BY id DESC LIMIT 1"

NEWEST = "SELECT id FROM events WHERE environment = $1 ORDER BY id DESC LIMIT 1"

MIN_ENVIRONMENT = -(2**31)


class EventRanges:
    """Statements on the table `events`, over all environments. Ranges include `start` and exclude `end`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def environments(self) -> list[int]:
        """Return the numbers of the environments that have events."""
        found: list[int] = []
        number = MIN_ENVIRONMENT
        while row := await self._db.one(NEXT_ENVIRONMENT, number):
            number = row[0]
            found.append(number)
        return found

    async def rows(self, environment: int, start: str, end: str, limit: int) -> "list[Row]":
        """Return at most `limit` events of a range, ordered by id."""
        return [tuple(row) for row in await self._db.all(FROM, environment, start, end, limit)]

    async def rows_after(self, environment: int, after: str, end: str, limit: int) -> "list[Row]":
        """Return at most `limit` events with ids after `after` and before `end`, ordered by id."""
        return [tuple(row) for row in await self._db.all(AFTER, environment, after, end, limit)]

    async def nth(self, environment: int, start: str, end: str, number: int) -> str | None:
        """Return the id at offset `number` in a range, or None if the range is shorter."""
        row = await self._db.one(NTH, environment, start, end, number)
        return None if row is None else row[0]

    async def last(self, start: str, end: str) -> str | None:
        """Return the greatest id in a range over all environments, or None."""
        found = [await self._db.one(LAST, number, start, end) for number in await self.environments()]
        return max((row[0] for row in found if row is not None), default=None)

    async def first(self, start: str) -> str | None:
        """Return the smallest id from `start` on over all environments, or None."""
        found = [await self._db.one(FIRST, number, start) for number in await self.environments()]
        return min((row[0] for row in found if row is not None), default=None)

    async def newest(self) -> str | None:
        """Return the greatest id over all environments, or None."""
        found = [await self._db.one(NEWEST, number) for number in await self.environments()]
        return max((row[0] for row in found if row is not None), default=None)
