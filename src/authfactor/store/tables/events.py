"""What happened, in the transaction in which it happened."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authfactor.store.base import Db

INSERT = (
    "INSERT INTO events (environment, id, name, user_id, data, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
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
