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
    PausePolicy,
    RecordPage,
    WebhookEndpointRecord,
)
from authfactor.rules import pagination
from authfactor.rules.events import event_log
from authfactor.rules.events.delivery_places import DeliveryPlaces, EndpointKey
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.events.webhook_endpoints import KIND, WebhookEndpoints
from authfactor.rules.unit import InstallationScope, Scope, installation_unit, unit
from authfactor.settings import Settings
from authfactor.store import Tx
from authfactor.version import __version__
from authfactor.wire import events as wire_events
from authfactor.wire import responses
from authfactor.wire.webhooks import PingedEndpoint

State = Literal["pending", "delivered", "failed"]
FIRST_ENDPOINT: Final[EndpointKey] = (0, "")
# Longer claims would delay the requests of this process.
MAX_PER_CLAIM: Final = 8
# An endpoint that keeps failing gets one request per pause, so that it holds places and costs time rarely.
PAUSES: Final = PausePolicy(failures=5, first=10_000, longest=300_000)
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
        self._log = log
        self.grew = log.outbox_grew
        # Attempts of this process by outcome, for the metrics.
        self.sent = {"delivered": 0, "failed": 0}

    @installation_unit
    async def any_due(self, scope: InstallationScope) -> bool:
        """Return whether any delivery could be claimed now; only reads."""
        for environment, endpoint_id in await _endpoints(scope.tx, FIRST_ENDPOINT):
            if await self._receptive(scope, environment, endpoint_id) and await scope.tx.deliveries.due(
                environment, endpoint_id, scope.now, 1
            ):
                return True
        return False

    @installation_unit
    async def backlog(self, scope: InstallationScope) -> OutboxBacklog:
        """Count the pending deliveries and the paused endpoints, and find the oldest; only reads."""
        tx = scope.tx
        pending, oldest_event = await tx.deliveries.backlog()
        due_times = []
        for key in await _endpoints(tx, FIRST_ENDPOINT):
            endpoint = await tx.webhook_endpoints.by_id(*key)
            if endpoint is not None and endpoint.status == "enabled" and endpoint.paused_until is None:
                due_times.append(await tx.deliveries.oldest_due(*key))
        oldest_due = min((due for due in due_times if due is not None), default=None)
        return OutboxBacklog(pending, oldest_due, oldest_event, await tx.webhook_endpoints.count_paused())

    @installation_unit
    async def claim(
        self, scope: InstallationScope, after: EndpointKey, in_flight: Mapping[EndpointKey, int], limit: int
    ) -> list[ClaimedDelivery]:
        """Claim up to `limit` due deliveries, starting with the endpoint that follows `after`.

        `in_flight` counts what this process is sending to each endpoint.
        """
        places = DeliveryPlaces(in_flight)
        claimed: list[ClaimedDelivery] = []
        for key in await _endpoints(scope.tx, after):
            count = min(limit - len(claimed), places.available(key))
            endpoint = await self._receptive(scope, *key) if count > 0 else None
            if endpoint is not None:
                found = await self._claim_of(scope, key[0], endpoint, count)
                places.take(key, len(found))
                claimed += found
            if len(claimed) >= limit:
                break
        return claimed

    async def _receptive(
        self, scope: InstallationScope, environment: int, endpoint_id: str
    ) -> WebhookEndpointRecord | None:
        """Return the endpoint if it is enabled and not paused, or None."""
        endpoint = await scope.tx.webhook_endpoints.by_id(environment, endpoint_id)
        if endpoint is None or endpoint.status != "enabled":
            return None
        # A pause that ends too late was written before the clock was set back.
        longest = max(PAUSES.longest, self._lease)
        paused = endpoint.paused_until is not None and 0 < endpoint.paused_until - scope.now <= longest
        return None if paused else endpoint

    @property
    def _lease(self) -> int:
        """How long a claim lasts, in milliseconds."""
        return self._settings.webhook_timeout * 1000 + LEASE_MARGIN

    async def _claim_of(
        self, scope: InstallationScope, environment: int, endpoint: WebhookEndpointRecord, limit: int
    ) -> list[ClaimedDelivery]:
        """Claim due deliveries of an endpoint; after a pause a single one in all processes, the probe."""
        deliveries, until, pause_end = scope.tx.deliveries, scope.now + self._lease, endpoint.paused_until
        probe = pause_end is not None
        due = await deliveries.due(environment, endpoint.id, scope.now, 1 if probe else limit)
        if due and pause_end is not None:
            endpoints = scope.tx.webhook_endpoints
            first = await endpoints.start_probe(environment, endpoint.id, pause_end, until)
            due = due if first else []
        claimed: list[ClaimedDelivery] = []
        for delivery_id in due:
            if (
                await deliveries.claim(environment, delivery_id, scope.now, until)
                and (delivery := await deliveries.by_id(environment, delivery_id)) is not None
            ):
                event = await scope.tx.events.by_id(environment, delivery.event_id)
                claimed.append(ClaimedDelivery(environment, until, delivery, endpoint, event, probe))
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
        environment, endpoint_id = claimed.environment, claimed.endpoint.id
        if not await scope.tx.deliveries.settle(environment, claimed.claimed_until, result):
            return False
        if result.state == "pending":
            await scope.tx.deliveries.postpone_followers(environment, result, result.due_at)
        else:
            await scope.tx.deliveries.advance_next(environment, result, scope.now)
        endpoints = scope.tx.webhook_endpoints
        if outcome.error is None:
            await endpoints.record_success(environment, endpoint_id)
        elif outcome.requested:
            await endpoints.record_failure(
                environment, endpoint_id, outcome.error, scope.now, PAUSES, probe=claimed.probe
            )
        return True

    @unit
    async def ping(self, scope: Scope, endpoint_id: str) -> DeliveryRecord:
        """Queue a test event for an endpoint, whatever its subscriptions, and end its pause if it has one.

        Raises `NotFound`, and `Conflict` while the endpoint is disabled.
        """
        endpoint = await scope.tx.webhook_endpoints.by_id(scope.number, endpoint_id)
        if endpoint is None:
            raise errors.NotFound(KIND, endpoint_id)
        if endpoint.status != "enabled":
            text = f"'{endpoint_id}' is disabled and receives nothing. Enable it first."
            raise errors.Conflict("webhook_endpoint_disabled", text)
        data = PingedEndpoint(endpoint.id, endpoint.endpoint_url)
        await scope.tx.webhook_endpoints.end_pause(scope.number, endpoint_id, scope.now)
        return await self._log.append_for(scope, event_log.PING, endpoint_id, data)

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
