"""Sign-in: the password, then a code if the environment's policy or the user's factors require one."""

from typing import Final

from authfactor import errors
from authfactor.ip_addresses import client_network
from authfactor.models import (
    ChallengeRecord,
    Clock,
    Environment,
    FactorRecord,
    PendingSignIn,
    SignedIn,
    UserRecord,
)
from authfactor.rules.authentication import password_throttling
from authfactor.rules.authentication.opaque_tokens import token_hash
from authfactor.rules.authentication.password_attempts import PasswordAttempts, bad_credentials
from authfactor.rules.authentication.password_hashing import PasswordHasher, api_share
from authfactor.rules.authentication.sessions import (
    ONE_STEP,
    TWO_STEPS,
    PreparedSession,
    Sessions,
)
from authfactor.rules.authentication.step_up import StepUp, password_mark
from authfactor.rules.events import event_log
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Store, Unit
from authfactor.wire.requests import Authenticate, without_nul

# For the event, which must not contain the token.
_PASSWORD_CHANGED: Final = errors.SignInRefused(
    "invalid_pending_authentication_token", "The password was changed since this sign-in began."
)

CODE_REFUSALS: Final = {
    "code_mismatch": ("invalid_one_time_code", "The code is not valid."),
    "clock_drift": ("invalid_one_time_code", "The code is old. Check the clock of the phone."),
    "code_already_used": (
        "one_time_code_previously_used",
        "The code was used before. Wait for the next one.",
    ),
}


class PasswordHashChanged(errors.Unavailable):
    """The stored hash was replaced while the password was checked against it: prepare the sign-in again."""


class SignIn:
    """The grants `password` and `urn:workos:oauth:grant-type:mfa-totp`."""

    def __init__(
        self,
        clock: Clock,
        hasher: PasswordHasher,
        attempts: PasswordAttempts,
        settings: Settings,
        challenges: Challenges,
        sessions: Sessions,
        step_up: StepUp,
    ) -> None:
        """Keep the collaborators; the time comes from `clock` alone."""
        self._clock = clock
        self._hasher = hasher
        self._attempts = attempts
        self._settings = settings
        self._challenges = challenges
        self._sessions = sessions
        self._step_up = step_up

    async def prepare_password(
        self, store: Store, environment: Environment, request: Authenticate
    ) -> Unit[SignedIn]:
        """Prepare a sign-in by password. An unknown email takes the same work as a wrong password.

        Raises `Unavailable` when too many passwords are being hashed. The unit raises `StepUpRequired` when a
        code or an enrollment is needed first, and `SignInRefused`, both after the commit of their events; and
        `PasswordHashChanged`.
        """
        email = without_nul(request.email or "")
        user = await store.read(lambda tx: tx.users.by_email(environment.number, email))
        # Only spares the slow hash: the charge in the unit decides.
        if not await store.read(self._attempts.may_try(environment, user, request)):
            now = self._clock()
            return lambda tx: self._attempts.refuse_over_limit(Scope(tx, environment, now), user, request)
        share = api_share(environment.number, client_network(request.ip_address))
        stored, password = user.password_hash if user else None, request.password or ""
        right = await self._hasher.verify(password, stored, share)
        now = self._clock()
        if user is None or stored is None or not right:
            return self._attempts.refuse(environment, user, request)
        better = await self._hasher.hash(password, share) if self._hasher.needs_rehash(stored) else stored
        proven, accept = (TWO_STEPS, self._accept_both) if request.code else (ONE_STEP, self._accept_password)
        prepared = await self._prepare_session(store, environment, user.id, proven, request, now)
        return lambda tx: accept(Scope(tx, environment, now), user, request, stored, better, prepared)

    async def _accept_password(
        self,
        scope: Scope,
        user: UserRecord,
        request: Authenticate,
        stored: str,
        better: str,
        prepared: PreparedSession,
    ) -> SignedIn:
        """Sign in a user whose password matched the hash `stored`, which `better` replaces."""
        latest = await self._lock(scope, user, request, stored)
        if not await self._attempts.count(scope, user, request, right=True):
            refusal = password_throttling.refusal()
            await self._attempts.emit_refused(scope, latest, refusal, request, event_log.PASSWORD_FAILED)
            raise refusal.after_commit()
        if better != stored:
            await scope.tx.users.replace_password_hash(scope.number, user.id, stored, better)
        await self._attempts.emit(scope, event_log.PASSWORD_SUCCEEDED, latest, request)
        step_up = await self._step_up.demand(scope, latest, better)
        if step_up is not None:
            raise step_up.after_commit()
        return await self._sessions.start(scope, latest, prepared)

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
        user: UserRecord,
        request: Authenticate,
        stored: str,
        better: str,
        prepared: PreparedSession,
    ) -> SignedIn:
        """Sign in a user whose password matched, if the code sent with it is right too (decision 0034).

        A wrong code gets the refusal of a wrong password, so it does not reveal that the password is right.
        """
        latest = await self._lock(scope, user, request, stored)
        limits = await self._attempts.limits(scope, user, request)
        if not await password_throttling.charge(scope, limits):
            await self._attempts.refuse_over_limit(scope, latest, request)
        if not await self._is_right_code(scope, latest, request):
            refusal = bad_credentials(request)
            await self._attempts.emit(scope, event_log.MFA_FAILED, latest, request, refusal)
            raise refusal.after_commit()
        await password_throttling.refund(scope, limits)
        if better != stored:
            await scope.tx.users.replace_password_hash(scope.number, user.id, stored, better)
        await self._attempts.emit(scope, event_log.PASSWORD_SUCCEEDED, latest, request)
        await self._attempts.emit(scope, event_log.MFA_SUCCEEDED, latest, request)
        return await self._sessions.start(scope, latest, prepared)

    async def _is_right_code(self, scope: Scope, user: UserRecord, request: Authenticate) -> bool:
        """Judge a code sent with a right password, on the given challenge or a new one; count it if wrong."""
        factors = await scope.tx.factors.of_user(scope.number, user.id)
        active = [factor for factor in factors if factor.activated_at is not None]
        if not active:
            return False
        try:
            if request.authentication_challenge_id is None:
                challenge = await self._challenges.open(scope, active[-1].id)
            else:
                challenge, _ = await self._load(scope, user, without_nul(request.authentication_challenge_id))
            outcome = await self._challenges.check(scope, challenge.id, request.code or "", emit=False)
        except (errors.SignInRefused, errors.TooManyAttempts, errors.NotFound):
            return False
        return outcome.valid

    async def prepare_code(
        self, store: Store, environment: Environment, request: Authenticate
    ) -> Unit[SignedIn]:
        """Prepare the second step.

        One transaction spends pending token, challenge and step, and starts the session; a wrong code spends
        none of them but is counted. The unit raises `SignInRefused` and `TooManyAttempts`.
        """
        token = request.pending_authentication_token or ""
        hashed = token_hash(token)
        pending = await store.read(lambda tx: tx.pending_sign_ins.by_hash(environment.number, hashed))
        now = self._clock()
        if pending is None or pending.spent_at is not None or pending.expires_at <= now:
            # Raised by a unit, so that a repeat of the request that spent the token gets the stored response.
            return self._refuse(environment, _bad_pending(token))
        prepared = await self._prepare_session(store, environment, pending.user_id, TWO_STEPS, request, now)
        return lambda tx: self._accept_code(Scope(tx, environment, now), hashed, pending, request, prepared)

    async def _accept_code(
        self,
        scope: Scope,
        hashed: bytes,
        pending: PendingSignIn,
        request: Authenticate,
        prepared: PreparedSession,
    ) -> SignedIn:
        token = request.pending_authentication_token or ""
        challenge_id, code = without_nul(request.authentication_challenge_id or ""), request.code or ""
        user = await scope.tx.users.lock(scope.number, pending.user_id)
        if user is None:
            raise _bad_pending(token)
        if password_mark(user.password_hash) != pending.password_mark:
            await self._attempts.emit_refused(scope, user, _PASSWORD_CHANGED, request)
            raise _bad_pending(token).after_commit()
        try:
            challenge, _ = await self._load(scope, user, challenge_id)
            outcome = await self._challenges.check(scope, challenge.id, code, emit=False)
        except (errors.SignInRefused, errors.TooManyAttempts) as refusal:
            await self._attempts.emit_refused(scope, user, refusal, request)
            raise refusal.after_commit() from None
        if not outcome.valid:
            reason = outcome.reason or "code_mismatch"
            wrong = errors.SignInRefused(*CODE_REFUSALS[reason], reason=reason)
            await self._attempts.emit(scope, event_log.MFA_FAILED, user, request, wrong)
            raise wrong.after_commit()
        if not await scope.tx.pending_sign_ins.spend(scope.number, hashed, scope.now):
            raise _bad_pending(token)
        await self._attempts.emit(scope, event_log.MFA_SUCCEEDED, user, request)
        if pending.session_id and not await self._sessions.end_replaced(scope, pending.session_id):
            raise _bad_pending(token)
        return await self._sessions.start(scope, user, prepared)

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

    async def _load(
        self, scope: Scope, user: UserRecord, challenge_id: str
    ) -> tuple[ChallengeRecord, FactorRecord]:
        """Return challenge and factor. Raises `SignInRefused` unless the factor may sign this user in."""
        try:
            challenge, factor = await self._challenges.load(scope, challenge_id)
        except errors.ChallengeAlreadyVerified as error:
            raise errors.SignInRefused("one_time_code_previously_used", error.message) from error
        except errors.ChallengeExpired as error:
            raise errors.SignInRefused("one_time_code_expired", error.message) from error
        if factor.user_id != user.id:
            raise errors.SignInRefused("user_mismatch", "The challenge belongs to another user.")
        if factor.activated_at is None:
            factors = await scope.tx.factors.of_user(scope.number, user.id)
            # Otherwise an attacker who has only the password could enroll a factor and bypass the real one.
            if any(other.activated_at is not None for other in factors):
                raise errors.SignInRefused(
                    "invalid_one_time_code", "This factor is not active. Use a challenge of an active factor."
                )
        return challenge, factor

    @unit
    async def _refuse(self, _: Scope, refusal: errors.SignInRefused) -> SignedIn:
        raise refusal


def _bad_pending(token: str) -> errors.SignInRefused:
    text = f"The pending_authentication_token '{token}' has expired or is invalid."
    return errors.SignInRefused("invalid_pending_authentication_token", text)
