"""Events as JSON, in `GET /events` and in webhook deliveries alike (contract section 6.2)."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from authfactor.models import EventRecord, RecordPage
from authfactor.wire import timestamps
from authfactor.wire.responses import ListMetadataObject, ListOf, ResponseModel, Timestamp


class EventObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="event"):
    """An event."""

    id: str
    event: str
    data: Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
    created_at: Timestamp
    context: dict[str, Any] = msgspec.field(default_factory=dict)


def event(record: EventRecord) -> EventObject:
    """Render an event."""
    return EventObject(
        record.id, record.name, Raw(record.data.encode()), timestamps.format_ms(record.created_at)
    )


def events(page: RecordPage[EventRecord]) -> ListOf[EventObject]:
    """Render a page of events."""
    return ListOf([event(item) for item in page.items], ListMetadataObject(page.before, page.after))
