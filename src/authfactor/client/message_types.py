"""The types of messages and senders that the client takes and returns."""

from datetime import datetime
from typing import Any, Literal

from authfactor.client.types import Model

MessageState = Literal["pending", "sent", "failed", "expired", "canceled"]


class Message(Model, frozen=True, kw_only=True):
    """A message to a user. `to` is masked; nothing returns what was sent."""

    id: str
    channel: str
    kind: str
    to: str
    locale: str
    state: MessageState
    attempts: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    user_id: str | None = None
    error: str | None = None
    object: Literal["message"] = "message"


class MailSender(Model, frozen=True, kw_only=True):
    """An environment's sender of mail, without its secrets; a webhook's is there once, when it is made."""

    kind: Literal["smtp", "webhook", "console"]
    created_at: datetime
    updated_at: datetime
    from_address: str | None = None
    from_name: str | None = None
    reply_to: str | None = None
    smtp: dict[str, Any] | None = None
    webhook: dict[str, Any] | None = None
    off: list[str]
    locale: str
    limits: dict[str, int]
    object: Literal["mail_sender"] = "mail_sender"

    def __repr__(self) -> str:
        """Omit the webhook, which may have its secret, for logs and tracebacks."""
        return f"MailSender(kind={self.kind!r}, from_address={self.from_address!r})"


class SenderTest(Model, frozen=True, kw_only=True):
    """How a test message ended; `error` is None if the sender took it."""

    sent: bool
    error: str | None = None
    object: Literal["sender_test"] = "sender_test"
