"""The events of sign-ins."""

from typing import TYPE_CHECKING

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


class SignInEvents:
    """Appends the events of sign-ins to the log."""

    def __init__(self, log: EventLog) -> None:
        """Keep the log."""
        self._log = log

    async def emit_refused(
        self,
        scope: Scope,
        user: UserRecord,
        refusal: Refusal,
        request: Authenticate,
        name: str = event_log.MFA_FAILED,
    ) -> None:
        """Emit the event of a refusal that no limit counts."""
        if await self._log.take_refusal_event_slot(scope, user.id):
            await self.emit(scope, name, user, request, refusal)

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
        kind, _, outcome = name.removeprefix("authentication.").partition("_")
        shape = SignInAttempt(
            type=kind,
            status=outcome,
            ip_address=request.ip_address,
            user_agent=request.user_agent,
            user_id=user.id if user else None,
            email=user.email if user else request.email,
            # The contract's event has no such field: only a proof that it does not know is named.
            method=msgspec.UNSET if method == "totp" else method,
            error=SignInFailure(refusal.code, refusal.message) if refusal else msgspec.UNSET,
        )
        await self._log.append(scope, name, shape.user_id, shape)
