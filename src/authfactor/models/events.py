"""Events, webhook endpoints, and deliveries."""

from typing import Literal

from authfactor.models.base import Record


class EventRecord(Record, frozen=True, gc=False):
    """Something that happened. `data` is JSON text."""

    id: str
    name: str
    user_id: str | None
    data: str
    created_at: int


class WebhookEndpointRecord(Record, frozen=True, gc=False):
    """A URL that is told of events. `secret` signs them: sealed in the store, opened by the rules."""

    id: str
    endpoint_url: str
    secret: str
    status: Literal["enabled", "disabled"]
    events: tuple[str, ...]
    created_at: int
    updated_at: int


class DeliveryRecord(Record, frozen=True, gc=False):
    """One event on its way to one endpoint. `event` is its name, None once the event is no longer kept."""

    id: str
    endpoint_id: str
    event_id: str
    event: str | None
    user_id: str | None
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    due_at: int
    last_status: int | None
    last_error: str | None
    created_at: int
    updated_at: int


class ClaimedDelivery(Record, frozen=True, gc=False):
    """A delivery that one process has claimed: what to send, and where. `event` None: no longer kept."""

    environment: int
    claimed_until: int
    delivery: DeliveryRecord
    endpoint: WebhookEndpointRecord
    event: EventRecord | None


class DeliveryOutcome(Record, frozen=True, gc=False):
    """How one attempt ended: the receiver's status if there was one; `error` None is success."""

    status: int | None
    error: str | None


class OutboxBacklog(Record, frozen=True, gc=False):
    """What waits in the outbox: how many (up to a limit), and the earliest moments, in milliseconds."""

    pending: int
    oldest_due: int | None
    oldest_event: int | None
