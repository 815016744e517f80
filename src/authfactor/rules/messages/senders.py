"""Senders: how an environment's messages leave, set by the application or an operator, secrets sealed.

All settings are sealed, not only secrets, so that an attacker who writes the database cannot lead codes away.
"""

from typing import Final

import msgspec

from authfactor import errors
from authfactor.crypto.vault import SealedLocation, UnsealError, Vault
from authfactor.errors import InvalidRequest, Item
from authfactor.models import Clock, Entropy, Environment, MailOptions, SendLimits
from authfactor.models.messages import (
    MailSetUp,
    MessageWebhook,
    SenderRecord,
    SenderSettings,
    SmtpSettings,
)
from authfactor.rules.authentication.applied_policy import options_of
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.messages import sender_checks
from authfactor.rules.messages.kinds import MAIL
from authfactor.rules.tenants.environments import Environments
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings, is_loopback
from authfactor.store import Unit
from authfactor.wire.senders import SetMailSender, SetMessageWebhook, SetSmtp

KIND: Final = "Sender"
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - a prefix
DELETED: Final = "the sender was deleted"


def settings_row(environment: int, channel: str) -> SealedLocation:
    """Return where a sender's sealed settings are stored."""
    return SealedLocation("senders", "settings", environment, channel)


class Senders:
    """Reads and changes senders."""

    def __init__(
        self, clock: Clock, entropy: Entropy, vault: Vault, settings: Settings, environments: Environments
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._settings = settings
        self._environments = environments

    @unit
    async def get(self, scope: Scope) -> MailSetUp:
        """Return the sender of mail. Raises `NotFound`, and `vault.UnsealError`."""
        record = await scope.tx.senders.of_channel(scope.number, MAIL)
        environment = await scope.tx.environments.by_number(scope.number)
        if record is None or environment is None:
            raise errors.NotFound(KIND, MAIL)
        mail = options_of(environment.options).mail or MailOptions()
        return MailSetUp(self.unsealed(scope.number, record), mail, record.created_at, record.updated_at)

    def set(
        self, environment: Environment, request: SetMailSender, *, by_operator: bool = False
    ) -> Unit[MailSetUp]:
        """Replace the sender of mail as a whole; secrets that are absent stay. Raises `InvalidRequest`.

        Only an operator may choose a server in this server's own network; an application only where webhooks
        may lead there. The unit raises `InvalidRequest` for a secret that is absent and cannot stay.
        """
        private = by_operator or self._settings.webhook_private_addresses
        sender_checks.check(
            request,
            private_smtp=private,
            private_webhooks=self._settings.webhook_private_addresses,
            development=self.is_development,
        )
        limits = request.limits
        mail = MailOptions(
            tuple(dict.fromkeys(request.off)),
            request.locale,
            SendLimits(limits.interval_seconds, limits.per_hour, limits.per_day, limits.environment_per_hour),
        )
        return self._set(environment, request, mail, private)

    @unit
    async def _set(self, scope: Scope, request: SetMailSender, mail: MailOptions, private: bool) -> MailSetUp:  # noqa: FBT001 - a unit's arguments
        known = await scope.tx.environments.lock(scope.number) or scope.environment
        stored = await scope.tx.senders.of_channel(scope.number, MAIL)
        before = None if stored is None else self._opened(scope.number, stored)
        webhook, new_secret = self._webhook(request.webhook, before)
        settings = SenderSettings(
            request.kind or "console",
            request.from_address,
            request.from_name,
            request.reply_to,
            None if request.smtp is None else _smtp(request.smtp, before, private=private),
            webhook,
        )
        created_at = scope.now if stored is None else stored.created_at
        updated_at = scope.now if stored is None else max(scope.now, stored.updated_at + 1)
        sealed = self._vault.seal(msgspec.json.encode(settings), settings_row(scope.number, MAIL))
        await scope.tx.senders.put(
            scope.number, SenderRecord(MAIL, settings.kind, sealed, created_at, updated_at)
        )
        await self._note(scope, known, mail)
        return MailSetUp(settings, mail, created_at, updated_at, new_secret)

    @unit
    async def delete(self, scope: Scope) -> None:
        """Delete the sender of mail, with what is waiting to be sent. Raises `NotFound`."""
        known = await scope.tx.environments.lock(scope.number)
        if known is None or not await scope.tx.senders.delete(scope.number, MAIL):
            raise errors.NotFound(KIND, MAIL)
        await self._note(scope, known, None)
        await scope.tx.messages.stop(scope.number, MAIL, DELETED, scope.now)

    @property
    def is_development(self) -> bool:
        """Whether this server is reached on this machine alone, so that messages may be shown."""
        return is_loopback(self._settings.base_url)

    def unsealed(self, environment: int, record: SenderRecord) -> SenderSettings:
        """Return a sender's settings. Raises `vault.UnsealError`."""
        text = self._vault.unseal(record.settings, settings_row(environment, record.channel))
        return msgspec.json.decode(text, type=SenderSettings)

    def _opened(self, environment: int, record: SenderRecord) -> SenderSettings | None:
        """Return a sender's settings, None if they do not open: then they can only be replaced."""
        try:
            return self.unsealed(environment, record)
        except UnsealError:
            return None

    async def _note(self, scope: Scope, known: Environment, mail: MailOptions | None) -> None:
        """Note in the environment what is sent, so that queuing needs no statement to know."""
        options = msgspec.structs.replace(options_of(known.options), mail=mail)
        await self._environments.change(scope, known, known.mfa_policy, options)

    def _webhook(
        self, request: SetMessageWebhook | None, before: SenderSettings | None
    ) -> tuple[MessageWebhook | None, str | None]:
        """Return the webhook, and its secret if it was made just now."""
        if request is None:
            return None, None
        if isinstance(request.secret, str):
            return MessageWebhook(request.url, request.secret), None
        known = None if before is None else before.webhook
        if known is not None and known.url == request.url:
            return known, None
        secret = SECRET_PREFIX + random_token(self._entropy)
        return MessageWebhook(request.url, secret), secret


def _smtp(request: SetSmtp, before: SenderSettings | None, *, private: bool) -> SmtpSettings:
    """Return the server for mail. Raises `InvalidRequest` for a password that is absent and cannot stay.

    Else a caller who may change the host could read the password of another one there.
    """
    port = request.port or sender_checks.PORTS[request.security]
    known = None if before is None else before.smtp
    password = request.password
    if isinstance(password, str) or password is None or request.username is None:
        chosen = password if isinstance(password, str) and request.username is not None else None
    elif known is not None and (known.host, known.port, known.username) == (
        request.host,
        port,
        request.username,
    ):
        chosen = known.password
    else:
        text = "smtp.password: required for a new host, port or username (null: none)."
        raise InvalidRequest(Item("smtp.password", "password_required", text))
    return SmtpSettings(request.host, port, request.security, request.username, chosen, private)
