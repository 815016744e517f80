"""Challenges: opening one, and the one question that matters: is this code good, this once?

The order in `verify` is the security of the product: charge, compare, spend; all in one transaction.
"""

from typing import Final, Literal

from authfactor import errors, ids
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.ids import IdGenerator
from authfactor.models import ChallengeRecord, Clock, Environment, FactorRecord, Verification
from authfactor.otp import totp
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors import attempt_limits
from authfactor.settings import Settings
from authfactor.store import CodeAttempt, Single, SpendResult, Tx, Unit

_Reason = Literal["code_mismatch", "code_already_used", "clock_drift"]

# How far back a code is recognised, only to tell a person that the phone's clock is slow. Codes of the
# future are never named: an attacker who guessed one would learn when to use it.
DRIFT_STEPS: Final = 10


def secret_row(environment: int, factor_id: str) -> SealedLocation:
    """Where a factor's sealed secret lives."""
    return SealedLocation("factors", "secret", environment, factor_id)


class Challenges:
    """Opens and verifies challenges."""

    def __init__(
        self, clock: Clock, new_id: IdGenerator, vault: Vault, log: EventLog, settings: Settings
    ) -> None:
        """Take what the rules may use."""
        self._clock = clock
        self._new_id = new_id
        self._vault = vault
        self._log = log
        self._settings = settings

    def create(self, environment: Environment, factor_id: str) -> Unit[ChallengeRecord]:
        """Open a challenge for a factor. The unit raises `NotFound` for an unknown factor."""
        challenge = self._new(factor_id, self._clock())

        async def run(tx: Tx) -> ChallengeRecord:
            if not await tx.challenges.insert_for_factor(environment.number, challenge):
                raise errors.NotFound("Authentication Factor", factor_id)
            return challenge

        return Single(run)

    async def open(self, tx: Tx, environment: Environment, factor_id: str, now: int) -> ChallengeRecord:
        """Open a challenge for a factor that is known to exist."""
        challenge = self._new(factor_id, now)
        await tx.challenges.insert(environment.number, challenge)
        return challenge

    def _new(self, factor_id: str, now: int) -> ChallengeRecord:
        expires_at = now + self._settings.challenge_life * 1000
        return ChallengeRecord(self._new_id(ids.CHALLENGE), factor_id, 0, now, expires_at, None)

    def verify(self, environment: Environment, challenge_id: str, code: str) -> Unit[Verification]:
        """Check a code. A wrong one is an answer (`valid=False`) and is counted.

        The unit raises `NotFound`, and `ChallengeExpired`, `ChallengeAlreadyVerified` and `TooManyAttempts`
        after it has committed their events.
        """
        now = self._clock()

        async def run(tx: Tx) -> Verification:
            attempt = await self._charge(tx, environment, challenge_id, now)
            refusal = _stale(attempt.challenge, now)
            if refusal is not None:
                await self._emit_refused(tx, environment, attempt, refusal, now)
                raise refusal.after_commit()
            return await self._judge(tx, environment, attempt, code, now, emit=True)

        return run

    async def load(
        self, tx: Tx, environment: Environment, challenge_id: str, now: int
    ) -> tuple[ChallengeRecord, FactorRecord]:
        """Find a challenge that may still be answered, and its factor."""
        found = await tx.challenges.with_factor(environment.number, challenge_id)
        if found is None:
            raise errors.NotFound("Authentication Challenge", challenge_id)
        challenge, factor = found
        refusal = _stale(challenge, now)
        if refusal is not None:
            raise refusal
        return challenge, factor

    async def check(
        self, tx: Tx, environment: Environment, challenge_id: str, code: str, now: int, *, emit: bool = True
    ) -> Verification:
        """Answer a challenge that was just loaded or opened; counts and raises as `verify` does.

        `tell` False: the caller writes an event about a wrong code.
        """
        attempt = await self._charge(tx, environment, challenge_id, now)
        refusal = _stale(attempt.challenge, now)
        if refusal is not None:
            raise refusal
        return await self._judge(tx, environment, attempt, code, now, emit=emit)

    async def _charge(self, tx: Tx, environment: Environment, challenge_id: str, now: int) -> CodeAttempt:
        """Count this attempt before the code is looked at, unless the challenge is over."""
        most = self._settings.attempts_per_challenge
        attempt = await tx.attempts.charge(environment.number, challenge_id, most, now)
        if attempt is None:
            raise errors.NotFound("Authentication Challenge", challenge_id)
        return attempt

    async def _judge(
        self, tx: Tx, environment: Environment, attempt: CodeAttempt, code: str, now: int, *, emit: bool
    ) -> Verification:
        """Refuse when no attempt was left; else compare, and spend step and challenge if it is right."""
        locked = await self._locked(tx, environment, attempt, now)
        if locked is not None:
            await self._emit_refused(tx, environment, attempt, locked, now)
            raise locked.after_commit()
        challenge, factor = attempt.challenge, attempt.factor
        secret = self._vault.unseal(factor.secret, secret_row(environment.number, factor.id))
        found = self._compare(secret, code, now)
        reason = await self._spend(tx, environment, attempt, found, now) if isinstance(found, int) else found
        if reason is not None:
            return await self._refuse(tx, environment, attempt, reason, now, emit=emit)
        if self._vault.is_stale(factor.secret):
            sealed = self._vault.seal(secret, secret_row(environment.number, factor.id))
            await tx.factors.reseal(environment.number, factor.id, factor.secret, sealed)
        if factor.activated_at is None:
            await self._emit(tx, environment, event_log.FACTOR_ACTIVATED, factor, now)
        return Verification(_closed(challenge, now), valid=True)

    async def _locked(
        self, tx: Tx, environment: Environment, attempt: CodeAttempt, now: int
    ) -> errors.TooManyAttempts | None:
        """Say that no attempt is left, if so.

        A refusal takes the charge back: someone who is locked out cannot lengthen the lock.
        """
        number, record = environment.number, attempt.record
        until = attempt_limits.locked_until(record, now)
        if until is not None:
            await tx.attempts.write_without_spending(number, attempt, attempt_limits.refund_refusal(record))
            hard = until == attempt_limits.NEVER
            return errors.TooManyAttempts(locked_until=None if hard else until, hard_stop=hard)
        if not attempt.charged:
            latest = await tx.challenges.by_id(number, attempt.challenge.id)
            if latest is not None and latest.verified_at is not None:
                raise errors.ChallengeAlreadyVerified(latest.id)
            await tx.attempts.write_without_spending(number, attempt, attempt_limits.refund_refusal(record))
            return errors.TooManyAttempts(locked_until=None)
        return None

    def _compare(self, secret: bytes, code: str, now: int) -> "_Reason | int":
        """Return the step whose code it is, or why there is none."""
        digits = totp.clean_code(code)
        if digits is None:
            return "code_mismatch"
        seconds = now // 1000
        step = totp.match_step(secret, digits, seconds, self._settings.window)
        if step is None:
            return "clock_drift" if self._is_late(secret, digits, seconds) else "code_mismatch"
        return step

    async def _spend(
        self, tx: Tx, environment: Environment, attempt: CodeAttempt, step: int, now: int
    ) -> _Reason | None:
        """Spend step and challenge and give the charge back; why not, if the step was spent before."""
        settled = attempt_limits.record_success(attempt.record)
        # RFC 6238 section 5.2: a step is good once, and after it no earlier one is, whatever the challenge.
        spent = await tx.attempts.spend(environment.number, attempt, step, settled, now)
        if spent == SpendResult.STEP_USED:
            return "code_already_used"
        if spent == SpendResult.CHALLENGE_CLOSED:
            raise errors.ChallengeAlreadyVerified(attempt.challenge.id)
        return None

    def _is_late(self, secret: bytes, digits: str, seconds: int) -> bool:
        half = DRIFT_STEPS // 2
        middle = seconds - (self._settings.window + 1 + half) * totp.PERIOD
        return totp.match_step(secret, digits, middle, half) is not None

    async def _refuse(
        self, tx: Tx, environment: Environment, attempt: CodeAttempt, reason: _Reason, now: int, *, emit: bool
    ) -> Verification:
        """Keep the charge, lock if it was one too many, and say how many tries are left.

        There are no more events than the limits let codes be wrong.
        """
        challenge, factor, record = attempt.challenge, attempt.factor, attempt.record
        settled = attempt_limits.record_failure(record, now, self._settings)
        await tx.attempts.write_without_spending(environment.number, attempt, settled)
        until = attempt_limits.locked_until(settled, now)
        if until is not None:
            await self._emit(tx, environment, event_log.USER_LOCKED, factor, now)
        if reason == "code_already_used":
            await self._emit(tx, environment, event_log.REPLAY_REFUSED, factor, now)
        elif emit:
            await self._emit_attempt(tx, environment, attempt, reason, now)
        left = self._settings.attempts_per_challenge - challenge.attempts - 1
        left = 0 if until is not None else min(left, attempt_limits.tries_left(settled, now, self._settings))
        shown = None if until == attempt_limits.NEVER else until
        return Verification(
            challenge, valid=False, reason=reason, attempts_remaining=left, locked_until=shown
        )

    async def _emit_refused(
        self,
        tx: Tx,
        environment: Environment,
        attempt: CodeAttempt,
        refusal: errors.ChallengeRefused,
        now: int,
    ) -> None:
        """Tell of an attempt that was not looked at and not counted."""
        if await self._log.take_refusal_event_slot(tx, environment.number, attempt.subject, now):
            await self._emit_attempt(tx, environment, attempt, refusal.code, now)

    async def _emit_attempt(
        self, tx: Tx, environment: Environment, attempt: CodeAttempt, reason: str, now: int
    ) -> None:
        challenge, factor = attempt.challenge, attempt.factor
        data = {
            "challenge_id": challenge.id,
            "factor_id": factor.id,
            "user_id": factor.user_id,
            "reason": reason,
        }
        name = event_log.ATTEMPT_REFUSED
        await self._log.append(tx, environment.number, name, factor.user_id, data, now)

    async def _emit(
        self, tx: Tx, environment: Environment, name: str, factor: FactorRecord, now: int
    ) -> None:
        data = {"factor_id": factor.id, "user_id": factor.user_id}
        await self._log.append(tx, environment.number, name, factor.user_id, data, now)


def _stale(challenge: ChallengeRecord, now: int) -> errors.ChallengeRefused | None:
    if challenge.verified_at is not None:
        return errors.ChallengeAlreadyVerified(challenge.id)
    if challenge.expires_at <= now:
        return errors.ChallengeExpired(challenge.id, challenge.expires_at)
    return None


def _closed(challenge: ChallengeRecord, now: int) -> ChallengeRecord:
    return ChallengeRecord(
        challenge.id,
        challenge.factor_id,
        challenge.attempts + 1,
        challenge.created_at,
        challenge.expires_at,
        now,
    )
