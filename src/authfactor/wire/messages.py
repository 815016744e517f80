"""Messages to users as JSON: masked addresses, never what was sent."""

from typing import Protocol

from authfactor.models import RecordPage
from authfactor.models.messages import MessageKind, MessageRecord, MessageState
from authfactor.wire import timestamps
from authfactor.wire.responses import ListMetadataObject, ListOf, ResponseModel, Timestamp


class MessageObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="message"):
    """A message to a user. `to` is masked; `error` is why the last attempt failed."""

    id: str
    user_id: str | None
    channel: str
    kind: MessageKind
    to: str
    locale: str
    state: MessageState
    attempts: int
    error: str | None
    expires_at: Timestamp
    created_at: Timestamp
    updated_at: Timestamp


class ReportedMessage(ResponseModel, frozen=True, gc=False):
    """Data of the events of messages that were sent, or will not be."""

    message_id: str
    user_id: str | None
    channel: str
    kind: MessageKind
    to: str
    error: str | None

    @classmethod
    def of(cls, record: MessageRecord) -> "ReportedMessage":
        """Report a message that is settled."""
        return cls(
            record.id,
            record.user_id,
            record.channel,
            record.kind,
            masked(record.recipient),
            record.last_error,
        )


class MessagePreviewObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="message_preview"):
    """A message with sample values."""

    kind: str
    locale: str
    subject: str
    text: str
    html: str


class Previewed(Protocol):
    """The text of a message."""

    @property
    def locale(self) -> str:
        """Its language."""

    @property
    def subject(self) -> str:
        """The subject."""

    @property
    def text(self) -> str:
        """The plain text."""

    @property
    def html(self) -> str:
        """The same as HTML."""


def preview(kind: str, found: Previewed) -> MessagePreviewObject:
    """Render a preview."""
    return MessagePreviewObject(kind, found.locale, found.subject, found.text, found.html)


def masked(address: str) -> str:
    """Return an address of which only the first letter and the domain can be read."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}***{at}{domain}"


def message(record: MessageRecord) -> MessageObject:
    """Render a message."""
    return MessageObject(
        record.id,
        record.user_id,
        record.channel,
        record.kind,
        masked(record.recipient),
        record.locale,
        record.state,
        record.attempts,
        record.last_error,
        timestamps.format_ms(record.expires_at),
        timestamps.format_ms(record.created_at),
        timestamps.format_ms(record.updated_at),
    )


def message_list(page: RecordPage[MessageRecord]) -> ListOf[MessageObject]:
    """Render a page of messages."""
    return ListOf([message(item) for item in page.items], ListMetadataObject(page.before, page.after))
