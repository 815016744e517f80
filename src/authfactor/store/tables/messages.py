"""Messages to users: a transactional outbox, filled in the transaction of what a message is about.

The partial indexes `messages_due` (environment, due_at, id) and `messages_reference` (environment, reference)
contain pending rows only.
"""

from typing import TYPE_CHECKING

from authfactor.models import PageQuery
from authfactor.models.messages import MessageRecord
from authfactor.store.queries import keyset_pagination

if TYPE_CHECKING:
    from authfactor.store.db import Db

COLUMNS = ", ".join(MessageRecord.__struct_fields__)

INSERT = f"""
INSERT INTO messages (environment, {COLUMNS})
VALUES ($1, {", ".join(f"${number}" for number in range(2, len(MessageRecord.__struct_fields__) + 2))})
"""

MESSAGES = f"SELECT {COLUMNS} FROM messages WHERE environment = $1"

BY_ID = f"{MESSAGES} AND id = $2"

# The next environment with pending messages, without scanning all pending rows.
NEXT_ENVIRONMENT = """
SELECT environment FROM messages INDEXED BY messages_due
WHERE state = 'pending' AND environment > $1 ORDER BY environment LIMIT 1
"""

# A claim that ends later than any was written before the clock was set back ($3).
UNCLAIMED = "(claimed_until IS NULL OR claimed_until <= $2 OR claimed_until > $3)"

DUE = f"""
SELECT id FROM messages INDEXED BY messages_due
WHERE environment = $1 AND state = 'pending' AND due_at <= $2 AND {UNCLAIMED} ORDER BY due_at, id LIMIT $4
"""

# The only statement that claims a message: of several processes, one finds it unclaimed.
CLAIM = f"""
UPDATE messages SET claimed_until = $5
WHERE environment = $1 AND id = $4 AND state = 'pending' AND due_at <= $2 AND {UNCLAIMED}
"""

# Only while the claim is held: nothing changes once it has expired or the message was canceled.
SETTLE = """
UPDATE messages SET state = $4, content = $5, attempts = $6, due_at = $7, claimed_until = NULL,
  last_error = $8, updated_at = $9
WHERE environment = $1 AND id = $2 AND claimed_until = $3 AND state = 'pending'
"""

CANCEL = """
UPDATE messages SET state = 'canceled', content = NULL, claimed_until = NULL, updated_at = $3
WHERE environment = $1 AND reference = $2 AND state = 'pending'
"""

STOP = """
UPDATE messages SET state = 'failed', content = NULL, claimed_until = NULL, last_error = $3, updated_at = $4
WHERE environment = $1 AND channel = $2 AND state = 'pending'
"""

# Capped, as it is for operators alone.
FAILING = """
SELECT COUNT(*), MAX(last_error) FROM (
  SELECT last_error FROM messages INDEXED BY messages_due
  WHERE environment = $1 AND state = 'pending' AND attempts >= $2 LIMIT 10000
) AS waiting
"""

DELETE_OF_USER = "DELETE FROM messages WHERE environment = $1 AND user_id = $2"


class MessagesTable:
    """The table `messages`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, message: MessageRecord) -> None:
        """Insert a message."""
        values = [getattr(message, name) for name in MessageRecord.__struct_fields__]
        await self._db.run(INSERT, environment, *values)

    async def next_environment(self, after: int) -> int | None:
        """Return the number of the first environment after this one with pending messages, or None."""
        row = await self._db.one(NEXT_ENVIRONMENT, after)
        return None if row is None else row[0]

    async def due(self, environment: int, now: int, latest: int, limit: int) -> list[str]:
        """Return ids of unclaimed messages that are due, oldest due first; no claim ends after `latest`."""
        return [row[0] for row in await self._db.all(DUE, environment, now, latest, limit)]

    async def claim(self, environment: int, message_id: str, now: int, latest: int, until: int) -> bool:
        """Claim a message until a time; True for exactly one caller."""
        return await self._db.run(CLAIM, environment, now, latest, message_id, until) == 1

    async def settle(self, environment: int, claimed_until: int, result: MessageRecord) -> bool:
        """Write the outcome and release the claim; False when the claim was lost or the message canceled."""
        written = await self._db.run(
            SETTLE,
            environment,
            result.id,
            claimed_until,
            result.state,
            result.content,
            result.attempts,
            result.due_at,
            result.last_error,
            result.updated_at,
        )
        return written == 1

    async def cancel(self, environment: int, reference: str, now: int) -> int:
        """Cancel the pending messages with this reference and erase their values; return how many."""
        return await self._db.run(CANCEL, environment, reference, now)

    async def stop(self, environment: int, channel: str, reason: str, now: int) -> int:
        """Fail all pending messages of a channel; return how many."""
        return await self._db.run(STOP, environment, channel, reason, now)

    async def failing(self, environment: int, attempts: int) -> tuple[int, str | None]:
        """Count pending messages with at least so many attempts, up to 10,000, and return one's error."""
        row = await self._db.one(FAILING, environment, attempts)
        return (0, None) if row is None else (row[0], row[1])

    async def delete_of_user(self, environment: int, user_id: str) -> None:
        """Delete all messages to a user."""
        await self._db.run(DELETE_OF_USER, environment, user_id)

    async def by_id(self, environment: int, message_id: str) -> MessageRecord | None:
        """Return the row with this id, or None."""
        row = await self._db.one(BY_ID, environment, message_id)
        return None if row is None else MessageRecord(*row)

    async def page(
        self, environment: int, query: PageQuery, user_id: str | None, state: str | None
    ) -> tuple[list[MessageRecord], bool, bool]:
        """Return one page of the messages, to one user or in one state if given."""
        select, values = MESSAGES, []
        for column, value in (("user_id", user_id), ("state", state)):
            if value is not None:
                values.append(value)
                select += f" AND {column} = ${len(values) + 1}"
        listing = keyset_pagination.Listing(select, len(values) + 1, "id")
        page = await keyset_pagination.fetch(self._db, listing, query, environment, *values)
        return [MessageRecord(*row) for row in page.rows], page.more_before, page.more_after
