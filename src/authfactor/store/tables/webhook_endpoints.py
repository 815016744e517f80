"""Webhook endpoints: subscribed URLs, the failures of their receivers, and the pauses of those that fail."""

from typing import TYPE_CHECKING

from authfactor.models import PageQuery, PausePolicy, WebhookEndpointRecord
from authfactor.store.queries import keyset_pagination

if TYPE_CHECKING:
    from authfactor.store.db import Db, Row

INSERTED = "id, endpoint_url, secret, status, events, created_at, updated_at"
COLUMNS = f"{INSERTED}, failures, paused_until, last_error"

INSERT = f"""
INSERT INTO webhook_endpoints (environment, {INSERTED}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
"""

COUNT_PAUSED = "SELECT COUNT(*) FROM webhook_endpoints WHERE paused_until IS NOT NULL"

COUNT = "SELECT COUNT(*) FROM webhook_endpoints WHERE environment = $1"

BY_ID = f"SELECT {COLUMNS} FROM webhook_endpoints WHERE environment = $1 AND id = $2"

LOCK = f"{BY_ID} FOR UPDATE"

LISTING = keyset_pagination.Listing(f"SELECT {COLUMNS} FROM webhook_endpoints WHERE environment = $1", 1)

UPDATE = """
UPDATE webhook_endpoints SET endpoint_url = $3, status = $4, events = $5, updated_at = $6
WHERE environment = $1 AND id = $2 AND NOT EXISTS (
  SELECT 1 FROM webhook_endpoints other
  WHERE other.environment = $1 AND other.endpoint_url = $3 AND other.id <> $2
)
"""

# The n-th pause in a row is n times as long as the first, up to a maximum. A request that was sent before the
# pause and fails during it ($8 = 0) does not prolong it.
RECORD_FAILURE = """
UPDATE webhook_endpoints SET failures = failures + 1, last_error = $3,
  paused_until = CASE WHEN failures + 1 < $4 THEN NULL ELSE CAST($5 AS BIGINT) + $6 * (
    CASE WHEN failures + 2 - $4 < $7 THEN failures + 2 - $4 ELSE $7 END
  ) END
WHERE environment = $1 AND id = $2 AND (paused_until IS NULL OR $8 = 1)
"""

RECORD_SUCCESS = """
UPDATE webhook_endpoints SET failures = 0, paused_until = NULL, last_error = NULL
WHERE environment = $1 AND id = $2 AND failures > 0
"""

# Of several processes that found the end of the same pause, one starts the probe.
START_PROBE = """
UPDATE webhook_endpoints SET paused_until = $4 WHERE environment = $1 AND id = $2 AND paused_until = $3
"""

END_PAUSE = """
UPDATE webhook_endpoints SET paused_until = $3 WHERE environment = $1 AND id = $2 AND paused_until > $3
"""

DELETE = "DELETE FROM webhook_endpoints WHERE environment = $1 AND id = $2"

ENABLED = "SELECT id, events FROM webhook_endpoints WHERE environment = $1 AND status = 'enabled' ORDER BY id"


class WebhookEndpointsTable:
    """The table `webhook_endpoints`."""

    __slots__ = ("_db",)

    def __init__(self, db: "Db") -> None:
        """Run all statements on `db`."""
        self._db = db

    async def insert(self, environment: int, endpoint: WebhookEndpointRecord) -> bool:
        """Insert an endpoint; False when its URL is taken."""
        written = await self._db.run(
            INSERT,
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

    async def count(self, environment: int) -> int:
        """Count the environment's endpoints."""
        row = await self._db.one(COUNT, environment)
        return 0 if row is None else row[0]

    async def count_paused(self) -> int:
        """Count the paused endpoints of all environments."""
        row = await self._db.one(COUNT_PAUSED)
        return 0 if row is None else row[0]

    async def by_id(self, environment: int, endpoint_id: str) -> WebhookEndpointRecord | None:
        """Return the row with this id, or None."""
        row = await self._db.one(BY_ID, environment, endpoint_id)
        return None if row is None else _endpoint(row)

    async def lock(self, environment: int, endpoint_id: str) -> WebhookEndpointRecord | None:
        """Return the row with this id, locked until the unit ends, or None."""
        row = await self._db.one(LOCK, environment, endpoint_id)
        return None if row is None else _endpoint(row)

    async def page(
        self, environment: int, query: PageQuery
    ) -> tuple[list[WebhookEndpointRecord], bool, bool]:
        """Return one page of the endpoints."""
        page = await keyset_pagination.fetch(self._db, LISTING, query, environment)
        return [_endpoint(row) for row in page.rows], page.more_before, page.more_after

    async def update(self, environment: int, endpoint: WebhookEndpointRecord) -> bool:
        """Update the mutable columns; False when another endpoint has the URL."""
        written = await self._db.run(
            UPDATE,
            environment,
            endpoint.id,
            endpoint.endpoint_url,
            endpoint.status,
            ",".join(endpoint.events),
            endpoint.updated_at,
        )
        return written == 1

    async def record_failure(
        self, environment: int, endpoint_id: str, error: str, now: int, policy: PausePolicy, *, probe: bool
    ) -> None:
        """Count a failed request, and pause the endpoint if it keeps failing."""
        values = (policy.failures, now, policy.first, policy.longest // policy.first, int(probe))
        await self._db.run(RECORD_FAILURE, environment, endpoint_id, error, *values)

    async def record_success(self, environment: int, endpoint_id: str) -> None:
        """Forget the failures, and end a pause."""
        await self._db.run(RECORD_SUCCESS, environment, endpoint_id)

    async def start_probe(self, environment: int, endpoint_id: str, paused_until: int, until: int) -> bool:
        """Replace the end of a pause by `until`, the end of its probe; True for exactly one caller."""
        return await self._db.run(START_PROBE, environment, endpoint_id, paused_until, until) == 1

    async def end_pause(self, environment: int, endpoint_id: str, now: int) -> None:
        """Let a paused endpoint be probed now."""
        await self._db.run(END_PAUSE, environment, endpoint_id, now)

    async def delete(self, environment: int, endpoint_id: str) -> bool:
        """Delete an endpoint; False when it does not exist."""
        return await self._db.run(DELETE, environment, endpoint_id) == 1

    async def subscribed(self, environment: int, name: str) -> list[str]:
        """Return the ids of the enabled endpoints subscribed to this event name."""
        rows = await self._db.all(ENABLED, environment)
        return [row[0] for row in rows if name in row[1].split(",")]


def _endpoint(row: "Row") -> WebhookEndpointRecord:
    endpoint_id, url, secret, status, events, *rest = row
    return WebhookEndpointRecord(endpoint_id, url, secret, status, tuple(events.split(",")), *rest)
