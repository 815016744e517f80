"""Attempts at passwords: counted against their limits."""

from typing import NoReturn

from authfactor import errors
from authfactor.models import Clock, UserRecord
from authfactor.rules.authentication import password_throttling
from authfactor.rules.authentication.password_throttling import PasswordThrottling, ThrottleLimit
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope, unit
from authfactor.wire.requests import Authenticate, without_nul


class PasswordAttempts:
    """Counts attempts at passwords and refuses those beyond a limit."""

    def __init__(
        self, clock: Clock, log: EventLog, throttling: PasswordThrottling, events: SignInEvents
    ) -> None:
        """Keep the collaborators; time comes from `clock` alone."""
        self._clock = clock
        self._log = log
        self._throttling = throttling
        self._events = events

    @unit
    async def may_try(self, scope: Scope, user: UserRecord | None, request: Authenticate) -> bool:
        """Return whether the limits allow an attempt now, without counting it."""
        return await password_throttling.is_open(scope, await self.limits(scope, user, request))

    async def limits(
        self, scope: Scope, user: UserRecord | None, request: Authenticate
    ) -> list[ThrottleLimit]:
        """Return the limits of an attempt."""
        email, address = without_nul(request.email or ""), request.ip_address
        return await self._throttling.limits_of(scope, user, email, address, with_code=bool(request.code))

    async def count(
        self, scope: Scope, user: UserRecord | None, request: Authenticate, *, right: bool
    ) -> bool:
        """Count an attempt if it is wrong; False when no attempt was left, for a right one too."""
        limits = await self.limits(scope, user, request)
        if right and scope.tx.db.serializes_writes:
            return await password_throttling.is_open(scope, limits)
        # With concurrent units a right attempt is charged as well, which orders it among the others.
        if not await password_throttling.charge(scope, limits):
            return False
        if right:
            await password_throttling.refund(scope, limits)
        return True

    @unit
    async def refuse(self, scope: Scope, user: UserRecord | None, request: Authenticate) -> NoReturn:
        """Count a wrong password and raise the refusal."""
        if not await self.count(scope, user, request, right=False):
            # The same refusal as for a right password: over the limit, the response reveals nothing.
            await self.refuse_over_limit(scope, user, request)
        refusal = bad_credentials(request)
        await self._events.emit(scope, event_log.PASSWORD_FAILED, user, request, refusal)
        raise refusal.after_commit()

    async def refuse_over_limit(
        self, scope: Scope, user: UserRecord | None, request: Authenticate
    ) -> NoReturn:
        """Raise the refusal of an attempt over the limit.

        Invented emails are unlimited, so they share one event quota per network.
        """
        refusal = password_throttling.refusal()
        subject = user.id if user else password_throttling.stranger_subject(request.ip_address)
        if await self._log.take_refusal_event_slot(scope, subject):
            await self._events.emit(scope, event_log.PASSWORD_FAILED, user, request, refusal)
        raise refusal.after_commit()


def bad_credentials(request: Authenticate) -> errors.SignInRefused:
    """Return the refusal of a wrong email or password, which does not say which of them it was."""
    text = f"Invalid credentials for '{without_nul(request.email or '')}'."
    return errors.SignInRefused("invalid_credentials", text)
