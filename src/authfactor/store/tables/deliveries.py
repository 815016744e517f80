"""Deliveries to webhook endpoints: a transactional outbox, filled in the transaction of the change.

The partial indexes contain pending rows only, so that old deliveries do not slow down a claim:
`deliveries_due` (environment, endpoint_id, due_at, id) and `deliveries_turn` (environment, endpoint_id,
user_id, id), both WHERE state = 'pending'.
"""

from typing import TYPE_CHECKING

from authfactor.models import DeliveryRecord, PageQuery
from authfactor.store.queries import keyset_pagination
from authfactor.store.queries.insert_pairs import insert_pairs

if TYPE_CHECKING:
    from authfactor.store.db import Db

# Due no earlier than the pending deliveries before it of the same user, so that claims skip blocked rows.
INSERT_DELIVERY = """
INSERT INTO deliveries
  (environment, id, endpoint_id, event_id, user_id, state, attempts, due_at, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, 'pending', 0, COALESCE((
  SELECT MAX(earlier.due_at) FROM deliveries earlier INDEXED BY deliveries_turn
  WHERE earlier.environment = $1 AND earlier.endpoint_id = $3 AND earlier.user_id = $5
    AND earlier.state = 'pending'
), $6), $6, $6)
"""

INSERT_DELIVERIES = """
INSERT INTO deliveries
  (environment, endpoint_id, user_id, id, event_id, state, attempts, due_at, created_at, updated_at)
SELECT $1, $2, $3, column1, column2, 'pending', 0, COALESCE((
  SELECT MAX(earlier.due_at) FROM deliveries earlier INDEXED BY deliveries_turn
  WHERE earlier.environment = $1 AND earlier.endpoint_id = $2 AND earlier.user_id = $3
    AND earlier.state = 'pending'
), $4), $4, $4
"""

# The next endpoint with pending deliveries, without scanning all pending rows.
NEXT_ENDPOINT = """
SELECT environment, endpoint_id FROM deliveries INDEXED BY deliveries_due
WHERE state = 'pending' AND (environment, endpoint_id) > ($1, $2)
ORDER BY environment, endpoint_id LIMIT 1
"""

FIRST_PENDING_OF_USER = """
NOT EXISTS (
  SELECT 1 FROM deliveries earlier INDEXED BY deliveries_turn
  WHERE earlier.environment = deliveries.environment AND earlier.endpoint_id = deliveries.endpoint_id
    AND earlier.user_id = deliveries.user_id AND earlier.state = 'pending' AND earlier.id < deliveries.id
)
"""

DUE = f"""
SELECT id FROM deliveries INDEXED BY deliveries_due
WHERE environment = $1 AND endpoint_id = $2 AND state = 'pending' AND due_at <= $3
  AND (claimed_until IS NULL OR claimed_until <= $3) AND {FIRST_PENDING_OF_USER}
ORDER BY due_at, id LIMIT $4
"""

# The only statement that claims a delivery: of several processes, one finds it unclaimed and first in line.
CLAIM = f"""
UPDATE deliveries SET claimed_until = $4
WHERE environment = $1 AND id = $2 AND state = 'pending' AND due_at <= $3
  AND (claimed_until IS NULL OR claimed_until <= $3) AND {FIRST_PENDING_OF_USER}
"""

# Only while the claim is held: a sender whose claim has expired changes nothing.
SETTLE = """
UPDATE deliveries SET state = $4, attempts = $5, due_at = $6, claimed_until = NULL, last_status = $7,
  last_error = $8, updated_at = $9
WHERE environment = $1 AND id = $2 AND claimed_until = $3 AND state = 'pending'
"""

POSTPONE_FOLLOWERS = """
UPDATE deliveries SET due_at = $5
WHERE environment = $1 AND endpoint_id = $2 AND user_id = $3 AND id > $4 AND state = 'pending' AND due_at < $5
"""

ADVANCE_NEXT = """
UPDATE deliveries SET due_at = $5
WHERE environment = $1 AND state = 'pending' AND due_at > $5 AND attempts = 0 AND id = (
  SELECT MIN(later.id) FROM deliveries later INDEXED BY deliveries_turn
  WHERE later.environment = $1 AND later.endpoint_id = $2 AND later.user_id = $3 AND later.id > $4
    AND later.state = 'pending'
)
"""

# For metrics only, so the count is capped: an unbounded backlog must not slow down a scrape.
BACKLOG = """
SELECT COUNT(*), MIN(created_at) FROM (
  SELECT created_at FROM deliveries INDEXED BY deliveries_due WHERE state = 'pending' LIMIT 10000
) AS waiting
"""

OLDEST_DUE = """
SELECT MIN(due_at) FROM deliveries INDEXED BY deliveries_due
WHERE environment = $1 AND endpoint_id = $2 AND state = 'pending'
"""

RESEND = """
UPDATE deliveries SET state = 'pending', attempts = 0, due_at = $3, claimed_until = NULL, updated_at = $3
WHERE environment = $1 AND id = $2 AND (state <> 'pending' OR claimed_until IS NULL OR claimed_until <= $3)
"""

DROP_PENDING = """
DELETE FROM deliveries INDEXED BY deliveries_due
WHERE environment = $1 AND endpoint_id = $2 AND state = 'pending'
"""

DELIVERY_COLUMNS = (
    "d.id, d.endpoint_id, d.event_id, e.name, d.user_id, d.state, d.attempts, d.due_at, d.last_status,"
    " d.last_error, d.created_at, d.updated_at"
)

DELIVERIES = f"""
SELECT {DELIVERY_COLUMNS} FROM deliveries d
LEFT JOIN events e ON e.environment = d.environment AND e.id = d.event_id WHERE d.environment = $1
"""

DELIVERY_BY_ID = f"{DELIVERIES} AND d.id = $2"


class DeliveriesTable:
    """The table `deliveries`. Times are in milliseconds."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(
        self,
        environment: int,
        delivery_id: str,
        endpoint_id: str,
        event_id: str,
        user_id: str | None,
        now: int,
    ) -> None:
        """Insert a pending delivery of an event to an endpoint."""
        await self._db.run(INSERT_DELIVERY, environment, delivery_id, endpoint_id, event_id, user_id, now)

    async def insert_all(
        self, environment: int, endpoint_id: str, user_id: str | None, now: int, queued: list[tuple[str, str]]
    ) -> None:
        """Insert pending deliveries to an endpoint, each given by its id and its event's."""
        await insert_pairs(self._db, INSERT_DELIVERIES, (environment, endpoint_id, user_id, now), queued)

    async def next_endpoint(self, environment: int, endpoint_id: str) -> tuple[int, str] | None:
        """Return the first endpoint after this one with pending deliveries, as (environment, id), or None."""
        row = await self._db.one(NEXT_ENDPOINT, environment, endpoint_id)
        return None if row is None else (row[0], row[1])

    async def backlog(self) -> tuple[int, int | None]:
        """Return the number of pending deliveries, up to 10,000, and the creation time of the oldest."""
        row = await self._db.one(BACKLOG)
        return (0, None) if row is None else (row[0], row[1])

    async def oldest_due(self, environment: int, endpoint_id: str) -> int | None:
        """Return the earliest due time of an endpoint's pending deliveries, or None."""
        row = await self._db.one(OLDEST_DUE, environment, endpoint_id)
        return None if row is None else row[0]

    async def due(self, environment: int, endpoint_id: str, now: int, limit: int) -> list[str]:
        """Return the ids of deliveries that are due, unclaimed and first of their user, oldest due first."""
        return [row[0] for row in await self._db.all(DUE, environment, endpoint_id, now, limit)]

    async def claim(self, environment: int, delivery_id: str, now: int, until: int) -> bool:
        """Claim a delivery until a time; True for exactly one caller."""
        return await self._db.run(CLAIM, environment, delivery_id, now, until) == 1

    async def settle(self, environment: int, claimed_until: int, result: DeliveryRecord) -> bool:
        """Write the outcome and release the claim; False when the claim was lost."""
        written = await self._db.run(
            SETTLE,
            environment,
            result.id,
            claimed_until,
            result.state,
            result.attempts,
            result.due_at,
            result.last_status,
            result.last_error,
            result.updated_at,
        )
        return written == 1

    async def postpone_followers(self, environment: int, delivery: DeliveryRecord, due_at: int) -> None:
        """Postpone the user's later deliveries to the same endpoint to at least `due_at`."""
        await self._update_followers(POSTPONE_FOLLOWERS, environment, delivery, due_at)

    async def advance_next(self, environment: int, delivery: DeliveryRecord, now: int) -> None:
        """Make the user's next delivery to the same endpoint due, after this one is settled."""
        await self._update_followers(ADVANCE_NEXT, environment, delivery, now)

    async def by_id(self, environment: int, delivery_id: str) -> DeliveryRecord | None:
        """Return the row with this id, or None."""
        row = await self._db.one(DELIVERY_BY_ID, environment, delivery_id)
        return None if row is None else DeliveryRecord(*row)

    async def page(
        self, environment: int, query: PageQuery, endpoint_id: str | None, state: str | None
    ) -> tuple[list[DeliveryRecord], bool, bool]:
        """Return one page of the deliveries, of one endpoint or in one state if given."""
        select, values = DELIVERIES, []
        for column, value in (("endpoint_id", endpoint_id), ("state", state)):
            if value is not None:
                values.append(value)
                select += f" AND d.{column} = ${len(values) + 1}"
        listing = keyset_pagination.Listing(select, len(values) + 1, "d.id")
        page = await keyset_pagination.fetch(self._db, listing, query, environment, *values)
        return [DeliveryRecord(*row) for row in page.rows], page.more_before, page.more_after

    async def resend(self, environment: int, delivery_id: str, now: int) -> bool:
        """Make a delivery due now, with all attempts restored; False when it is unknown or claimed."""
        return await self._db.run(RESEND, environment, delivery_id, now) == 1

    async def drop_pending(self, environment: int, endpoint_id: str) -> None:
        """Delete an endpoint's pending deliveries."""
        await self._db.run(DROP_PENDING, environment, endpoint_id)

    async def _update_followers(
        self, statement: str, environment: int, delivery: DeliveryRecord, due_at: int
    ) -> None:
        if delivery.user_id is not None:
            await self._db.run(
                statement, environment, delivery.endpoint_id, delivery.user_id, delivery.id, due_at
            )
