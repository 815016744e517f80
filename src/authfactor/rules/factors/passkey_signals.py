"""What browsers should know of a user's passkeys, so that they offer no deleted ones (decision 0050)."""

from typing import Any, NamedTuple

from authfactor import errors
from authfactor.models import Clock
from authfactor.rules.factors.passkey_settings import relying_party_of
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.webauthn import options


class SignalFacts(NamedTuple):
    """Arguments of the browser's signals; None for a user who has never registered a passkey."""

    user_id: str
    accepted: dict[str, Any] | None
    details: dict[str, Any] | None


class PasskeySignaling:
    """Tells which passkeys exist."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._settings = settings

    @unit
    async def of_user(self, scope: Scope, user_id: str) -> SignalFacts:
        """Return the signals of a user. Raises `NotFound`, and `InvalidRequest` if browsers refuse the site.

        A suspect passkey is among those that exist: a browser deletes what is not.
        """
        settings = relying_party_of(scope.environment, self._settings)
        user = await scope.tx.users.by_id(scope.number, user_id)
        if user is None:
            raise errors.NotFound("User", user_id)
        handle = await scope.tx.passkeys.handle_of(scope.number, user_id)
        if handle is None:
            return SignalFacts(user_id, None, None)
        known = await scope.tx.passkeys.of_user(scope.number, user_id)
        ids = [each.credential_id for each in known if each.rp_id == settings.rp_id]
        account = options.Account(handle, user.email, user.email)
        return SignalFacts(user_id, *options.signals(settings.rp_id, account, ids))
