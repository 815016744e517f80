"""The outbox: which deliveries go next, how a letter is signed, and what becomes of it afterwards.

A delivery is taken by one conditional write that gives it to one process for a while (a lease). A
process that dies leaves its leases to run out; then another one sends again: at least once, never lost.
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
    Environment,
    OutboxBacklog,
    PageQuery,
    RecordPage,
    WebhookEndpointRecord,
)
from authfactor.rules import pagination
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.events.webhook_endpoints import WebhookEndpoints
from authfactor.settings import Settings
from authfactor.store import Tx, Unit
from authfactor.version import __version__
from authfactor.wire import events as wire_events
from authfactor.wire import responses

State = Literal["pending", "delivered", "failed"]
EndpointKey = tuple[int, str]
FIRST_ENDPOINT: Final[EndpointKey] = (0, "")
# One receiver that never answers must leave room for the others.
MAX_CONCURRENT: Final = 8
MAX_PER_ENDPOINT: Final = 6
BACK_OFF: Final = 4
MAX_WAIT: Final = 24 * 3600 * 1000
LEASE_MARGIN: Final = 30_000


class SignedRequest(NamedTuple):
    """What is posted."""

    url: str
    headers: dict[str, str]
    body: bytes


class NothingToSend(Exception):
    """There is nothing to send for this delivery; the message is for its record."""


class Deliveries:
    """Claims, writes and settles deliveries."""

    def __init__(self, clock: Clock, webhooks: WebhookEndpoints, log: EventLog, settings: Settings) -> None:
        """Take what the rules may use; `grew` is set when this process put something into the outbox."""
        self._clock = clock
        self._webhooks = webhooks
        self._settings = settings
        self.grew = log.outbox_grew
        # Attempts of this process by how they ended, for the metrics.
        self.sent = {"delivered": 0, "failed": 0}

    def any_due(self) -> Unit[bool]:
        """Tell whether anything could be claimed now; only reads."""
        now = self._clock()

        async def run(tx: Tx) -> bool:
            for environment, endpoint_id in await _endpoints(tx, FIRST_ENDPOINT):
                if await _enabled(tx, environment, endpoint_id) and await tx.deliveries.due(
                    environment, endpoint_id, now, 1
                ):
                    return True
            return False

        return run

    def backlog(self) -> Unit[OutboxBacklog]:
        """Tell how much waits and since when; only reads."""

        async def run(tx: Tx) -> OutboxBacklog:
            return OutboxBacklog(*await tx.deliveries.backlog())

        return run

    def claim(
        self, after: EndpointKey, in_flight: Mapping[EndpointKey, int], room: int
    ) -> Unit[list[ClaimedDelivery]]:
        """Take up to `room` deliveries, beginning with the endpoint that follows `after`.

        `in_flight` counts what this process is sending to each endpoint.
        """
        now = self._clock()
        until = now + self._settings.webhook_timeout * 1000 + LEASE_MARGIN

        async def run(tx: Tx) -> list[ClaimedDelivery]:
            taken: list[ClaimedDelivery] = []
            for key in await _endpoints(tx, after):
                most = min(room - len(taken), MAX_PER_ENDPOINT - in_flight.get(key, 0))
                endpoint = await _enabled(tx, *key) if most > 0 else None
                if endpoint is not None:
                    taken += await _claim_of(tx, key[0], endpoint, now, until, most)
                if len(taken) >= room:
                    break
            return taken

        return run

    def letter(self, dispatch: ClaimedDelivery) -> SignedRequest:
        """Write and sign what is posted (contract section 6.4). Raises `CannotWrite`."""
        if dispatch.event is None:
            raise NothingToSend("the event is no longer kept")
        try:
            secret = self._webhooks.opened(dispatch.environment, dispatch.endpoint).secret
        except UnsealError as error:
            raise NothingToSend(f"the endpoint's secret cannot be opened: {error}") from error
        body = responses.encode(wire_events.event(dispatch.event))
        headers = {
            "content-type": "application/json",
            "user-agent": f"authfactor/{__version__}",
            "workos-signature": signature(secret, self._clock(), body),
        }
        return SignedRequest(dispatch.endpoint.endpoint_url, headers, body)

    def settle(self, dispatch: ClaimedDelivery, outcome: DeliveryOutcome) -> Unit[bool]:
        """Write down how an attempt ended; False when the lease had run out and the claim was lost."""
        now = self._clock()
        result = settled(dispatch.delivery, outcome, now, self._settings)
        environment = dispatch.environment

        async def run(tx: Tx) -> bool:
            if not await tx.deliveries.settle(environment, dispatch.claimed_until, result):
                return False
            if result.state == "pending":
                await tx.deliveries.postpone_followers(environment, result, result.due_at)
            else:
                await tx.deliveries.advance_next(environment, result, now)
            return True

        return run

    def page(
        self, environment: Environment, query: PageQuery, endpoint_id: str | None, state: State | None
    ) -> Unit[RecordPage[DeliveryRecord]]:
        """List deliveries. The unit raises `InvalidRequest` for an unknown cursor."""

        async def run(tx: Tx) -> RecordPage[DeliveryRecord]:
            for field, cursor in (("before", query.before), ("after", query.after)):
                if cursor and await tx.deliveries.by_id(environment.number, cursor) is None:
                    raise pagination.unknown_cursor(field, cursor)
            items, more_before, more_after = await tx.deliveries.page(
                environment.number, query, endpoint_id, state
            )
            return pagination.page(items, query, more_before=more_before, more_after=more_after)

        return run

    def resend(self, environment: Environment, delivery_id: str) -> Unit[DeliveryRecord]:
        """Make a delivery due now, whatever became of it before.

        The unit raises `NotFound`, and `Conflict` while the delivery is being sent.
        """
        now = self._clock()

        async def run(tx: Tx) -> DeliveryRecord:
            changed = await tx.deliveries.resend(environment.number, delivery_id, now)
            delivery = await tx.deliveries.by_id(environment.number, delivery_id)
            if delivery is None:
                raise errors.NotFound("Webhook Delivery", delivery_id)
            if not changed:
                raise errors.Conflict(
                    "delivery_in_progress", f"'{delivery_id}' is being sent at this moment."
                )
            return delivery

        return run


def signature(secret: str, at: int, body: bytes) -> str:
    """Sign a body; `at` in milliseconds. SDKs split the header at exactly a comma and one space."""
    digest = hmac.digest(secret.encode(), b"%d." % at + body, hashlib.sha256)
    return f"t={at}, v1={digest.hex()}"


def settled(
    delivery: DeliveryRecord, outcome: DeliveryOutcome, now: int, settings: Settings
) -> DeliveryRecord:
    """Say what becomes of a delivery after an attempt: done, due again later, or given up."""
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
    """List the endpoints with something pending, from the one that follows `after` once around."""
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
    tx: Tx, environment: int, endpoint: WebhookEndpointRecord, now: int, until: int, most: int
) -> list[ClaimedDelivery]:
    taken = []
    for delivery_id in await tx.deliveries.due(environment, endpoint.id, now, most):
        if await tx.deliveries.claim(environment, delivery_id, now, until):
            delivery = await tx.deliveries.by_id(environment, delivery_id)
            if delivery is not None:
                event = await tx.events.by_id(environment, delivery.event_id)
                taken.append(ClaimedDelivery(environment, until, delivery, endpoint, event))
    return taken
