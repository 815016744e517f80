"""Events over all environments, by ranges of their ids: what seals are made of and checked against.

Nothing here is reached by an API key. Environments are found by walking the key itself, so that rows of an
environment that does not exist are seen too.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

# A column that is added later comes last, and is left out of a digest where it is NULL.
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
    """Calls on the table `events`, over all environments."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def environments(self) -> list[int]:
        """List the numbers of the environments that have events."""
        found: list[int] = []
        number = MIN_ENVIRONMENT
        while row := await self._db.one(NEXT_ENVIRONMENT, number):
            number = row[0]
            found.append(number)
        return found

    async def rows(self, environment: int, start: str, end: str, limit: int) -> "list[Row]":
        """List events with ids from `start` up to, and without, `end`, in order of their ids."""
        return [tuple(row) for row in await self._db.all(FROM, environment, start, end, limit)]

    async def rows_after(self, environment: int, after: str, end: str, limit: int) -> "list[Row]":
        """List events with ids after one and before `end`, in order of their ids."""
        return [tuple(row) for row in await self._db.all(AFTER, environment, after, end, limit)]

    async def nth(self, environment: int, start: str, end: str, number: int) -> str | None:
        """Find the id that has `number` others before it in a range; None in a shorter one."""
        row = await self._db.one(NTH, environment, start, end, number)
        return None if row is None else row[0]

    async def last(self, start: str, end: str) -> str | None:
        """Find the greatest id in a range, of any environment."""
        found = [await self._db.one(LAST, number, start, end) for number in await self.environments()]
        return max((row[0] for row in found if row is not None), default=None)

    async def first(self, start: str) -> str | None:
        """Find the smallest id from `start` on, of any environment."""
        found = [await self._db.one(FIRST, number, start) for number in await self.environments()]
        return min((row[0] for row in found if row is not None), default=None)

    async def newest(self) -> str | None:
        """Find the greatest id, of any environment."""
        found = [await self._db.one(NEWEST, number) for number in await self.environments()]
        return max((row[0] for row in found if row is not None), default=None)
