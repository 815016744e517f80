"""Signing in to the console: password and code at once, counted together; and what keeps one signed in.

The order is that of every code (decision 0003): charge, compare, spend. Wrong passwords and wrong codes
of an operator count against one record, so that neither can be guessed behind the other's limit.
"""

import hashlib
from typing import Final

import msgspec

from authfactor import errors, ids
from authfactor.ids import IdGenerator
from authfactor.models import (
    Clock,
    Entropy,
    FailureRecord,
    Operator,
    OperatorContext,
    OperatorSession,
    Verification,
)
from authfactor.rules.audit.audit_log import NO_ORIGIN, Actor, AuditLog, Origin
from authfactor.rules.authentication.opaque_tokens import random_token
from authfactor.rules.authentication.password_hashing import PasswordHasher
from authfactor.rules.console.operators import CONSOLE, token_hash
from authfactor.rules.factors import attempt_limits
from authfactor.rules.factors.challenges import Challenges
from authfactor.settings import Settings
from authfactor.store import Store, Tx, Unit
from authfactor.wire.requests import without_nul

# Written at most this often: a page is not worth a commit.
TOUCH_MILLISECONDS: Final = 60_000
# Guesses at emails that are no operator's share this many records, so that they cannot fill the disk.
STRANGERS: Final = 4096
MAX_USER_AGENT: Final = 300


class SignInForm(msgspec.Struct, frozen=True, gc=False):
    """What came with a sign-in form; `old_token` is the session that the browser had, if any."""

    email: str
    password: str
    code: str
    ip_address: str | None = None
    user_agent: str | None = None
    old_token: str | None = None
    origin: Origin = NO_ORIGIN


class StartedSession(msgspec.Struct, frozen=True, gc=False):
    """A new session and the token that the browser is to hold."""

    seat: OperatorContext
    token: str


class OperatorSignIn:
    """Starts, finds and ends operators' sessions."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        new_id: IdGenerator,
        hasher: PasswordHasher,
        challenges: Challenges,
        audit: AuditLog,
        settings: Settings,
    ) -> None:
        """Take what the rules may use."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._hasher = hasher
        self._challenges = challenges
        self._audit = audit
        self._settings = settings

    async def sign_in(self, store: Store, attempt: SignInForm) -> Unit[StartedSession]:
        """Prepare a sign-in. The same work is done for an unknown email as for a wrong password.

        The unit raises `SignInRefused` (after it has committed the count), `TooManyAttempts` and
        `Unavailable`.
        """
        email = without_nul(attempt.email)
        found = await store.read(lambda tx: tx.operators.by_email(email))
        known = found if found is not None and found.state == "active" and found.factor_id else None
        subject = _stranger(email) if known is None or known.factor_id is None else known.factor_id
        # A look before the slow hash; what counts is the charge below.
        _refuse_locked(await store.read(lambda tx: tx.failures.of(CONSOLE.number, subject)), self._clock())
        checked = known.password_hash if known else None
        right = await self._hasher.verify(attempt.password, checked)
        now = self._clock()

        async def run(tx: Tx) -> StartedSession:
            record = await tx.failures.charge(CONSOLE.number, subject, now // 1000)
            _refuse_locked(record, now)
            operator = await tx.operators.lock(known.id) if known else None
            if operator is None or not right:
                # Not part of a run of wrong codes: that would let anybody stop an operator for good.
                counted = FailureRecord(record.times, record.in_a_row - 1, record.locked_until)
                settled = attempt_limits.record_failure(counted, now, self._settings, months=False)
                await tx.failures.write(CONSOLE.number, subject, settled)
                await self._audit_lock(tx, operator, settled, now, attempt.origin)
                raise _refusal().after_commit()
            if operator.password_hash != checked or operator.state != "active":
                raise errors.Unavailable("This operator has just been changed. Try again.")
            # The code counts for itself, on the same record.
            back = FailureRecord(record.times[:-1], record.in_a_row - 1, record.locked_until)
            await tx.failures.write(CONSOLE.number, subject, back)
            outcome = await self._check_code(tx, operator, attempt.code, now)
            if outcome is None or not outcome.valid:
                latest = await tx.failures.of(CONSOLE.number, subject)
                await self._audit_lock(tx, operator, latest, now, attempt.origin)
                raise _refusal(outcome).after_commit()
            if attempt.old_token:
                await tx.operator_sessions.end(token_hash(attempt.old_token), now)
            return await self.start(
                tx, operator, attempt.ip_address, attempt.user_agent, origin=attempt.origin
            )

        return run

    async def start(
        self,
        tx: Tx,
        operator: Operator,
        ip_address: str | None,
        user_agent: str | None,
        *,
        origin: Origin = NO_ORIGIN,
    ) -> StartedSession:
        """Start a session under a token that nobody has seen before."""
        now = self._clock()
        token = random_token(self._entropy)
        session = OperatorSession(
            self._new_id(ids.OPERATOR_SESSION),
            operator.id,
            ip_address,
            without_nul(user_agent)[:MAX_USER_AGENT] if user_agent else None,
            now,
            now,
            now + self._settings.console_session_life * 1000,
            None,
        )
        stamped = msgspec.structs.replace(operator, last_sign_in_at=now)
        await tx.operators.update(stamped)
        await tx.operator_sessions.insert(token_hash(token), session)
        await self._audit.append(
            tx,
            Actor("operator", operator.id, operator.email),
            "operator.signed_in",
            session.id,
            origin=origin,
        )
        return StartedSession(OperatorContext(stamped, session), token)

    async def seat(self, store: Store, token: str, *, active: bool = True) -> OperatorContext | None:
        """Tell who holds this token; None when the session is over.

        `active` False: the browser asked by itself, and that keeps nobody signed in.
        """
        hashed, now = token_hash(token), self._clock()
        since = now - self._settings.console_session_inactivity * 1000
        found = await store.read(lambda tx: tx.operator_sessions.live_by_hash(hashed, now, since))
        if found is None:
            return None
        session, operator = found
        if active and now - session.last_active_at >= TOUCH_MILLISECONDS:
            await store.write(lambda tx: tx.operator_sessions.touch(hashed, now))
        return OperatorContext(operator, session)

    def sign_out(self, token: str) -> Unit[bool]:
        """End the session of a token; False when it was over."""
        hashed, now = token_hash(token), self._clock()

        async def run(tx: Tx) -> bool:
            return await tx.operator_sessions.end(hashed, now)

        return run

    def revoke(self, operator: Operator, session_id: str) -> Unit[None]:
        """End one of an operator's own sessions. The unit raises `NotFound`."""
        now = self._clock()

        async def run(tx: Tx) -> None:
            if not await tx.operator_sessions.end_by_id(operator.id, session_id, now):
                raise errors.NotFound("Session", session_id)

        return run

    def live(self, operator: Operator) -> Unit[list[OperatorSession]]:
        """List an operator's sessions that are not over, newest first."""
        now = self._clock()
        since = now - self._settings.console_session_inactivity * 1000

        async def run(tx: Tx) -> list[OperatorSession]:
            return await tx.operator_sessions.live_of(operator.id, now, since)

        return run

    async def _audit_lock(
        self, tx: Tx, operator: Operator | None, record: FailureRecord, now: int, origin: Origin
    ) -> None:
        """Write down that somebody's guesses have locked an operator."""
        if operator is not None and attempt_limits.locked_until(record, now) is not None:
            await self._audit.append(
                tx,
                Actor("operator", operator.id, operator.email),
                "operator.locked",
                operator.id,
                origin=origin,
            )

    async def _check_code(self, tx: Tx, operator: Operator, code: str, now: int) -> Verification | None:
        factor = await tx.factors.by_id(CONSOLE.number, operator.factor_id or "")
        if factor is None:
            return None
        challenge = await self._challenges.open(tx, CONSOLE, factor.id, now)
        return await self._challenges.check(tx, CONSOLE, challenge.id, code, now)


def _refuse_locked(record: FailureRecord, now: int) -> None:
    until = attempt_limits.locked_until(record, now)
    if until is not None:
        hard = until == attempt_limits.NEVER
        raise errors.TooManyAttempts(locked_until=None if hard else until, hard_stop=hard)


def _stranger(email: str) -> str:
    """Name the record that counts guesses at an email that is no operator's."""
    digest = hashlib.sha256(email.strip().casefold().encode("utf-8", "surrogatepass")).digest()
    return f"stranger_{int.from_bytes(digest[:4], 'big') % STRANGERS}"


def _refusal(outcome: Verification | None = None) -> errors.SignInRefused:
    """Say what helps whoever had the password right, and nothing that helps others."""
    reason = outcome.reason if outcome else None
    if reason == "code_already_used":
        return errors.SignInRefused(
            "one_time_code_previously_used", "This code was used before. Wait for the next one."
        )
    if reason == "clock_drift":
        return errors.SignInRefused(
            "invalid_one_time_code",
            "This code is old. Check that the clock of the phone is set automatically.",
        )
    return errors.SignInRefused("invalid_credentials", "Email, password or code is wrong.")
