"""Events, webhook endpoints, and deliveries."""

from typing import Literal

from authfactor.models.base import Record


class EventRecord(Record, frozen=True, gc=False):
    """An event; `data` is JSON text."""

    id: str
    name: str
    user_id: str | None
    data: str
    created_at: int


class WebhookEndpointRecord(Record, frozen=True, gc=False):
    """A subscribed URL. `secret` signs the requests; it is sealed in the store and unsealed by the rules."""

    id: str
    endpoint_url: str
    secret: str
    status: Literal["enabled", "disabled"]
    events: tuple[str, ...]
    created_at: int
    updated_at: int


class DeliveryRecord(Record, frozen=True, gc=False):
    """The delivery of one event to one endpoint; `event` is its name, None once the event is deleted."""

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
    """A delivery claimed by one process until `claimed_until`; `event` is None once it is deleted."""

    environment: int
    claimed_until: int
    delivery: DeliveryRecord
    endpoint: WebhookEndpointRecord
    event: EventRecord | None


class DeliveryOutcome(Record, frozen=True, gc=False):
    """The outcome of one attempt: the receiver's HTTP status, if any; `error` is None on success."""

    status: int | None
    error: str | None


class OutboxBacklog(Record, frozen=True, gc=False):
    """Pending deliveries: their number, up to a limit, and the earliest due and event times."""

    pending: int
    oldest_due: int | None
    oldest_event: int | None
