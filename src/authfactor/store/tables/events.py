"""What happened, in the transaction in which it happened."""

from typing import TYPE_CHECKING

from authfactor.models import Event, PageQuery
from authfactor.store.tables import paging

if TYPE_CHECKING:
    from authfactor.store.base import Db

COLUMNS = "id, name, user_id, data, created_at"

INSERT = (
    "INSERT INTO events (environment, id, name, user_id, data, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
)

BY_ID = f"SELECT {COLUMNS} FROM events WHERE environment = $1 AND id = $2"


LISTING = paging.Listing(
    f"""
SELECT {COLUMNS} FROM events INDEXED BY events_name
WHERE environment = $1 AND name = $2 AND created_at >= $3 AND created_at < $4
""",
    4,
)


class Events:
    """Calls on the table `events`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def append(
        self, environment: int, event_id: str, name: str, user_id: str | None, data: str, now: int
    ) -> None:
        """Add one event; `data` is its JSON text."""
        await self._db.run(INSERT, environment, event_id, name, user_id, data, now)

    async def by_id(self, environment: int, event_id: str) -> Event | None:
        """Find by id."""
        row = await self._db.one(BY_ID, environment, event_id)
        return None if row is None else Event(*row)

    async def page(
        self, environment: int, names: tuple[str, ...], query: PageQuery, start: int, end: int
    ) -> tuple[list[Event], bool, bool]:
        """List one page of the events of these names between two times."""
        walks = ((environment, name, start, end) for name in names)
        found = await paging.fetch_merged(self._db, LISTING, query, walks)
        return [Event(*row) for row in found.rows], found.more_before, found.more_after
