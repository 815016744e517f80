"""What sends messages, by environment and channel."""

from typing import TYPE_CHECKING

from authfactor.models.messages import SenderRecord

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = "channel, kind, settings, created_at, updated_at"

OF_CHANNEL = f"SELECT {COLUMNS} FROM senders WHERE environment = $1 AND channel = $2"

PUT = f"""
INSERT INTO senders (environment, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (environment, channel) DO UPDATE SET kind = excluded.kind, settings = excluded.settings,
  updated_at = excluded.updated_at
"""

DELETE = "DELETE FROM senders WHERE environment = $1 AND channel = $2"


class SendersTable:
    """The table `senders`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def of_channel(self, environment: int, channel: str) -> SenderRecord | None:
        """Return the sender of a channel, or None."""
        row = await self._db.one(OF_CHANNEL, environment, channel)
        return None if row is None else SenderRecord(*row)

    async def put(self, environment: int, sender: SenderRecord) -> None:
        """Insert a sender, or replace it; `created_at` stays."""
        await self._db.run(
            PUT,
            environment,
            sender.channel,
            sender.kind,
            sender.settings,
            sender.created_at,
            sender.updated_at,
        )

    async def delete(self, environment: int, channel: str) -> bool:
        """Delete a sender; False when there is none."""
        return await self._db.run(DELETE, environment, channel) == 1
