"""Challenges: opening one and verifying a code.

The order in `verify` is what makes it secure: charge, compare, spend, in one transaction (decision 0003).
"""

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from authfactor import errors, ids
from authfactor.crypto.vault import Vault
from authfactor.ids import IdGenerator
from authfactor.models import ChallengeRecord, Clock, CodeReason, FactorRecord, Verification
from authfactor.otp import totp
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors import attempt_limits, challenge_state, clock_drift
from authfactor.rules.factors.factor_secrets import profile_of, secret_row
from authfactor.rules.factors.server_clock import ServerClock
from authfactor.rules.unit import Scope, shared_unit, single_unit
from authfactor.settings import Settings
from authfactor.store import CodeAttempt, SpendResult, Unit
from authfactor.webauthn.assertion_text import is_assertion
from authfactor.wire.events import FactorEvent, RefusedAttempt

if TYPE_CHECKING:
    from authfactor.models import Environment
    from authfactor.rules.authentication.session_raising import SessionRaising
    from authfactor.rules.factors.passkey_challenges import PasskeyChallenges
    from authfactor.rules.factors.recovery_codes import RecoveryCodeSets

# How long the response to a right code is repeated to the same request, because it may have been lost
# (decision 0036); in milliseconds, in either direction, as the clocks of two servers differ.
REPEAT_TIME: Final = 30_000


class Challenges:
    """Opens and verifies challenges."""

    def __init__(
        self,
        clock: Clock,
        new_id: IdGenerator,
        vault: Vault,
        log: EventLog,
        settings: Settings,
        recovery_codes: "Callable[[], RecoveryCodeSets]",
        session_raising: "Callable[[], SessionRaising]",
        passkeys: "Callable[[], PasskeyChallenges]",
    ) -> None:
        """Keep the collaborators; time and ids come from `clock` and `new_id` alone."""
        self._clock = clock
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._settings = settings
        self._recovery_codes = recovery_codes
        self._session_raising = session_raising
        self._passkeys = passkeys
        self.server_clock = ServerClock()

    @single_unit
    async def create(self, scope: Scope, factor_id: str) -> ChallengeRecord:
        """Open a challenge for a factor. Raises `NotFound` for an unknown factor."""
        challenge = self._new(factor_id, scope.now)
        if not await scope.tx.challenges.insert_for_factor(scope.number, challenge):
            return await self._passkeys().open(scope, challenge)
        return challenge

    async def open(self, scope: Scope, factor_id: str, session_id: str | None = None) -> ChallengeRecord:
        """Open a challenge for a factor that is known to exist, to raise a session if one is given."""
        challenge = self._new(factor_id, scope.now, session_id)
        await scope.tx.challenges.insert(scope.number, challenge)
        return challenge

    async def open_for(
        self, scope: Scope, factor: FactorRecord, session_id: str | None = None
    ) -> ChallengeRecord:
        """Open a challenge for a factor of any type, with the options if it is a passkey."""
        challenge = await self.open(scope, factor.id, session_id)
        return challenge if factor.is_totp else await self._passkeys().with_options(scope, challenge, factor)

    def _new(self, factor_id: str, now: int, session_id: str | None = None) -> ChallengeRecord:
        expires_at = now + self._settings.challenge_life * 1000
        return ChallengeRecord(self._new_id(ids.CHALLENGE), factor_id, 0, now, expires_at, None, session_id)

    def verify(self, environment: "Environment", challenge_id: str, code: str) -> Unit[Verification]:
        """Check a code, or an assertion, whose units do not share statements."""
        chosen = self._passkeys().answer if is_assertion(code) else self._verify
        return chosen(environment, challenge_id, code)

    @shared_unit
    async def _verify(self, scope: Scope, challenge_id: str, code: str) -> Verification:
        """Check a code. A wrong one is a result (`valid=False`) and is counted, unless it cannot be a code.

        The code that verified the challenge moments ago gets the same result again (`repeated`). Raises
        `NotFound`, and `ChallengeExpired`, `ChallengeAlreadyVerified` and `TooManyAttempts` after the commit
        of their events; and `SessionEnded` for a right code that would raise a session that has ended, which
        spends nothing.
        """
        digits = totp.clean_code(code) or await challenge_state.long_code(scope, challenge_id, code)
        if digits is None:
            return await self._check_other(scope, challenge_id, code, emit=True, repeatable=True)
        attempt = await self._charge(scope, challenge_id)
        refusal = challenge_state.stale(attempt.challenge, scope.now) or await self._refusal(scope, attempt)
        if refusal is None:
            return await self._judge(scope, attempt, digits, emit=True, repeatable=True)
        if isinstance(refusal, errors.ChallengeAlreadyVerified):
            repeated = await self._repeat(scope, attempt, digits)
            if repeated is not None:
                return repeated
        await self._emit_refused(scope, attempt, refusal)
        raise refusal.after_commit()

    async def load(
        self, scope: Scope, challenge_id: str, found: tuple[ChallengeRecord, FactorRecord] | None = None
    ) -> tuple[ChallengeRecord, FactorRecord]:
        """Return a challenge that can still be verified, and its factor; `found` if they are read already.

        Raises `NotFound`, `ChallengeExpired` and `ChallengeAlreadyVerified`.
        """
        found = found or await scope.tx.challenges.with_factor(scope.number, challenge_id)
        if found is None:
            raise errors.NotFound("Authentication Challenge", challenge_id)
        challenge, factor = found
        challenge_state.require_open(challenge, scope.now)
        return challenge, factor

    async def check(self, scope: Scope, challenge_id: str, code: str, *, emit: bool = True) -> Verification:
        """Verify a challenge that this unit has loaded or opened; counts and raises as `verify` does.

        Never repeats a result: what the caller does with it would happen twice. `emit` False: the caller
        emits the event about a wrong code.
        """
        digits = totp.clean_code(code) or await challenge_state.long_code(scope, challenge_id, code)
        if digits is None:
            return await self._check_other(scope, challenge_id, code, emit=emit)
        attempt = await self._attempt(scope, challenge_id)
        return await self._judge(scope, attempt, digits, emit=emit)

    async def _attempt(self, scope: Scope, challenge_id: str) -> CodeAttempt:
        """Charge an attempt. Raises what keeps its code from being compared."""
        attempt = await self._charge(scope, challenge_id)
        challenge_state.require_open(attempt.challenge, scope.now)
        refusal = await self._refusal(scope, attempt)
        if refusal is not None:
            await self._emit_refused(scope, attempt, refusal)
            raise refusal.after_commit()
        return attempt

    async def _check_other(
        self, scope: Scope, challenge_id: str, text: str, *, emit: bool, repeatable: bool = False
    ) -> Verification:
        """Verify by an assertion, or a recovery code, which users' active factors take; refuse others."""
        from authfactor.otp import recovery_code  # noqa: PLC0415 - not needed at a start

        if is_assertion(text):
            return await self._passkeys().verify(scope, challenge_id, text, emit=emit)
        typed = recovery_code.read_code(text)
        if typed is not None and typed.method == "trusted_device":
            typed = None  # good for a sign-in alone (decision 0042)
        found = None if typed is None else await scope.tx.challenges.with_factor(scope.number, challenge_id)
        if typed is None or found is None or found[1].user_id is None or found[1].activated_at is None:
            return await self._refuse_malformed(scope, challenge_id, found)
        challenge, factor = found
        raising = None if challenge.session_id is None else self._session_raising()
        if raising is not None and not await raising.allows_recovery(scope, challenge):
            return await self._refuse_malformed(scope, challenge_id, found)
        codes = self._recovery_codes()
        bits = await codes.bits(scope, factor, typed)
        if bits is None:
            return await self._refuse_malformed(scope, challenge_id, found)
        challenge_state.require_open(challenge, scope.now, even_verified=repeatable)
        if not await codes.are_allowed(scope, factor):
            return Verification(challenge, valid=False, reason="method_not_allowed")
        if bits < recovery_code.ENOUGH_BITS:
            # Never repeated: guesses at a closed challenge would be counted nowhere.
            outcome = await self._judge_guessable(scope, challenge_id, typed.text, emit=emit)
        else:
            since = scope.now - REPEAT_TIME if repeatable else None
            outcome = await codes.judge(scope, challenge, factor, typed.text, emit=emit, repeated_since=since)
        if raising is not None and outcome.repeated:
            await raising.require_alive(scope, challenge)
        elif raising is not None and outcome.valid:
            await raising.raise_session(scope, challenge, factor, "recovery_code")
        return outcome

    async def _judge_guessable(
        self, scope: Scope, challenge_id: str, code: str, *, emit: bool
    ) -> Verification:
        """Charge an attempt with an imported recovery code of few bits before it is looked up."""
        attempt = await self._attempt(scope, challenge_id)
        found = await self._recovery_codes().spend_guessable(scope, attempt, code)
        if isinstance(found, Verification):
            return found
        return await self._refuse(scope, attempt, found, emit=emit)

    async def _refuse_malformed(
        self, scope: Scope, challenge_id: str, found: tuple[ChallengeRecord, FactorRecord] | None
    ) -> Verification:
        """Return the result for what cannot be a code; raise what `load` raises, and `TooManyAttempts`."""
        loaded = await self.load(scope, challenge_id, found)
        return await challenge_state.refuse_malformed(scope, *loaded, self._settings)

    async def _charge(self, scope: Scope, challenge_id: str) -> CodeAttempt:
        """Count this attempt before its code is compared, unless the challenge is over."""
        limit = self._settings.attempts_per_challenge
        attempt = await scope.tx.attempts.charge(scope.number, challenge_id, limit, scope.now)
        if attempt is None:
            raise errors.NotFound("Authentication Challenge", challenge_id)
        return attempt

    async def _judge(
        self, scope: Scope, attempt: CodeAttempt, digits: str, *, emit: bool, repeatable: bool = False
    ) -> Verification:
        """Compare the code of a charged attempt, and spend step and challenge if it is right."""
        challenge, factor = attempt.challenge, attempt.factor
        if not factor.is_totp:
            return await self._refuse_malformed(scope, challenge.id, (challenge, factor))
        secret = self._vault.unseal(factor.secret, secret_row(scope.number, factor.id))
        seconds, window, profile = scope.now // 1000, self._settings.window, profile_of(factor)
        drift = clock_drift.drift_of(factor, seconds, self._settings)
        step = totp.match_step(secret, digits, seconds + drift * profile.period, window, profile)
        if step is None:
            late = clock_drift.late_offset(secret, digits, seconds, drift, window, profile)
            reason: CodeReason = "code_mismatch" if late is None else "clock_drift"
            return await self._refuse(scope, attempt, reason, late, emit=emit)
        if not await self._spend(scope, attempt, secret, step, repeatable=repeatable):
            return await self._refuse(scope, attempt, "code_already_used", emit=emit)
        if profile.period == totp.PERIOD_SECONDS:
            self.server_clock.add(seconds, step - totp.step_at(seconds))
        if self._vault.is_stale(factor.secret):
            sealed = self._vault.seal(secret, secret_row(scope.number, factor.id))
            await scope.tx.factors.reseal(scope.number, factor.id, factor.secret, sealed)
        if factor.activated_at is None:
            from authfactor.rules.factors import activation  # noqa: PLC0415 - not needed at a start

            await activation.announce(scope, self._log, factor)
        if challenge.session_id is not None:
            await self._session_raising().raise_session(scope, challenge, factor, "totp")
        return Verification(challenge_state.closed(challenge, scope.now), valid=True)

    async def _refusal(self, scope: Scope, attempt: CodeAttempt) -> errors.ChallengeRefused | None:
        """Return the refusal when no attempt is left, or a concurrent one has verified the challenge.

        A refusal takes the charge back, so that attempts under a lock cannot lengthen it.
        """
        refusal: errors.ChallengeRefused | None = challenge_state.locked(attempt.record, scope.now)
        if refusal is None and (attempt.charged or not attempt.factor.is_totp):
            return None
        latest = await scope.tx.challenges.by_id(scope.number, attempt.challenge.id)
        if latest is not None and latest.verified_at is not None:
            refusal = errors.ChallengeAlreadyVerified(latest.id)
        elif refusal is None:
            refusal = errors.TooManyAttempts(locked_until=None)
        refunded = attempt_limits.refund_refusal(attempt.record)
        await scope.tx.attempts.write_without_spending(scope.number, attempt, refunded)
        return refusal

    async def _repeat(self, scope: Scope, attempt: CodeAttempt, digits: str) -> Verification | None:
        """Return the result again to the code that verified the challenge moments ago, else None.

        The step is withdrawn before the comparison and comes back only for the same code: another code is
        compared once, and ends the repeating.
        """
        number, now, challenge_id = scope.number, scope.now, attempt.challenge.id
        found = await scope.tx.challenges.withdraw_step(
            number, challenge_id, now - REPEAT_TIME, now + REPEAT_TIME
        )
        if found is None:
            return None
        secret = self._vault.unseal(attempt.factor.secret, secret_row(number, attempt.factor.id))
        if not hmac.compare_digest(totp.code_at(secret, found.step, profile_of(attempt.factor)), digits):
            return None
        if found.challenge.session_id is not None:
            await self._session_raising().require_alive(scope, found.challenge)
        await scope.tx.challenges.restore_step(number, challenge_id)
        return Verification(found.challenge, valid=True, repeated=True)

    async def _spend(
        self, scope: Scope, attempt: CodeAttempt, secret: bytes, step: int, *, repeatable: bool
    ) -> bool:
        """Spend step and challenge and refund the charge; False if the step was spent before."""
        settled = attempt_limits.record_success(attempt.record)
        learned = clock_drift.learn(attempt.factor, step, scope.now // 1000, self._settings)
        # RFC 6238 section 5.2: a step is good once, and after it no earlier one is, whatever the challenge.
        result = await scope.tx.attempts.spend(
            scope.number, attempt, step, settled, scope.now, learned=learned, repeatable=repeatable
        )
        if result == SpendResult.STEP_USED:
            return False
        if result == SpendResult.CHALLENGE_CLOSED:
            # Rolls back: the step was advanced.
            raise errors.ChallengeAlreadyVerified(attempt.challenge.id)
        for factor_id, sealed in attempt.other_secrets():
            if challenge_state.is_duplicate(self._vault, secret, sealed, secret_row(scope.number, factor_id)):
                await scope.tx.attempts.spend_duplicate(scope.number, factor_id, step)
        return True

    async def _refuse(
        self, scope: Scope, attempt: CodeAttempt, reason: CodeReason, late: int | None = None, *, emit: bool
    ) -> Verification:
        """Keep the charge, lock if it was one too many, and return how many attempts are left.

        The limits on wrong codes bound the number of events. `late`: how many steps the clock is off.
        """
        challenge, factor, record = attempt.challenge, attempt.factor, attempt.record
        settled = attempt_limits.record_failure(record, scope.now, self._settings)
        await scope.tx.attempts.write_without_spending(scope.number, attempt, settled)
        until = attempt_limits.locked_until(settled, scope.now)
        if until is not None:
            await self._emit(scope, event_log.USER_LOCKED, factor)
        if reason == "code_already_used":
            await self._emit(scope, event_log.REPLAY_REFUSED, factor)
        elif emit:
            await self._emit_attempt(scope, attempt, reason)
        left = self._settings.attempts_per_challenge - challenge.attempts - 1
        allowed = attempt_limits.tries_left(settled, scope.now, self._settings)
        left = 0 if until is not None else min(left, allowed)
        shown = None if until == attempt_limits.NEVER else until
        return Verification(
            challenge,
            valid=False,
            reason=reason,
            attempts_remaining=left,
            locked_until=shown,
            offset_seconds=None if late is None else late * factor.period,
        )

    async def _emit_refused(
        self, scope: Scope, attempt: CodeAttempt, refusal: errors.ChallengeRefused
    ) -> None:
        """Emit the event of an attempt that was neither compared nor counted."""
        if await self._log.take_refusal_event_slot(scope, attempt.subject):
            await self._emit_attempt(scope, attempt, refusal.code)

    async def _emit_attempt(self, scope: Scope, attempt: CodeAttempt, reason: str) -> None:
        challenge, factor = attempt.challenge, attempt.factor
        data = RefusedAttempt(challenge.id, factor.id, factor.user_id, reason)
        await self._log.append(scope, event_log.ATTEMPT_REFUSED, factor.user_id, data)

    async def _emit(self, scope: Scope, name: str, factor: FactorRecord) -> None:
        await self._log.append(scope, name, factor.user_id, FactorEvent(factor.id, factor.user_id))
