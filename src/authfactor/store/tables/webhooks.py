"""Webhook endpoints, and the deliveries to them: the outbox that events are put into with their cause.

The partial indexes hold pending rows only, so what was delivered long ago costs a claim nothing:
`deliveries_due` (environment, endpoint_id, due_at, id) and `deliveries_turn` (environment,
endpoint_id, user_id, id), both WHERE state = 'pending'.
"""

from typing import TYPE_CHECKING

from authfactor.models import DeliveryRecord, PageQuery, WebhookEndpointRecord
from authfactor.store.queries import keyset_pagination

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

ENDPOINT_COLUMNS = "id, endpoint_url, secret, status, events, created_at, updated_at"

INSERT_ENDPOINT = f"""
INSERT INTO webhook_endpoints (environment, {ENDPOINT_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
"""

ENDPOINT_BY_ID = f"SELECT {ENDPOINT_COLUMNS} FROM webhook_endpoints WHERE environment = $1 AND id = $2"

ENDPOINTS = keyset_pagination.Listing(
    f"SELECT {ENDPOINT_COLUMNS} FROM webhook_endpoints WHERE environment = $1", 1
)

UPDATE_ENDPOINT = """
UPDATE webhook_endpoints SET endpoint_url = $3, status = $4, events = $5, updated_at = $6
WHERE environment = $1 AND id = $2 AND NOT EXISTS (
  SELECT 1 FROM webhook_endpoints other
  WHERE other.environment = $1 AND other.endpoint_url = $3 AND other.id <> $2
)
"""

DELETE_ENDPOINT = "DELETE FROM webhook_endpoints WHERE environment = $1 AND id = $2"

ENABLED = "SELECT id, events FROM webhook_endpoints WHERE environment = $1 AND status = 'enabled' ORDER BY id"

# Due no earlier than what waits before it for the same user: rows that cannot go yet are not looked at.
INSERT_DELIVERY = """
INSERT INTO deliveries
  (environment, id, endpoint_id, event_id, user_id, state, attempts, due_at, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, 'pending', 0, COALESCE((
  SELECT MAX(earlier.due_at) FROM deliveries earlier INDEXED BY deliveries_turn
  WHERE earlier.environment = $1 AND earlier.endpoint_id = $3 AND earlier.user_id = $5
    AND earlier.state = 'pending'
), $6), $6, $6)
"""

# One endpoint with something pending after the other, without a walk over all that is pending.
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

# The one place where a delivery is taken: of several processes one finds it still free and in turn.
CLAIM = f"""
UPDATE deliveries SET claimed_until = $4
WHERE environment = $1 AND id = $2 AND state = 'pending' AND due_at <= $3
  AND (claimed_until IS NULL OR claimed_until <= $3) AND {FIRST_PENDING_OF_USER}
"""

# Only by whoever still holds the claim: a sender that was too slow changes nothing.
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

# A number for operators, not for a decision: a backlog without end must not cost a scrape its time.
BACKLOG = """
SELECT COUNT(*), MIN(due_at), MIN(created_at) FROM (
  SELECT due_at, created_at FROM deliveries INDEXED BY deliveries_due WHERE state = 'pending' LIMIT 10000
) AS waiting
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


class WebhookEndpointsTable:
    """Calls on the table `webhook_endpoints`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
        self._db = db

    async def insert(self, environment: int, endpoint: WebhookEndpointRecord) -> bool:
        """Add an endpoint; False when its URL is taken."""
        written = await self._db.run(
            INSERT_ENDPOINT,
            environment,
            endpoint.id,
            endpoint.endpoint_url,
            endpoint.secret,
            endpoint.status,
            ",".join(endpoint.events),
            endpoint.created_at,
            endpoint.updated_at,
        )
        return written == 1

    async def by_id(self, environment: int, endpoint_id: str) -> WebhookEndpointRecord | None:
        """Find by id."""
        row = await self._db.one(ENDPOINT_BY_ID, environment, endpoint_id)
        return None if row is None else _endpoint(row)

    async def page(
        self, environment: int, query: PageQuery
    ) -> tuple[list[WebhookEndpointRecord], bool, bool]:
        """List one page of the endpoints."""
        found = await keyset_pagination.fetch(self._db, ENDPOINTS, query, environment)
        return [_endpoint(row) for row in found.rows], found.more_before, found.more_after

    async def update(self, environment: int, endpoint: WebhookEndpointRecord) -> bool:
        """Write the changeable columns; False when another endpoint has the URL."""
        written = await self._db.run(
            UPDATE_ENDPOINT,
            environment,
            endpoint.id,
            endpoint.endpoint_url,
            endpoint.status,
            ",".join(endpoint.events),
            endpoint.updated_at,
        )
        return written == 1

    async def delete(self, environment: int, endpoint_id: str) -> bool:
        """Remove an endpoint; False when there was none."""
        return await self._db.run(DELETE_ENDPOINT, environment, endpoint_id) == 1

    async def subscribed(self, environment: int, name: str) -> list[str]:
        """List the ids of the enabled endpoints that want this event."""
        rows = await self._db.all(ENABLED, environment)
        return [row[0] for row in rows if name in row[1].split(",")]


class DeliveriesTable:
    """Calls on the table `deliveries`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Keep the connection."""
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
        """Put an event into the outbox of an endpoint."""
        await self._db.run(INSERT_DELIVERY, environment, delivery_id, endpoint_id, event_id, user_id, now)

    async def next_endpoint(self, environment: int, endpoint_id: str) -> tuple[int, str] | None:
        """Find the first endpoint after this one that has something pending."""
        row = await self._db.one(NEXT_ENDPOINT, environment, endpoint_id)
        return None if row is None else (row[0], row[1])

    async def backlog(self) -> tuple[int, int | None, int | None]:
        """Count what is pending, over all environments, and find the earliest due time and creation."""
        row = await self._db.one(BACKLOG)
        return (0, None, None) if row is None else (row[0], row[1], row[2])

    async def due(self, environment: int, endpoint_id: str, now: int, limit: int) -> list[str]:
        """List the ids of what is due, free and in turn, the longest waiting first."""
        return [row[0] for row in await self._db.all(DUE, environment, endpoint_id, now, limit)]

    async def claim(self, environment: int, delivery_id: str, now: int, until: int) -> bool:
        """Take a delivery until a time: True for exactly one caller."""
        return await self._db.run(CLAIM, environment, delivery_id, now, until) == 1

    async def settle(self, environment: int, claimed_until: int, result: DeliveryRecord) -> bool:
        """Write how it went; False when the claim was lost meanwhile."""
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
        """Let what waits behind a delivery of the same user wait at least as long."""
        await self._update_followers(POSTPONE_FOLLOWERS, environment, delivery, due_at)

    async def advance_next(self, environment: int, delivery: DeliveryRecord, now: int) -> None:
        """Make the next delivery of the same user due, now that this one is out of the way."""
        await self._update_followers(ADVANCE_NEXT, environment, delivery, now)

    async def by_id(self, environment: int, delivery_id: str) -> DeliveryRecord | None:
        """Find by id."""
        row = await self._db.one(DELIVERY_BY_ID, environment, delivery_id)
        return None if row is None else DeliveryRecord(*row)

    async def page(
        self, environment: int, query: PageQuery, endpoint_id: str | None, state: str | None
    ) -> tuple[list[DeliveryRecord], bool, bool]:
        """List one page of the deliveries, of one endpoint or in one state if given."""
        select, values = DELIVERIES, []
        for column, value in (("endpoint_id", endpoint_id), ("state", state)):
            if value is not None:
                values.append(value)
                select += f" AND d.{column} = ${len(values) + 1}"
        listing = keyset_pagination.Listing(select, len(values) + 1, "d.id")
        found = await keyset_pagination.fetch(self._db, listing, query, environment, *values)
        return [DeliveryRecord(*row) for row in found.rows], found.more_before, found.more_after

    async def resend(self, environment: int, delivery_id: str, now: int) -> bool:
        """Make a delivery due now, with all its attempts; False when it is unknown or on its way."""
        return await self._db.run(RESEND, environment, delivery_id, now) == 1

    async def drop_pending(self, environment: int, endpoint_id: str) -> None:
        """Forget what an endpoint has not been told yet."""
        await self._db.run(DROP_PENDING, environment, endpoint_id)

    async def _update_followers(
        self, statement: str, environment: int, delivery: DeliveryRecord, due_at: int
    ) -> None:
        if delivery.user_id is not None:
            await self._db.run(
                statement, environment, delivery.endpoint_id, delivery.user_id, delivery.id, due_at
            )


def _endpoint(row: "Row") -> WebhookEndpointRecord:
    return WebhookEndpointRecord(row[0], row[1], row[2], row[3], tuple(row[4].split(",")), row[5], row[6])
