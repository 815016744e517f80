"""Events, appended in the transaction of the change they report."""

from typing import TYPE_CHECKING

from authfactor.models import EventRecord, PageQuery
from authfactor.store.queries import keyset_pagination
from authfactor.store.queries.insert_pairs import insert_pairs

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = "id, name, user_id, data, created_at"

INSERT = (
    "INSERT INTO events (environment, id, name, user_id, data, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
)

INSERT_ALL = """
INSERT INTO events (environment, name, user_id, created_at, id, data) SELECT $1, $2, $3, $4, column1, column2
"""

BY_ID = f"SELECT {COLUMNS} FROM events WHERE environment = $1 AND id = $2"


LISTING = keyset_pagination.Listing(
    f"""
SELECT {COLUMNS} FROM events INDEXED BY events_name
WHERE environment = $1 AND name = $2 AND created_at >= $3 AND created_at < $4
""",
    4,
)

RECENT = keyset_pagination.Listing(f"SELECT {COLUMNS} FROM events WHERE environment = $1", 1)

# There is no index by user: only the environment's newest events, up to a limit, are scanned.
RECENT_OF_USER = f"""
SELECT {COLUMNS} FROM (
  SELECT {COLUMNS} FROM events WHERE environment = $1 ORDER BY id DESC LIMIT $3
) latest WHERE user_id = $2 ORDER BY id DESC LIMIT $4
"""


def _counts(buckets: int) -> str:
    """Return the SELECT that counts between adjacent ids (`$4`, …), each up to `$3`; one index scan each."""
    counts = (
        "(SELECT COUNT(*) FROM (SELECT 1 FROM events INDEXED BY events_name"
        f" WHERE environment = $1 AND name = $2 AND id >= ${4 + at} AND id < ${5 + at} LIMIT $3) b{at})"
        for at in range(buckets)
    )
    return f"SELECT {', '.join(counts)}"


class EventsTable:
    """The table `events`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def append(
        self, environment: int, event_id: str, name: str, user_id: str | None, data: str, now: int
    ) -> None:
        """Append an event; `data` is JSON text."""
        await self._db.run(INSERT, environment, event_id, name, user_id, data, now)

    async def append_all(
        self, environment: int, name: str, user_id: str | None, now: int, events: list[tuple[str, str]]
    ) -> None:
        """Append events, each given by its id and its data as JSON text."""
        await insert_pairs(self._db, INSERT_ALL, (environment, name, user_id, now), events)

    async def by_id(self, environment: int, event_id: str) -> EventRecord | None:
        """Return the row with this id, or None."""
        row = await self._db.one(BY_ID, environment, event_id)
        return None if row is None else EventRecord(*row)

    async def page(
        self, environment: int, names: tuple[str, ...], query: PageQuery, start: int, end: int
    ) -> tuple[list[EventRecord], bool, bool]:
        """Return one page of the events of these names from `start` to before `end`."""
        parameter_sets = ((environment, name, start, end) for name in names)
        page = await keyset_pagination.fetch_merged(self._db, LISTING, query, parameter_sets)
        return [EventRecord(*row) for row in page.rows], page.more_before, page.more_after

    async def recent(self, environment: int, query: PageQuery) -> tuple[list[EventRecord], bool, bool]:
        """Return one page of the events of any name."""
        page = await keyset_pagination.fetch(self._db, RECENT, query, environment)
        return [EventRecord(*row) for row in page.rows], page.more_before, page.more_after

    async def recent_of_user(
        self, environment: int, user_id: str, scan_limit: int, limit: int
    ) -> list[EventRecord]:
        """Return a user's latest events, newest first, among the environment's latest `scan_limit`."""
        rows = await self._db.all(RECENT_OF_USER, environment, user_id, scan_limit, limit)
        return [EventRecord(*row) for row in rows]

    async def counts(self, environment: int, name: str, boundaries: list[str], limit: int) -> list[int]:
        """Return the number of events of a name between adjacent boundary ids, each capped at `limit`."""
        row = await self._db.one(_counts(len(boundaries) - 1), environment, name, limit, *boundaries)
        return list(row or ())
