"""Signing in: password first, then the code if the environment's policy or the user's factors ask for it."""

import hashlib
from typing import Final

import msgspec

from authfactor import errors
from authfactor.models import (
    ChallengeRecord,
    Clock,
    Entropy,
    Environment,
    FactorRecord,
    PendingSignIn,
    SignedIn,
    UserRecord,
    Verification,
)
from authfactor.rules.authentication import password_throttling
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.authentication.password_hashing import PasswordHasher
from authfactor.rules.authentication.sessions import (
    ONE_STEP,
    TWO_STEPS,
    PreparedSession,
    Sessions,
    token_hash,
)
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors.challenges import Challenges
from authfactor.settings import Settings
from authfactor.store import Store, Tx, Unit
from authfactor.wire.requests import Authenticate, without_nul

Refusal = errors.SignInRefused | errors.TooManyAttempts

# For the event, which must not hold the token.
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
        entropy: Entropy,
        hasher: PasswordHasher,
        log: EventLog,
        settings: Settings,
        challenges: Challenges,
        sessions: Sessions,
    ) -> None:
        """Take what the rules may use."""
        self._clock = clock
        self._entropy = entropy
        self._hasher = hasher
        self._log = log
        self._settings = settings
        self._challenges = challenges
        self._sessions = sessions

    async def password(self, store: Store, environment: Environment, request: Authenticate) -> Unit[SignedIn]:
        """Prepare a sign-in by password. The same work is done for an unknown email as for a wrong password.

        The unit raises `StepUpRequired` when a code (or an enrollment) is needed first, and
        `SignInRefused("invalid_credentials")`, both after it has committed their events; and
        `PasswordHashChanged`.
        """
        email = without_nul(request.email or "")
        user = await store.read(lambda tx: tx.users.by_email(environment.number, email))
        # A look before the slow hash; what counts is the charge in the unit.
        if not await store.read(lambda tx: self._may_try(tx, environment, user, request)):
            return self._too_many(environment, user, request, self._clock())
        stored = user.password_hash if user else None
        right = await self._hasher.verify(request.password or "", stored)
        now = self._clock()
        if user is None or stored is None or not right:
            return self._wrong_password(environment, user, email, request, now)
        better = (
            await self._hasher.hash(request.password or "") if self._hasher.needs_rehash(stored) else stored
        )
        opening = await self._open(store, environment, user.id, ONE_STEP, request, now)

        async def run(tx: Tx) -> SignedIn:
            latest = await tx.users.lock(environment.number, user.id)
            if latest is None:
                raise errors.SignInRefused("invalid_credentials", _bad_credentials(email))
            if latest.password_hash != stored:
                raise PasswordHashChanged
            if not await self._counted(tx, environment, user, request, now, right=True):
                refusal = password_throttling.refusal()
                await self._emit_refused(
                    tx, environment, latest, refusal, request, now, event_log.PASSWORD_FAILED
                )
                raise refusal.after_commit()
            if better != stored:
                await tx.users.rehashed(environment.number, user.id, stored, better)
            await self._emit(tx, environment, event_log.PASSWORD_SUCCEEDED, latest, request, now)
            step_up = await self._step_up(tx, environment, latest, better, now)
            if step_up is not None:
                raise step_up.after_commit()
            return await self._sessions.start(tx, environment, latest, opening)

        return run

    async def code(self, store: Store, environment: Environment, request: Authenticate) -> Unit[SignedIn]:
        """Prepare the second step.

        Pending token, challenge and step are spent with the session that they buy, in one transaction; a
        wrong code spends none of them but is counted.
        """
        token = request.pending_authentication_token or ""
        hashed = token_hash(token)
        pending = await store.read(lambda tx: tx.pending_sign_ins.by_hash(environment.number, hashed))
        now = self._clock()
        if pending is None or pending.spent_at is not None or pending.expires_at <= now:
            # Within a unit, so that whoever repeats the request that spent it is given its answer again.
            return _refusing(_bad_pending(token))
        opening = await self._open(store, environment, pending.user_id, TWO_STEPS, request, now)
        challenge_id, code = without_nul(request.authentication_challenge_id or ""), request.code or ""

        async def run(tx: Tx) -> SignedIn:
            user = await tx.users.lock(environment.number, pending.user_id)
            if user is None:
                raise _bad_pending(token)
            if _mark(user.password_hash) != pending.password_mark:
                await self._emit_refused(tx, environment, user, _PASSWORD_CHANGED, request, now)
                raise _bad_pending(token).after_commit()
            try:
                challenge, _ = await self._load(tx, environment, user, challenge_id, now)
                outcome = await self._challenges.check(tx, environment, challenge.id, code, now, emit=False)
            except (errors.SignInRefused, errors.TooManyAttempts) as refusal:
                await self._emit_refused(tx, environment, user, refusal, request, now)
                raise refusal.after_commit() from None
            if not outcome.valid:
                raise (await self._wrong_code(tx, environment, user, outcome, request, now)).after_commit()
            if not await tx.pending_sign_ins.spend(environment.number, hashed, now):
                raise _bad_pending(token)
            await self._emit(tx, environment, event_log.MFA_SUCCEEDED, user, request, now)
            return await self._sessions.start(tx, environment, user, opening)

        return run

    async def _open(
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

    async def _step_up(
        self, tx: Tx, environment: Environment, user: UserRecord, password_hash: str, now: int
    ) -> errors.StepUpRequired | None:
        """Return what is needed before a session: a code, an enrolment, or nothing."""
        if environment.mfa_policy == "off":
            return None
        factors = await tx.factors.of_user(environment.number, user.id)
        active = [factor for factor in factors if factor.activated_at is not None]
        if not active and environment.mfa_policy == "if_enrolled":
            return None
        token = random_token(self._entropy)
        expires_at = now + self._settings.pending_sign_in_life * 1000
        pending = PendingSignIn(user.id, _mark(password_hash), now, expires_at, None)
        await tx.pending_sign_ins.insert(environment.number, token_hash(token), pending)
        if not active:
            return errors.StepUpRequired(
                "mfa_enrollment",
                "The user must enroll in MFA to finish authenticating.",
                pending_token=token,
                user=user,
            )
        return errors.StepUpRequired(
            "mfa_challenge",
            "The user must complete an MFA challenge to finish authenticating.",
            pending_token=token,
            user=user,
            factor_ids=tuple(factor.id for factor in reversed(active)),
            challenge=await self._challenges.open(tx, environment, active[-1].id, now),
        )

    async def _load(
        self, tx: Tx, environment: Environment, user: UserRecord, challenge_id: str, now: int
    ) -> tuple[ChallengeRecord, FactorRecord]:
        """Find the challenge, and make sure that it asks this user for a factor that counts."""
        try:
            challenge, factor = await self._challenges.load(tx, environment, challenge_id, now)
        except errors.ChallengeAlreadyVerified as error:
            raise errors.SignInRefused("one_time_code_previously_used", error.message) from error
        except errors.ChallengeExpired as error:
            raise errors.SignInRefused("one_time_code_expired", error.message) from error
        if factor.user_id != user.id:
            raise errors.SignInRefused("user_mismatch", "The challenge belongs to another user.")
        if factor.activated_at is None:
            factors = await tx.factors.of_user(environment.number, user.id)
            # Whoever has only the password could enrol a factor of their own and walk past the real one.
            if any(other.activated_at is not None for other in factors):
                raise errors.SignInRefused(
                    "invalid_one_time_code", "This factor is not active. Use a challenge of an active factor."
                )
        return challenge, factor

    def _wrong_password(
        self, environment: Environment, user: UserRecord | None, email: str, request: Authenticate, now: int
    ) -> Unit[SignedIn]:
        refusal = errors.SignInRefused("invalid_credentials", _bad_credentials(email))

        async def run(tx: Tx) -> SignedIn:
            if not await self._counted(tx, environment, user, request, now, right=False):
                # As for a right password: beyond the limit the answer says nothing about it.
                return await self._too_many(environment, user, request, now)(tx)
            await self._emit(tx, environment, event_log.PASSWORD_FAILED, user, request, now, refusal)
            raise refusal.after_commit()

        return run

    def _too_many(
        self, environment: Environment, user: UserRecord | None, request: Authenticate, now: int
    ) -> Unit[SignedIn]:
        """Refuse beyond the limit. There is no end of made-up emails: they share their address's events."""
        refusal = password_throttling.refusal()
        subject = user.id if user else password_throttling.stranger_subject(request.ip_address)

        async def run(tx: Tx) -> SignedIn:
            if await self._log.take_refusal_event_slot(tx, environment.number, subject, now):
                await self._emit(tx, environment, event_log.PASSWORD_FAILED, user, request, now, refusal)
            raise refusal.after_commit()

        return run

    async def _may_try(
        self, tx: Tx, environment: Environment, user: UserRecord | None, request: Authenticate
    ) -> bool:
        limits = await self._limits(tx, environment, user, request)
        return await password_throttling.is_open(tx, environment, limits, self._clock())

    async def _counted(
        self,
        tx: Tx,
        environment: Environment,
        user: UserRecord | None,
        request: Authenticate,
        now: int,
        *,
        right: bool,
    ) -> bool:
        """Count an attempt if it is wrong; False when no attempt was left, for a right one too."""
        limits = await self._limits(tx, environment, user, request)
        if right and tx.db.serializes_writes:
            return await password_throttling.is_open(tx, environment, limits, now)
        # A right one takes its place too, where others may be at work, so that it comes before or after them.
        if not await password_throttling.charge(tx, environment, limits, now):
            return False
        if right:
            await password_throttling.refund(tx, environment, limits)
        return True

    async def _limits(
        self, tx: Tx, environment: Environment, user: UserRecord | None, request: Authenticate
    ) -> list[password_throttling.ThrottleLimit]:
        email, address = without_nul(request.email or ""), request.ip_address
        return await password_throttling.limits_of(tx, environment, user, email, address, self._settings)

    async def _emit_refused(
        self,
        tx: Tx,
        environment: Environment,
        user: UserRecord,
        refusal: Refusal,
        request: Authenticate,
        now: int,
        name: str = event_log.MFA_FAILED,
    ) -> None:
        """Emit the event of a refusal that no limit counts."""
        if await self._log.take_refusal_event_slot(tx, environment.number, user.id, now):
            await self._emit(tx, environment, name, user, request, now, refusal)

    async def _wrong_code(
        self,
        tx: Tx,
        environment: Environment,
        user: UserRecord,
        outcome: Verification,
        request: Authenticate,
        now: int,
    ) -> errors.SignInRefused:
        reason = outcome.reason or "code_mismatch"
        refusal = errors.SignInRefused(*CODE_REFUSALS[reason], reason=reason)
        await self._emit(tx, environment, event_log.MFA_FAILED, user, request, now, refusal)
        return refusal

    async def _emit(
        self,
        tx: Tx,
        environment: Environment,
        name: str,
        user: UserRecord | None,
        request: Authenticate,
        now: int,
        refusal: Refusal | None = None,
    ) -> None:
        kind, _, outcome = name.removeprefix("authentication.").partition("_")
        shape = event_log.Authentication(
            type=kind,
            status=outcome,
            ip_address=request.ip_address,
            user_agent=request.user_agent,
            user_id=user.id if user else None,
            email=user.email if user else request.email,
            error=event_log.Failure(refusal.code, refusal.message) if refusal else msgspec.UNSET,
        )
        await self._log.append(tx, environment.number, name, shape.user_id, shape, now)


def _refusing(refusal: errors.SignInRefused) -> Unit[SignedIn]:
    async def run(_: Tx) -> SignedIn:
        raise refusal

    return run


def _mark(password_hash: str | None) -> bytes:
    """Name the password that a pending sign-in was made under, without being it."""
    return hashlib.sha256((password_hash or "").encode()).digest()[:16]


def _bad_credentials(email: str) -> str:
    return f"Invalid credentials for '{email}'."


def _bad_pending(token: str) -> errors.SignInRefused:
    text = f"The pending_authentication_token '{token}' has expired or is invalid."
    return errors.SignInRefused("invalid_pending_authentication_token", text)
