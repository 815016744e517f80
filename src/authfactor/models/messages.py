"""Messages to users, and what sends them."""

from typing import Literal

from authfactor.models.base import Record
from authfactor.models.links import BrandingRecord
from authfactor.models.tenants import Environment, MailOptions
from authfactor.models.tenants import MessageKind as MessageKind  # noqa: PLC0414 - exported

MessageState = Literal["pending", "sent", "failed", "expired", "canceled"]
SenderKind = Literal["smtp", "webhook", "console"]


class MessageRecord(Record, frozen=True, gc=False):
    """A message in the outbox. `content` is its sealed values, None once they are erased.

    `reference` names what the message is about, so that it can be canceled. `expires_at` is when it is of no
    use any more; times are in milliseconds.
    """

    id: str
    user_id: str | None
    channel: str
    kind: MessageKind
    recipient: str
    locale: str
    reference: str | None
    content: str | None
    state: MessageState
    attempts: int
    due_at: int
    expires_at: int
    last_error: str | None
    created_at: int
    updated_at: int


class SenderRecord(Record, frozen=True, gc=False):
    """What sends the messages of one channel; `settings` is sealed JSON, secrets included."""

    channel: str
    kind: SenderKind
    settings: str
    created_at: int
    updated_at: int


class ClaimedMessage(Record, frozen=True, gc=False):
    """A message claimed by one process until `claimed_until`; `sender` is None if there is none any more."""

    environment: Environment
    branding: BrandingRecord | None
    claimed_until: int
    message: MessageRecord
    sender: SenderRecord | None


class SendOutcome(Record, frozen=True, gc=False):
    """How an attempt to send ended; `error` is None on success, `final` if another attempt is of no use.

    `tried` is False if nothing could be sent; `kept`: what was sent stays readable, for development.
    """

    error: str | None
    final: bool = False
    tried: bool = True
    kept: bool = False


SmtpSecurity = Literal["tls", "starttls", "none"]


class SmtpSettings(Record, frozen=True, gc=False):
    """A server for mail. `private`: an operator has allowed addresses in the server's own network."""

    host: str
    port: int
    security: SmtpSecurity
    username: str | None
    password: str | None
    private: bool


class MessageWebhook(Record, frozen=True, gc=False):
    """A URL that messages are posted to, and the secret that signs the requests."""

    url: str
    secret: str


class SenderSettings(Record, frozen=True, gc=False):
    """How messages of a channel are sent: exactly one of `smtp` and `webhook`, none of them for `console`."""

    kind: SenderKind
    from_address: str | None = None
    from_name: str | None = None
    reply_to: str | None = None
    smtp: SmtpSettings | None = None
    webhook: MessageWebhook | None = None


class MailSetUp(Record, frozen=True, gc=False):
    """An environment's sender of mail as it is now; `settings` has its secrets."""

    settings: SenderSettings
    options: MailOptions
    created_at: int
    updated_at: int
    new_secret: str | None = None
