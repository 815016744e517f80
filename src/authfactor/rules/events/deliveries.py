"""The outbox: which deliveries are due, how their requests are signed, and how outcomes are recorded.

One conditional write claims a delivery for one process until a lease ends. The leases of a process that
dies expire, and another process sends again: at least once, never lost.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from authfactor import errors
from authfactor.crypto.vault import UnsealError
from authfactor.models import (
    ClaimedDelivery,
    Clock,
    DeliveryOutcome,
    DeliveryRecord,
    OutboxBacklog,
    PageQuery,
    RecordPage,
    WebhookEndpointRecord,
)
from authfactor.rules import pagination
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.events.webhook_endpoints import WebhookEndpoints
from authfactor.rules.unit import InstallationScope, Scope, installation_unit, unit
from authfactor.settings import Settings
from authfactor.store import Tx
from authfactor.version import __version__
from authfactor.wire import events as wire_events
from authfactor.wire import responses

State = Literal["pending", "delivered", "failed"]
EndpointKey = tuple[int, str]
FIRST_ENDPOINT: Final[EndpointKey] = (0, "")
# A receiver that never responds must leave capacity for the others.
MAX_CONCURRENT: Final = 8
MAX_PER_ENDPOINT: Final = 6
BACK_OFF: Final = 4  # each wait is this many times the one before
MAX_WAIT: Final = 24 * 3600 * 1000
LEASE_MARGIN: Final = 30_000


class SignedRequest(NamedTuple):
    """A webhook request, ready to be posted."""

    url: str
    headers: dict[str, str]
    body: bytes


class NothingToSend(Exception):
    """This delivery cannot be sent; the message is stored with it."""


class Deliveries:
    """Claims, signs and settles deliveries."""

    def __init__(self, clock: Clock, webhooks: WebhookEndpoints, log: EventLog, settings: Settings) -> None:
        """Keep the collaborators; `grew` is set when this process has queued a delivery."""
        self._clock = clock
        self._webhooks = webhooks
        self._settings = settings
        self.grew = log.outbox_grew
        # Attempts of this process by outcome, for the metrics.
        self.sent = {"delivered": 0, "failed": 0}

    @installation_unit
    async def any_due(self, scope: InstallationScope) -> bool:
        """Return whether any delivery could be claimed now; only reads."""
        for environment, endpoint_id in await _endpoints(scope.tx, FIRST_ENDPOINT):
            if await _enabled(scope.tx, environment, endpoint_id) and await scope.tx.deliveries.due(
                environment, endpoint_id, scope.now, 1
            ):
                return True
        return False

    @installation_unit
    async def backlog(self, scope: InstallationScope) -> OutboxBacklog:
        """Return how many deliveries are pending and the age of the oldest; only reads."""
        return OutboxBacklog(*await scope.tx.deliveries.backlog())

    @installation_unit
    async def claim(
        self, scope: InstallationScope, after: EndpointKey, in_flight: Mapping[EndpointKey, int], limit: int
    ) -> list[ClaimedDelivery]:
        """Claim up to `limit` due deliveries, starting with the endpoint that follows `after`.

        `in_flight` counts what this process is sending to each endpoint.
        """
        until = scope.now + self._settings.webhook_timeout * 1000 + LEASE_MARGIN
        claimed: list[ClaimedDelivery] = []
        for key in await _endpoints(scope.tx, after):
            count = min(limit - len(claimed), MAX_PER_ENDPOINT - in_flight.get(key, 0))
            endpoint = await _enabled(scope.tx, *key) if count > 0 else None
            if endpoint is not None:
                claimed += await _claim_of(scope, key[0], endpoint, until, count)
            if len(claimed) >= limit:
                break
        return claimed

    def sign(self, claimed: ClaimedDelivery) -> SignedRequest:
        """Build and sign the request of a delivery (contract section 6.4). Raises `NothingToSend`."""
        if claimed.event is None:
            raise NothingToSend("the event has been deleted")
        try:
            secret = self._webhooks.unsealed(claimed.environment, claimed.endpoint).secret
        except UnsealError as error:
            raise NothingToSend(f"the endpoint's secret cannot be unsealed: {error}") from error
        body = responses.encode(wire_events.event(claimed.event))
        headers = {
            "content-type": "application/json",
            "user-agent": f"authfactor/{__version__}",
            "workos-signature": signature(secret, self._clock(), body),
        }
        return SignedRequest(claimed.endpoint.endpoint_url, headers, body)

    @installation_unit
    async def settle(
        self, scope: InstallationScope, claimed: ClaimedDelivery, outcome: DeliveryOutcome
    ) -> bool:
        """Record how an attempt ended; False when the lease had expired and the claim was lost."""
        result = settled(claimed.delivery, outcome, scope.now, self._settings)
        environment = claimed.environment
        if not await scope.tx.deliveries.settle(environment, claimed.claimed_until, result):
            return False
        if result.state == "pending":
            await scope.tx.deliveries.postpone_followers(environment, result, result.due_at)
        else:
            await scope.tx.deliveries.advance_next(environment, result, scope.now)
        return True

    @unit
    async def page(
        self, scope: Scope, query: PageQuery, endpoint_id: str | None, state: State | None
    ) -> RecordPage[DeliveryRecord]:
        """List deliveries, all or by endpoint and state. Raises `InvalidRequest` for an unknown cursor."""
        for field, cursor in (("before", query.before), ("after", query.after)):
            if cursor and await scope.tx.deliveries.by_id(scope.number, cursor) is None:
                raise pagination.unknown_cursor(field, cursor)
        items, more_before, more_after = await scope.tx.deliveries.page(
            scope.number, query, endpoint_id, state
        )
        return pagination.page(items, query, more_before=more_before, more_after=more_after)

    @unit
    async def resend(self, scope: Scope, delivery_id: str) -> DeliveryRecord:
        """Make a delivery due now, whatever its state.

        Raises `NotFound`, and `Conflict` while the delivery is being sent.
        """
        changed = await scope.tx.deliveries.resend(scope.number, delivery_id, scope.now)
        delivery = await scope.tx.deliveries.by_id(scope.number, delivery_id)
        if delivery is None:
            raise errors.NotFound("Webhook Delivery", delivery_id)
        if not changed:
            raise errors.Conflict("delivery_in_progress", f"'{delivery_id}' is being sent right now.")
        return delivery


def signature(secret: str, at: int, body: bytes) -> str:
    """Return the signature header; `at` in milliseconds. SDKs split it at exactly a comma and one space."""
    digest = hmac.digest(secret.encode(), b"%d." % at + body, hashlib.sha256)
    return f"t={at}, v1={digest.hex()}"


def settled(
    delivery: DeliveryRecord, outcome: DeliveryOutcome, now: int, settings: Settings
) -> DeliveryRecord:
    """Return a delivery as it is after an attempt: delivered, due again later, or failed."""
    attempts = delivery.attempts + 1
    state: State = "pending"
    due_at = delivery.due_at
    if outcome.error is None:
        state = "delivered"
    elif attempts >= settings.webhook_attempts:
        state = "failed"
    else:
        wait = settings.webhook_first_retry * 1000 * BACK_OFF ** (attempts - 1)
        due_at = now + min(wait, MAX_WAIT)
    return msgspec.structs.replace(
        delivery,
        state=state,
        attempts=attempts,
        due_at=due_at,
        last_status=outcome.status,
        last_error=outcome.error,
        updated_at=now,
    )


async def _endpoints(tx: Tx, after: EndpointKey) -> list[EndpointKey]:
    """List the endpoints with pending deliveries, round-robin from the one that follows `after`."""
    found: list[EndpointKey] = []
    at = await tx.deliveries.next_endpoint(*FIRST_ENDPOINT)
    while at is not None:
        found.append(at)
        at = await tx.deliveries.next_endpoint(*at)
    return [key for key in found if key > after] + [key for key in found if key <= after]


async def _enabled(tx: Tx, environment: int, endpoint_id: str) -> WebhookEndpointRecord | None:
    endpoint = await tx.webhook_endpoints.by_id(environment, endpoint_id)
    return endpoint if endpoint is not None and endpoint.status == "enabled" else None


async def _claim_of(
    scope: InstallationScope, environment: int, endpoint: WebhookEndpointRecord, until: int, limit: int
) -> list[ClaimedDelivery]:
    deliveries = scope.tx.deliveries
    claimed = []
    for delivery_id in await deliveries.due(environment, endpoint.id, scope.now, limit):
        if (
            await deliveries.claim(environment, delivery_id, scope.now, until)
            and (delivery := await deliveries.by_id(environment, delivery_id)) is not None
        ):
            event = await scope.tx.events.by_id(environment, delivery.event_id)
            claimed.append(ClaimedDelivery(environment, until, delivery, endpoint, event))
    return claimed
