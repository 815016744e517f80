"""Sends single messages by an environment's sender: SMTP, a webhook, or the console in development."""

import logging
from typing import TYPE_CHECKING, Final

from authfactor.core import Authfactor
from authfactor.crypto.vault import UnsealError
from authfactor.models import BrandingRecord, Environment
from authfactor.models.messages import (
    ClaimedMessage,
    MailSetUp,
    MessageRecord,
    SenderSettings,
    SendOutcome,
)
from authfactor.rules.messages.kinds import MAIL
from authfactor.rules.messages.message_requests import signed_request
from authfactor.rules.messages.outbox import SEND_SECONDS
from authfactor.rules.messages.rendering import TEST, RenderedMessage, brand_of, render
from authfactor.rules.messages.sender_checks import is_sendable

if TYPE_CHECKING:
    from authfactor.outbound.smtp_sender import SmtpSender
    from authfactor.outbound.webhook_sender import WebhookSender

NO_SENDER: Final = "the environment has no sender of mail"
TOO_LATE: Final = "it could not be sent in time"
_TEST_ID: Final = "message_test"
_TEST_LIFE: Final = 10 * 60 * 1000

log = logging.getLogger("authfactor.messages")


class MessageSender:
    """Sends messages; its clients of other servers are made when they are first needed."""

    def __init__(self, af: Authfactor, smtp: "SmtpSender | None" = None) -> None:
        """Send for `af`; tests pass their own SMTP sender."""
        self._af = af
        self._smtp = smtp
        self._webhook: WebhookSender | None = None

    async def send(self, claimed: ClaimedMessage) -> SendOutcome:
        """Send a claimed message, unless it is too late or there is nothing to send it with."""
        message, number = claimed.message, claimed.environment.number
        if message.expires_at <= self._af.clock():
            return SendOutcome(TOO_LATE, final=True, tried=False)
        if claimed.sender is None:
            return SendOutcome(NO_SENDER, final=True, tried=False)
        try:
            settings = self._af.senders.unsealed(number, claimed.sender)
            values = self._af.messages.values_of(number, message)
        except UnsealError as error:
            return SendOutcome(f"it cannot be unsealed: {error}", tried=False)
        rendered = render(
            message.kind,
            values,
            brand=brand_of(claimed.environment.team_name, claimed.branding),
            locale=message.locale,
            life=message.expires_at - message.created_at,
        )
        return await self._send(claimed.environment, claimed.branding, settings, message, values, rendered)

    async def test(self, environment: Environment, to: str) -> SendOutcome:
        """Send a test message now. Raises `NotFound`, `InvalidRequest` and `SendLimitReached`."""
        set_up = await self._af.read(self._af.senders.get(environment))
        branding = await self._af.read(self._af.brandings.get(environment))
        await self._af.run(self._af.messages.charge_test(environment, to))
        return await self.send_test(environment, branding, set_up, to)

    async def send_test(
        self, environment: Environment, branding: BrandingRecord | None, set_up: MailSetUp, to: str
    ) -> SendOutcome:
        """Send a test message now, which leaves no row."""
        now, locale = self._af.clock(), set_up.options.locale
        times = (now + _TEST_LIFE, None, now, now)
        message = MessageRecord(
            _TEST_ID, None, MAIL, "one_time_code", to, locale, None, None, "pending", 0, now, *times
        )
        brand = brand_of(environment.team_name, branding)
        rendered = render(TEST, {}, brand=brand, locale=locale, life=_TEST_LIFE)
        return await self._send(environment, branding, set_up.settings, message, {}, rendered, kind=TEST)

    async def close(self) -> None:
        """Close the HTTP client."""
        if self._webhook is not None:
            await self._webhook.close()

    async def _send(
        self,
        environment: Environment,
        branding: BrandingRecord | None,
        settings: SenderSettings,
        message: MessageRecord,
        values: dict[str, str],
        rendered: RenderedMessage,
        *,
        kind: str = "",
    ) -> SendOutcome:
        if not is_sendable(message.recipient):
            return SendOutcome("the address cannot be used in mail", final=True, tried=False)
        if settings.smtp is not None:
            return await self._send_mail(environment, branding, settings, message, rendered)
        if settings.webhook is not None:
            request = signed_request(
                settings.webhook, message, values, rendered, self._af.clock(), kind=kind or message.kind
            )
            outcome = await self._open_webhook().post(*request)
            return SendOutcome(outcome.error)
        if not self._af.senders.is_development:
            return SendOutcome("the sender is for development alone", final=True, tried=False)
        # The only place that logs a code, and only where a developer has asked for it.
        log.info("message to %s\n%s\n\n%s", message.recipient, rendered.subject, rendered.text)
        return SendOutcome(None, kept=True)

    async def _send_mail(
        self,
        environment: Environment,
        branding: BrandingRecord | None,
        settings: SenderSettings,
        message: MessageRecord,
        rendered: RenderedMessage,
    ) -> SendOutcome:
        from authfactor.outbound.smtp_sender import Mail, SmtpSender  # noqa: PLC0415 - imports email and httpx

        assert settings.smtp is not None  # noqa: S101 - the caller has looked
        mail = Mail(
            message.id,
            settings.from_address or "",
            settings.from_name or brand_of(environment.team_name, branding).name,
            settings.reply_to,
            message.recipient,
            rendered.subject,
            rendered.text,
            rendered.html,
            rendered.locale,
            message.created_at,
        )
        if self._smtp is None:
            self._smtp = SmtpSender(timeout=SEND_SECONDS)
        return await self._smtp.send(settings.smtp, mail)

    def _open_webhook(self) -> "WebhookSender":
        if self._webhook is None:
            from authfactor.outbound.webhook_sender import WebhookSender  # noqa: PLC0415 - imports httpx

            settings = self._af.settings
            self._webhook = WebhookSender(
                timeout=min(settings.webhook_timeout, SEND_SECONDS),
                private=settings.webhook_private_addresses,
            )
        return self._webhook
