"""Request and response bodies of senders. Secrets are written, never read. Unknown members are refused."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from authfactor.models.messages import MailSetUp, MessageKind, SenderKind, SmtpSecurity
from authfactor.wire import timestamps
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ResponseModel, Timestamp


class SetSmtp(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """A server for mail."""

    host: Annotated[str, Meta(description="Host name of the server.")]
    port: Annotated[
        int | None, Meta(description="Default: 465 for `tls`, 587 for `starttls`, 25 for `none`.")
    ] = None
    security: Annotated[
        SmtpSecurity,
        Meta(description="`tls` from the first byte, `starttls`, or `none`, on this machine only."),
    ] = "tls"
    username: Annotated[str | None, Meta(description="To sign in at the server.")] = None
    password: Annotated[
        str | UnsetType | None,
        Meta(description="Never shown again. Absent: as before, if host, port and username are too."),
    ] = UNSET


class SetMessageWebhook(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """A URL that messages are posted to."""

    url: Annotated[str, Meta(description="An https URL.")]
    secret: Annotated[
        str | UnsetType,
        Meta(
            description="Signs the requests; at least 24 characters, never shown again. Absent: as before;"
            " for a new URL, one is made and returned once."
        ),
    ] = UNSET


class SetSendLimits(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """How many messages with codes and links are sent."""

    interval_seconds: Annotated[
        int, Meta(description="Between two of one kind to an address or user. 0 to 3600.")
    ] = 30
    per_hour: Annotated[int, Meta(description="To an address or user. 1 to 1000.")] = 5
    per_day: Annotated[int, Meta(description="To an address or user. 1 to 1000.")] = 10
    environment_per_hour: Annotated[
        int, Meta(description="To all users of the environment. 1 to 1000000.")
    ] = 100


class SetMailSender(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """An environment's sender of mail, as a whole: what is absent gets its default."""

    kind: Annotated[
        SenderKind | None,
        Meta(description="`smtp`, `webhook`, or `console`: shown on the console, for development."),
    ] = None
    from_address: Annotated[str | None, Meta(description="Required for `smtp`.")] = None
    from_name: Annotated[
        str | None, Meta(description="Default: the environment's branding or team name.")
    ] = None
    reply_to: Annotated[str | None, Meta(description="Where replies go.")] = None
    smtp: Annotated[SetSmtp | None, Meta(description="For `smtp`.")] = None
    webhook: Annotated[SetMessageWebhook | None, Meta(description="For `webhook`.")] = None
    off: Annotated[tuple[MessageKind, ...], Meta(description="Kinds that are not sent.")] = ()
    locale: Annotated[
        str, Meta(description="Language for users without one: `en`, `de`, `es`, `fr` or `ja`.")
    ] = "en"
    limits: Annotated[SetSendLimits, Meta(description="Send limits.")] = SetSendLimits()


class SmtpObject(ResponseModel, frozen=True, gc=False):
    """A server for mail, without its password."""

    host: str
    port: int
    security: SmtpSecurity
    username: str | None
    password_set: bool


class MessageWebhookObject(ResponseModel, frozen=True, gc=False):
    """A URL that messages are posted to; `secret` only when it was made just now."""

    url: str
    secret: str | UnsetType = UNSET


class SendLimitsObject(ResponseModel, frozen=True, gc=False):
    """How many messages with codes and links are sent."""

    interval_seconds: int
    per_hour: int
    per_day: int
    environment_per_hour: int


class MailSenderObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="mail_sender"):
    """An environment's sender of mail."""

    kind: SenderKind
    from_address: str | None
    from_name: str | None
    reply_to: str | None
    off: list[str]
    locale: str
    limits: SendLimitsObject
    created_at: Timestamp
    updated_at: Timestamp
    smtp: SmtpObject | UnsetType = UNSET
    webhook: MessageWebhookObject | UnsetType = UNSET


class TestMail(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """Send a test message now."""

    to: Annotated[str | None, Meta(description="The address it is sent to.")] = None


class TestedSenderObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="sender_test"):
    """How a test message ended; `error` is null if the sender took it."""

    sent: bool
    error: str | None


def mail_sender(found: MailSetUp) -> MailSenderObject:
    """Render a sender without its secrets, but for one that was made just now."""
    settings, limits = found.settings, found.options.limits
    smtp, webhook = settings.smtp, settings.webhook
    return MailSenderObject(
        settings.kind,
        settings.from_address,
        settings.from_name,
        settings.reply_to,
        list(found.options.off),
        found.options.locale,
        SendLimitsObject(limits.interval, limits.per_hour, limits.per_day, limits.environment_per_hour),
        timestamps.format_ms(found.created_at),
        timestamps.format_ms(found.updated_at),
        UNSET
        if smtp is None
        else SmtpObject(smtp.host, smtp.port, smtp.security, smtp.username, smtp.password is not None),
        UNSET if webhook is None else MessageWebhookObject(webhook.url, found.new_secret or UNSET),
    )
