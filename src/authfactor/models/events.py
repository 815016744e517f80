"""Events, webhook endpoints, and deliveries."""

from typing import Literal, NamedTuple

from authfactor.models.base import Record


class EventRecord(Record, frozen=True, gc=False):
    """An event; `data` is JSON text."""

    id: str
    name: str
    user_id: str | None
    data: str
    created_at: int


class WebhookEndpointRecord(Record, frozen=True, gc=False):
    """A subscribed URL. `secret` signs the requests; it is sealed in the store and unsealed by the rules.

    `failures` counts the failed requests since the last success, `last_error` is the latest. An endpoint that
    keeps failing is paused: until `paused_until` (milliseconds) it gets no request, and then only one, the
    probe, whose success ends the pause.
    """

    id: str
    endpoint_url: str
    secret: str
    status: Literal["enabled", "disabled"]
    events: tuple[str, ...]
    created_at: int
    updated_at: int
    failures: int = 0
    paused_until: int | None = None
    last_error: str | None = None


class PausePolicy(NamedTuple):
    """When a failing endpoint is paused: after so many failures in a row, first and longest pause in ms."""

    failures: int
    first: int
    longest: int


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
    """A delivery claimed by one process until `claimed_until`; `event` is None once it is deleted.

    A `probe` is the one request to a paused endpoint.
    """

    environment: int
    claimed_until: int
    delivery: DeliveryRecord
    endpoint: WebhookEndpointRecord
    event: EventRecord | None
    probe: bool = False


class DeliveryOutcome(Record, frozen=True, gc=False):
    """The outcome of one attempt: the receiver's HTTP status, if any; `error` is None on success.

    `requested` is False if nothing could be sent, which says nothing about the receiver.
    """

    status: int | None
    error: str | None
    requested: bool = True


class OutboxBacklog(Record, frozen=True, gc=False):
    """Pending deliveries: their number, up to a limit, and the earliest due and event times.

    `oldest_due` leaves out endpoints that are disabled or paused; `paused` counts the paused ones.
    """

    pending: int
    oldest_due: int | None
    oldest_event: int | None
    paused: int
