"""Sign-in: the password, then a code if the environment's policy or the user's factors require one."""

from typing import TYPE_CHECKING, NamedTuple, NoReturn

from authfactor import errors
from authfactor.ip_addresses import client_network
from authfactor.models import (
    Clock,
    Environment,
    SignedIn,
    SignInStart,
    UserRecord,
)
from authfactor.rules.authentication import password_throttling
from authfactor.rules.authentication.applied_policy import require_method
from authfactor.rules.authentication.password_attempts import PasswordAttempts, bad_credentials
from authfactor.rules.authentication.password_hashing import PasswordHasher, api_share
from authfactor.rules.authentication.second_step import SecondStep
from authfactor.rules.authentication.session_state import AMR, ONE_STEP
from authfactor.rules.authentication.sessions import PreparedSession, Sessions
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.authentication.step_up import StepUp, with_deadline
from authfactor.rules.events import event_log
from authfactor.rules.unit import Scope
from authfactor.store import Store, Unit
from authfactor.wire.requests import Authenticate, without_nul

if TYPE_CHECKING:
    from authfactor.otp.recovery_code import Method


class PasswordHashChanged(errors.Unavailable):
    """The stored hash was replaced while the password was checked against it: prepare the sign-in again."""


class RightPassword(NamedTuple):
    """A password that matched: its user, the hash `stored`, and `better`, which replaces that."""

    user: UserRecord
    stored: str
    better: str


class SignIn:
    """The grant `password`."""

    def __init__(
        self,
        clock: Clock,
        hasher: PasswordHasher,
        attempts: PasswordAttempts,
        events: SignInEvents,
        sessions: Sessions,
        step_up: StepUp,
        second_step: SecondStep,
    ) -> None:
        """Keep the collaborators; the time comes from `clock` alone."""
        self._clock = clock
        self._hasher = hasher
        self._attempts = attempts
        self._events = events
        self._sessions = sessions
        self._step_up = step_up
        self._second_step = second_step

    async def prepare_password(
        self, store: Store, environment: Environment, request: Authenticate
    ) -> Unit[SignedIn]:
        """Prepare a sign-in by password. An unknown email takes the same work as a wrong password.

        Raises `Unavailable` when too many passwords are being hashed. The unit raises `StepUpRequired` when a
        code or an enrollment is needed first, and `SignInRefused`, both after the commit of their events; and
        `PasswordHashChanged`. Raises `SignInMethodOff` where passwords do not sign in.
        """
        checked = await self.check_password(store, environment, request)
        if not isinstance(checked, RightPassword):
            return checked
        user, now = checked.user, self._clock()
        method = None
        if request.code:
            method = await self._second_step.method_beside_password(store, environment, user, request, now)
        proven = ONE_STEP if method is None else AMR[method]
        prepared = await self._prepare_session(store, environment, user.id, proven, request, now)
        if request.invitation_token:
            from authfactor.rules.email_flows import invitation_use  # noqa: PLC0415 - seldom

            found = await invitation_use.look_up(store, environment, request.invitation_token, now)
            prepared = prepared._replace(invitation_id=found)
        if method is None:
            return lambda tx: self._accept_password(Scope(tx, environment, now), checked, request, prepared)
        return lambda tx: self._accept_both(Scope(tx, environment, now), checked, request, prepared, method)

    async def check_password(
        self, store: Store, environment: Environment, request: Authenticate
    ) -> RightPassword | Unit[NoReturn]:
        """Compare a password, or return the unit that counts and refuses it.

        An unknown email takes the same work as a wrong password. Raises `SignInMethodOff`, and `Unavailable`
        when too many passwords are being hashed; the unit raises `SignInRefused` after the commit of its
        events.
        """
        require_method(environment, "password")
        email = without_nul(request.email or "")
        user = await store.read(lambda tx: tx.users.by_email(environment.number, email))
        # Only spares the slow hash: the charge in the unit decides.
        if not await store.read(self._attempts.may_try(environment, user, request)):
            now = self._clock()
            return lambda tx: self._attempts.refuse_over_limit(Scope(tx, environment, now), user, request)
        share = api_share(environment.number, client_network(request.ip_address))
        stored, password = user.password_hash if user else None, request.password or ""
        right = await self._hasher.verify(password, stored, share)
        if user is None or stored is None or not right:
            return self._attempts.refuse(environment, user, request)
        better = await self._hasher.hash(password, share) if self._hasher.needs_rehash(stored) else stored
        return RightPassword(user, stored, better)

    async def accept_password(
        self,
        scope: Scope,
        right: RightPassword,
        request: Authenticate,
        *,
        invitation_id: str | None = None,
    ) -> UserRecord:
        """Return the user of a right password, locked; count the attempt and replace an outdated hash.

        Raises `SignInRefused` over a limit, after the commit of its event, `PasswordHashChanged`, and
        `OAuthRefused` for an invitation that was not open.
        """
        user, stored, better = right
        latest = await self._lock(scope, user, request, stored)
        if not await self._attempts.count(scope, user, request, right=True):
            await self._attempts.refuse_over_limit(scope, latest, request)
        _require_usable(invitation_id)
        if better != stored:
            await scope.tx.users.replace_password_hash(scope.number, user.id, stored, better)
        await self._events.emit(scope, event_log.PASSWORD_SUCCEEDED, latest, request)
        return latest

    async def _accept_password(
        self, scope: Scope, right: RightPassword, request: Authenticate, prepared: PreparedSession
    ) -> SignedIn:
        """Sign in a user whose password matched."""
        invitation_id = prepared.invitation_id
        latest = await self.accept_password(scope, right, request, invitation_id=invitation_id)
        start = SignInStart(invitation_id=invitation_id)
        step_up = await self._step_up.demand(scope, latest, right.better, start=start)
        if isinstance(step_up, errors.SignInRefused):
            raise step_up.after_commit()
        signed_in = await self._sessions.start(scope, latest, prepared)
        return signed_in if step_up is None else with_deadline(signed_in, step_up)

    async def _lock(self, scope: Scope, user: UserRecord, request: Authenticate, stored: str) -> UserRecord:
        """Return the user, locked. Raises `PasswordHashChanged` unless the hash is still `stored`."""
        latest = await scope.tx.users.lock(scope.number, user.id)
        if latest is None:
            raise bad_credentials(request)
        if latest.password_hash != stored:
            raise PasswordHashChanged
        return latest

    async def _accept_both(
        self,
        scope: Scope,
        right: RightPassword,
        request: Authenticate,
        prepared: PreparedSession,
        method: "Method",
    ) -> SignedIn:
        """Sign in a user whose password matched, if the code sent with it is right too (decision 0034).

        A wrong code gets the refusal of a wrong password, so it does not reveal that the password is right.
        """
        user, stored, better = right
        latest = await self._lock(scope, user, request, stored)
        limits = await self._attempts.limits(scope, user, request)
        if not await password_throttling.charge(scope, limits):
            await self._attempts.refuse_over_limit(scope, latest, request)
        if not await self._second_step.is_right_code(scope, latest, request, method):
            refusal = bad_credentials(request)
            await self._events.emit(scope, event_log.MFA_FAILED, latest, request, refusal)
            raise refusal.after_commit()
        _require_usable(prepared.invitation_id)
        await password_throttling.refund(scope, limits)
        if better != stored:
            await scope.tx.users.replace_password_hash(scope.number, user.id, stored, better)
        await self._events.emit(scope, event_log.PASSWORD_SUCCEEDED, latest, request)
        await self._events.emit(scope, event_log.MFA_SUCCEEDED, latest, request, method=method)
        start = SignInStart(invitation_id=prepared.invitation_id)
        unverified = await self._step_up.demand_email(scope, latest, better, start)
        if unverified is not None:
            raise unverified.after_commit()
        return await self._sessions.start(scope, latest, prepared)

    async def _prepare_session(
        self, store: Store, environment: Environment, user_id: str, amr: str, request: Authenticate, now: int
    ) -> PreparedSession:
        return await self._sessions.prepare(
            store,
            environment,
            user_id,
            amr=amr,
            now=now,
            ip_address=request.ip_address,
            user_agent=request.user_agent,
        )


def _require_usable(invitation_id: str | None) -> None:
    """Raise `OAuthRefused`, which undoes the unit, for an invitation that was not open."""
    if invitation_id is not None:
        from authfactor.rules.email_flows import invitation_use  # noqa: PLC0415 - seldom

        invitation_use.require_usable(invitation_id)
