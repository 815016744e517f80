"""Sign-in to the console, with password and code in one step, and the sessions of operators.

The order is that of every code (decision 0003): charge, compare, spend. Wrong passwords and wrong codes of
an operator count against one record, so that one cannot be guessed while the other is locked.
"""

import hashlib
from typing import Final

import msgspec

from authfactor import errors, ids
from authfactor.email_identity import email_key
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
from authfactor.rules.console import refused_attempts
from authfactor.rules.console.operators import CONSOLE, check_code, token_hash
from authfactor.rules.console.refused_attempts import UNKNOWN_OPERATOR, WRONG_CODE, WRONG_PASSWORD
from authfactor.rules.factors import attempt_limits
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.settings import Settings
from authfactor.store import Store, Unit
from authfactor.wire.requests import without_nul

# A session's last activity is written at most this often, so that pages do not need a commit.
TOUCH_MILLISECONDS: Final = 60_000
# Guesses at unknown emails share this many records, so that they cannot fill the disk.
STRANGERS: Final = 4096
MAX_USER_AGENT: Final = 300


class SignInForm(msgspec.Struct, frozen=True, gc=False):
    """A submitted sign-in form; `old_token` is that of the browser's previous session, if any."""

    email: str
    password: str
    code: str
    ip_address: str | None = None
    user_agent: str | None = None
    old_token: str | None = None
    origin: Origin = NO_ORIGIN


class StartedSession(msgspec.Struct, frozen=True, gc=False):
    """A new session and the token for the browser's cookie."""

    context: OperatorContext
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
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._hasher = hasher
        self._challenges = challenges
        self._audit = audit
        self._settings = settings

    async def prepare_sign_in(self, store: Store, form: SignInForm) -> Unit[StartedSession]:
        """Prepare a sign-in. An unknown email takes the same work as a wrong password.

        Raises `TooManyAttempts` and `Unavailable`; the unit raises both too, and `SignInRefused` after the
        commit of its count.
        """
        email = without_nul(form.email)
        found = await store.read(lambda tx: tx.operators.by_email(email))
        known = found if found is not None and found.state == "active" and found.factor_id else None
        subject = _stranger(email) if known is None or known.factor_id is None else known.factor_id
        # Only spares the slow hash: the charge in the unit decides.
        _refuse_locked(await store.read(lambda tx: tx.failures.of(CONSOLE.number, subject)), self._clock())
        checked = known.password_hash if known else None
        right = await self._hasher.verify(form.password, checked)
        return self._sign_in(form, known, subject, right=right)

    @installation_unit
    async def _sign_in(
        self, scope: InstallationScope, form: SignInForm, known: Operator | None, subject: str, *, right: bool
    ) -> StartedSession:
        """Judge a form; `known` is the operator whose hash was compared, `right` its result."""
        tx, now = scope.tx, scope.now
        # The operator first, as in every unit that locks both.
        operator = await tx.operators.lock(known.id) if known else None
        record = await tx.failures.charge(CONSOLE.number, subject, now // 1000)
        _refuse_locked(record, now)
        if operator is None or known is None or not right:
            # Not part of a run of wrong codes: otherwise anyone could lock an operator permanently.
            counted = FailureRecord(record.times, record.in_a_row - 1, record.locked_until)
            settled = attempt_limits.record_failure(counted, now, self._settings, months=False)
            await tx.failures.write(CONSOLE.number, subject, settled)
            await self._audit_refusal(
                scope, operator, WRONG_PASSWORD if operator else UNKNOWN_OPERATOR, settled, form.origin
            )
            raise refusal().after_commit()
        if operator.password_hash != known.password_hash or operator.state != "active":
            raise errors.Unavailable("This operator has just been changed. Try again.")
        # The code is counted by its own challenge, on the same record.
        refunded = FailureRecord(record.times[:-1], record.in_a_row - 1, record.locked_until)
        await tx.failures.write(CONSOLE.number, subject, refunded)
        outcome = await check_code(scope, self._challenges, operator, form.code)
        if outcome is None or not outcome.valid:
            latest = await tx.failures.of(CONSOLE.number, subject)
            await self._audit_refusal(scope, operator, WRONG_CODE, latest, form.origin)
            raise refusal(outcome).after_commit()
        if form.old_token:
            await tx.operator_sessions.end(token_hash(form.old_token), now)
        return await self._start(scope, operator, form.ip_address, form.user_agent, form.origin)

    @installation_unit
    async def finish_set_up(
        self,
        scope: InstallationScope,
        finish: Unit[tuple[Operator, Verification]],
        ip_address: str | None,
        user_agent: str | None,
        *,
        origin: Origin = NO_ORIGIN,
    ) -> StartedSession | Verification:
        """Finish a set-up and start the first session, in one unit: nothing can come between the two.

        `finish` is the unit of `OperatorSetUp.finish_set_up`. Returns its outcome when the code was wrong;
        raises what it raises.
        """
        operator, outcome = await finish(scope.tx)
        if not outcome.valid:
            return outcome
        return await self._start(scope, operator, ip_address, user_agent, origin)

    async def _start(
        self,
        scope: InstallationScope,
        operator: Operator,
        ip_address: str | None,
        user_agent: str | None,
        origin: Origin,
    ) -> StartedSession:
        now, token = scope.now, random_token(self._entropy)
        session = OperatorSession(
            self._new_id(ids.OPERATOR_SESSION),
            operator.id,
            ip_address,
            without_nul(user_agent)[:MAX_USER_AGENT] if user_agent else None,
            now,
            now,
            now + self._settings.console_session_life * 1000,
            None,
            # Both callers have just checked a code.
            now,
        )
        if not await scope.tx.operators.record_sign_in(operator.id, now):
            raise errors.Unauthorized
        stamped = msgspec.structs.replace(operator, last_sign_in_at=now)
        await scope.tx.operator_sessions.insert(token_hash(token), session)
        actor = Actor("operator", operator.id, operator.email)
        await self._audit.append(scope.tx, actor, "operator.signed_in", session.id, origin=origin)
        return StartedSession(OperatorContext(stamped, session), token)

    async def context_of(self, store: Store, token: str, *, active: bool = True) -> OperatorContext | None:
        """Return the operator and the session of a token; None when the session is over.

        `active` False: the page polls without the operator, which must not keep the session alive.
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

    @installation_unit
    async def sign_out(self, scope: InstallationScope, token: str) -> bool:
        """End the session of a token; False when it was over."""
        return await scope.tx.operator_sessions.end(token_hash(token), scope.now)

    @installation_unit
    async def revoke(self, scope: InstallationScope, operator: Operator, session_id: str) -> None:
        """End one of an operator's own sessions. Raises `NotFound`."""
        if not await scope.tx.operator_sessions.end_by_id(operator.id, session_id, scope.now):
            raise errors.NotFound("Session", session_id)

    @installation_unit
    async def live(self, scope: InstallationScope, operator: Operator) -> list[OperatorSession]:
        """List an operator's sessions that are not over, newest first."""
        since = scope.now - self._settings.console_session_inactivity * 1000
        return await scope.tx.operator_sessions.live_of(operator.id, scope.now, since)

    async def _audit_refusal(
        self,
        scope: InstallationScope,
        operator: Operator | None,
        why: str,
        record: FailureRecord,
        origin: Origin,
    ) -> None:
        """Append audit entries of a refusal, and of a lock that it has caused."""
        await refused_attempts.append(scope, self._audit, operator, "operator.sign_in_refused", why, origin)
        if operator is not None:
            await refused_attempts.append_lock(scope, self._audit, operator, record, origin)


def _refuse_locked(record: FailureRecord, now: int) -> None:
    until = attempt_limits.locked_until(record, now)
    if until is not None:
        hard = until == attempt_limits.NEVER
        raise errors.TooManyAttempts(locked_until=None if hard else until, hard_stop=hard)


def _stranger(email: str) -> str:
    """Return the subject of the record that counts guesses at an unknown email."""
    digest = hashlib.sha256(email_key(email).encode("utf-8", "surrogatepass")).digest()
    return f"stranger_{int.from_bytes(digest[:4], 'big') % STRANGERS}"


def refusal(outcome: Verification | None = None) -> errors.SignInRefused:
    """Return a refusal with details only for a caller whose password was right."""
    reason = outcome.reason if outcome else None
    if reason == "code_already_used":
        return errors.SignInRefused(
            "one_time_code_previously_used", "This code was used before. Wait for the next one."
        )
    if reason == "clock_drift":
        return errors.SignInRefused(
            "invalid_one_time_code",
            "This code is old. Check that the phone sets its clock automatically.",
        )
    return errors.SignInRefused("invalid_credentials", "Email, password or code is wrong.")
