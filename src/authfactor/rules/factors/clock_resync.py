"""Resync of a factor with a phone whose clock is off, by two codes in a row (decision 0044)."""

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.errors import InvalidRequest, Item
from authfactor.models import Clock, Environment, FactorDetails, FailureRecord
from authfactor.otp import totp
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors import attempt_limits
from authfactor.rules.factors.challenge_state import LONG, is_duplicate, locked
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.factors.clock_drift import RESYNC_STEPS
from authfactor.rules.factors.factor_secrets import profile_of, secret_row
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Unit, subject_of
from authfactor.wire.clock_resync import ResyncFactor
from authfactor.wire.events import FactorEvent, RefusedAttempt, ResyncedFactor

_TEXTS = {
    "codes_invalid": "codes: two codes in a row, with all digits that the app shows. They were not counted.",
    "codes_mismatch": "codes: no two codes in a row of the last or the next ten minutes.",
    "codes_already_used": "codes: used before, or older than one that was. Wait for the next two.",
    "clock_drift_off": "This server learns no clock drift (AUTHFACTOR_LEARN_DRIFT). Set the phone's clock.",
}


class ClockResync:
    """Finds out how far a phone's clock is off."""

    def __init__(
        self, clock: Clock, vault: Vault, log: EventLog, settings: Settings, challenges: Challenges
    ) -> None:
        """Keep the collaborators; `challenges` recognizes duplicates of a factor."""
        self._clock = clock
        self._vault = vault
        self._log = log
        self._settings = settings
        self._challenges = challenges

    def resync(self, environment: Environment, factor_id: str, request: ResyncFactor) -> Unit[FactorDetails]:
        """Accept an active factor's codes where its phone's clock is, and spend these two.

        A wrong pair counts as one wrong code. Raises `InvalidRequest`; the unit raises `NotFound`, and after
        the commit of its count `InvalidRequest` and `TooManyAttempts`.
        """
        codes = [totp.clean_code(code) or totp.clean_code(code, LONG) for code in request.codes or ()]
        if len(codes) != 2 or codes[0] is None or codes[1] is None:  # noqa: PLR2004 - a pair
            raise _refused("codes_invalid")
        if not self._settings.learn_drift:
            raise _refused("clock_drift_off")
        return self._resync(environment, factor_id, (codes[0], codes[1]))

    @unit
    async def _resync(self, scope: Scope, factor_id: str, codes: tuple[str, str]) -> FactorDetails:
        """Charge, compare, spend, in this order: see decision 0003."""
        tx, number, seconds = scope.tx, scope.number, scope.now // 1000
        factor = await tx.factors.details(number, factor_id)
        if factor is None:
            raise errors.NotFound("Authentication Factor", factor_id)
        if not factor.is_totp:
            text = "Only a factor of type totp has a clock."
            raise InvalidRequest(Item("factor_id", "factor_type_not_supported", text))
        if factor.activated_at is None:
            text = "The factor is pending. Confirm it with a code first."
            raise InvalidRequest(Item("factor_id", "factor_not_active", text))
        profile = profile_of(factor)
        if {len(code) for code in codes} != {profile.digits}:
            raise _refused("codes_invalid")
        record = await tx.failures.charge(number, subject_of(factor), seconds)
        await self._check_lock(scope, factor, record)
        secret = self._vault.unseal(factor.secret, secret_row(number, factor_id))
        step = totp.match_two_steps(secret, *codes, seconds, RESYNC_STEPS, profile)
        if step is None:
            raise await self._count(scope, factor, record, "codes_mismatch")
        drift = step + 1 - totp.step_at(seconds, profile.period)
        if not await tx.factors.resync(number, factor_id, step, drift, scope.now):
            raise await self._count(scope, factor, record, "codes_already_used")
        await tx.failures.write(number, subject_of(factor), attempt_limits.record_success(record))
        if factor.user_id is not None:
            await self._spend_duplicates(scope, factor.user_id, factor_id, secret, step + 1)
        data = ResyncedFactor(factor_id, factor.user_id, drift * profile.period)
        await self._log.append(scope, event_log.FACTOR_RESYNCED, factor.user_id, data)
        resynced = await tx.factors.details(number, factor_id)
        return resynced or factor

    async def _check_lock(self, scope: Scope, factor: FactorDetails, record: FailureRecord) -> None:
        """Raise `TooManyAttempts` under a lock, which the attempt does not lengthen."""
        refusal, subject = locked(record, scope.now), subject_of(factor)
        if refusal is None:
            return
        await scope.tx.failures.write(scope.number, subject, attempt_limits.refund_refusal(record))
        if await self._log.take_refusal_event_slot(scope, subject):
            await self._emit_refused(scope, factor, refusal.code)
        raise refusal.after_commit()

    async def _count(
        self, scope: Scope, factor: FactorDetails, record: FailureRecord, code: str
    ) -> InvalidRequest:
        """Keep the charge, lock if it was one too many, and return the error."""
        settled = attempt_limits.record_failure(record, scope.now, self._settings)
        await scope.tx.failures.write(scope.number, subject_of(factor), settled)
        about = FactorEvent(factor.id, factor.user_id)
        if attempt_limits.locked_until(settled, scope.now) is not None:
            await self._log.append(scope, event_log.USER_LOCKED, factor.user_id, about)
        if code == "codes_already_used":
            await self._log.append(scope, event_log.REPLAY_REFUSED, factor.user_id, about)
        else:
            await self._emit_refused(scope, factor, code)
        return _refused(code).after_commit()

    async def _emit_refused(self, scope: Scope, factor: FactorDetails, reason: str) -> None:
        data = RefusedAttempt(None, factor.id, factor.user_id, reason)
        await self._log.append(scope, event_log.ATTEMPT_REFUSED, factor.user_id, data)

    async def _spend_duplicates(
        self, scope: Scope, user_id: str, factor_id: str, secret: bytes, step: int
    ) -> None:
        """Spend the codes of the user's other factors with this secret, as an older release enrolled them."""
        for other in await scope.tx.factors.of_user(scope.number, user_id):
            location = secret_row(scope.number, other.id)
            if (
                other.id != factor_id
                and other.is_totp
                and is_duplicate(self._vault, secret, other.secret, location)
            ):
                await scope.tx.attempts.spend_duplicate(scope.number, other.id, step)


def _refused(code: str) -> InvalidRequest:
    return InvalidRequest(Item("codes", code, _TEXTS[code]))
