"""The events of sign-ins."""

from typing import TYPE_CHECKING, Final

import msgspec

from authfactor import errors
from authfactor.models import UserRecord
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope
from authfactor.wire.events import SignInAttempt, SignInFailure
from authfactor.wire.requests import Authenticate

if TYPE_CHECKING:
    from authfactor.otp.recovery_code import Method

Refusal = errors.SignInRefused | errors.TooManyAttempts
# Strangers write what a sign-in gives, up to the 64 KiB of a body, and events are kept for months.
MAX_STORED: Final = 500


class SignInEvents:
    """Appends the events of sign-ins to the log."""

    def __init__(self, log: EventLog) -> None:
        """Keep the log."""
        self._log = log

    async def emit_refused(
        self, scope: Scope, user: UserRecord, refusal: Refusal, request: Authenticate
    ) -> None:
        """Emit the event of a second step whose refusal no limit counts."""
        if await self._log.take_refusal_event_slot(scope, user.id):
            await self.emit(scope, event_log.MFA_FAILED, user, request, refusal)

    async def emit(
        self,
        scope: Scope,
        name: str,
        user: UserRecord | None,
        request: Authenticate,
        refusal: Refusal | None = None,
        method: "Method" = "totp",
    ) -> None:
        """Emit the event `name`, of a user or, without one, of the email that was given.

        `method` is how the second factor was proven.
        """
        kind, _, outcome = name.removeprefix("authentication.").rpartition("_")
        shape = SignInAttempt(
            type=kind,
            status=outcome,
            ip_address=_shortened(request.ip_address),
            user_agent=_shortened(request.user_agent),
            user_id=user.id if user else None,
            email=user.email if user else _shortened(request.email),
            # The contract's event has no such field: only a proof that it does not know is named.
            method=msgspec.UNSET if method == "totp" else method,
            error=SignInFailure(refusal.code, refusal.message[:MAX_STORED]) if refusal else msgspec.UNSET,
        )
        await self._log.append(scope, name, shape.user_id, shape)


def _shortened(text: str | None) -> str | None:
    return None if text is None else text[:MAX_STORED]
