"""Recovery codes: made as a set, each accepted once in place of a TOTP code (decision 0041).

A code has 80 bits, so it cannot be guessed: it is looked up even under a lock, and wrong ones lock no user.
Imported codes of fewer than 64 bits are counted and locked as six digits are.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.errors import InvalidRequest, Item
from authfactor.models import (
    ChallengeRecord,
    Clock,
    CodeReason,
    Entropy,
    FactorRecord,
    NewRecoveryCodes,
    RecoveryCodeCount,
    RecoveryCodeUse,
    Verification,
)
from authfactor.otp import recovery_code
from authfactor.otp.recovery_code import TypedCode
from authfactor.rules.authentication.applied_policy import names_methods, policy_for
from authfactor.rules.authentication.trusted_device_endings import end_devices
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors import attempt_limits, challenge_state, imported_recovery_codes
from authfactor.rules.unit import Scope, unit
from authfactor.store import CodeAttempt
from authfactor.wire.events import (
    CreatedRecoveryCodes,
    FactorEvent,
    FewRecoveryCodes,
    RefusedAttempt,
    UnlockedUser,
    UsedRecoveryCode,
)

# The pace of wrong codes, which bounds only events: 10 at once, then one in 6 minutes.
BURST: Final = 10
INTERVAL: Final = 6 * 60_000
LOW: Final = 3
_PURPOSE: Final = "recovery code"
_NO_FACTOR: Final = Item(
    "user_id", "no_active_factor", "Recovery codes replace a factor, and the user has no active one."
)


class RecoveryCodeSets:
    """Makes, counts, deletes and accepts recovery codes."""

    def __init__(self, clock: Clock, entropy: Entropy, vault: Vault, log: EventLog) -> None:
        """Keep the collaborators; `vault` makes the digests."""
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._log = log

    @unit
    async def create(self, scope: Scope, user_id: str) -> NewRecoveryCodes:
        """Make a user's set, which replaces the old one. Only this result has the codes.

        Raises `NotFound`, and `InvalidRequest` for a user without an active factor.
        """
        await self.lock_user(scope, user_id)
        return await self.replace(scope, user_id)

    async def lock_user(self, scope: Scope, user_id: str) -> None:
        """Lock a user who may have a set, until the unit ends; the deletion of a factor waits for that.

        Raises `NotFound`, and `InvalidRequest` for a user without an active factor.
        """
        await _lock(scope, user_id)
        factors = await scope.tx.factors.of_user(scope.number, user_id)
        if all(factor.activated_at is None for factor in factors):
            raise InvalidRequest(_NO_FACTOR)

    async def replace(self, scope: Scope, user_id: str) -> NewRecoveryCodes:
        """Make the set of a user whom `lock_user` has locked."""
        codes = [recovery_code.make(self._entropy) for _ in range(recovery_code.COUNT)]
        digests = [self._vault.digest(_PURPOSE, _bound(scope, user_id, code)) for code in codes]
        await scope.tx.recovery_codes.replace(scope.number, user_id, digests, self._vault.newest, scope.now)
        data = CreatedRecoveryCodes(user_id, len(codes))
        await self._log.append(scope, event_log.RECOVERY_CODES_CREATED, user_id, data)
        return NewRecoveryCodes(tuple(map(recovery_code.grouped, codes)), scope.now)

    @unit
    async def count(self, scope: Scope, user_id: str) -> RecoveryCodeCount:
        """Count a user's codes. Raises `NotFound`."""
        if await scope.tx.users.by_id(scope.number, user_id) is None:
            raise errors.NotFound("User", user_id)
        return await scope.tx.recovery_codes.count(scope.number, user_id)

    @unit
    async def delete(self, scope: Scope, user_id: str) -> int:
        """Delete a user's set; return how many codes it had. Raises `NotFound`."""
        await _lock(scope, user_id)
        return await scope.tx.recovery_codes.delete_of_user(scope.number, user_id)

    @unit
    async def import_set(self, scope: Scope, user_id: str, texts: Sequence[str] | None) -> RecoveryCodeCount:
        """Replace a user's set by unused codes of another system; those that were used here stay used.

        Raises `NotFound`, and `InvalidRequest` for unusable codes and a user without an active factor.
        """
        given = imported_recovery_codes.read(texts)
        await self.lock_user(scope, user_id)
        return await self._replace_imported(scope, user_id, given)

    async def _replace_imported(
        self, scope: Scope, user_id: str, given: imported_recovery_codes.ImportedSet
    ) -> RecoveryCodeCount:
        digests = [self._vault.digests(_PURPOSE, _bound(scope, user_id, code)) for code in given.codes]
        await scope.tx.recovery_codes.replace_imported(
            scope.number, user_id, digests, self._vault.newest, scope.now, given.bits
        )
        data = CreatedRecoveryCodes(user_id, len(given.codes))
        await self._log.append(scope, event_log.RECOVERY_CODES_CREATED, user_id, data)
        return await scope.tx.recovery_codes.count(scope.number, user_id)

    @unit
    async def import_first_set(self, scope: Scope, user_id: str, texts: Sequence[str]) -> RecoveryCodeCount:
        """Like `import_set`, but for a user without a set; any other keeps the one there is."""
        given = imported_recovery_codes.read(texts)
        await self.lock_user(scope, user_id)
        count = await scope.tx.recovery_codes.count(scope.number, user_id)
        return await self._replace_imported(scope, user_id, given) if count.total == 0 else count

    async def bits(self, scope: Scope, factor: FactorRecord, typed: TypedCode) -> int | None:
        """Return how many bits a code has; None if it is no code of this user's, or guessable on a passkey.

        The shape of an imported code is foreign to users without an imported set. Wrong guesses are counted
        by the challenges of TOTP factors alone.
        """
        if not typed.imported:
            return recovery_code.BITS
        bits = await scope.tx.recovery_codes.imported_bits(scope.number, factor.user_id or "")
        return bits if factor.is_totp or (bits or 0) >= recovery_code.ENOUGH_BITS else None

    async def are_allowed(self, scope: Scope, factor: FactorRecord) -> bool:
        """Return whether the policy accepts recovery codes; no statement where it names no methods."""
        return not names_methods(scope.environment) or await _is_allowed(scope, factor.user_id or "")

    async def spend_guessable(
        self, scope: Scope, attempt: CodeAttempt, code: str
    ) -> Verification | CodeReason:
        """Spend an imported code and the challenge of a charged attempt; return why not, if it is wrong.

        Raises `ChallengeAlreadyVerified` when a concurrent code has closed the challenge.
        """
        tx, number = scope.tx, scope.number
        challenge, user_id = attempt.challenge, attempt.factor.user_id or ""
        digests = self._vault.digests(_PURPOSE, _bound(scope, user_id, code))
        if not await tx.recovery_codes.spend(number, user_id, digests, scope.now, challenge.id, 0):
            use = await tx.recovery_codes.use_of(number, user_id, digests)
            return "code_mismatch" if use is None else "code_already_used"
        settled = attempt_limits.record_success(attempt.record)
        await tx.attempts.write_without_spending(number, attempt, settled)
        if not await tx.challenges.close(number, challenge.id, scope.now):
            # Rolls back: the code stays unused.
            raise errors.ChallengeAlreadyVerified(challenge.id)
        left = await self._complete_use(scope, user_id, challenge)
        closed = challenge_state.closed(challenge, scope.now)
        return Verification(closed, valid=True, recovery_codes_remaining=left)

    async def judge(
        self,
        scope: Scope,
        challenge: ChallengeRecord,
        factor: FactorRecord,
        code: str,
        *,
        emit: bool,
        repeated_since: int | None,
    ) -> Verification:
        """Spend a code on a challenge of an active factor, whatever locks its user.

        `repeated_since`: the code that closed this challenge since then gets its result again; None repeats
        nothing. Raises `TooManyAttempts` for a wrong code beyond the pace, and `ChallengeAlreadyVerified`
        when a concurrent code has closed the challenge.
        """
        user_id = factor.user_id or ""
        digests = self._vault.digests(_PURPOSE, _bound(scope, user_id, code))
        if challenge.verified_at is None and await scope.tx.recovery_codes.spend(
            scope.number, user_id, digests, scope.now, challenge.id, recovery_code.ENOUGH_BITS
        ):
            return await self._accept(scope, challenge, user_id)
        use = await scope.tx.recovery_codes.use_of(scope.number, user_id, digests)
        if (
            use is not None
            and use.challenge_id == challenge.id
            and _is_recent(use, scope.now, repeated_since)
        ):
            left = (await scope.tx.recovery_codes.count(scope.number, user_id)).remaining
            closed = _closed(challenge, use.used_at)
            return Verification(closed, valid=True, repeated=True, recovery_codes_remaining=left)
        if challenge.verified_at is not None:
            raise errors.ChallengeAlreadyVerified(challenge.id)
        reason: CodeReason = "code_mismatch" if use is None else "code_already_used"
        return await self._refuse(scope, challenge, factor, reason, emit=emit)

    async def _accept(self, scope: Scope, challenge: ChallengeRecord, user_id: str) -> Verification:
        """Lift the user's lock, close the challenge, and tell how many codes are left."""
        tx, number = scope.tx, scope.number
        record = await tx.failures.of(number, user_id)
        # In the order in which a TOTP code locks rows: the user's record, then the challenge.
        await tx.failures.clear(number, user_id)
        await tx.throttles.clear(number, _pace(user_id))
        if not await tx.challenges.close(number, challenge.id, scope.now):
            # Rolls back: the code stays unused.
            raise errors.ChallengeAlreadyVerified(challenge.id)
        if attempt_limits.locked_until(record, scope.now) is not None:
            await self._log.append(scope, event_log.USER_UNLOCKED, user_id, UnlockedUser(user_id))
        left = await self._complete_use(scope, user_id, challenge)
        return Verification(_closed(challenge, scope.now), valid=True, recovery_codes_remaining=left)

    async def _complete_use(self, scope: Scope, user_id: str, challenge: ChallengeRecord) -> int:
        """End the user's trusted devices and append the events of a use; return how many codes are left."""
        await end_devices(scope, self._log, user_id, "recovery_code_used")
        left = (await scope.tx.recovery_codes.count(scope.number, user_id)).remaining
        used = UsedRecoveryCode(user_id, challenge.id, left)
        await self._log.append(scope, event_log.RECOVERY_CODES_USED, user_id, used)
        if left <= LOW:
            few = FewRecoveryCodes(user_id, left)
            await self._log.append(scope, event_log.RECOVERY_CODES_LOW, user_id, few)
        return left

    async def _refuse(
        self,
        scope: Scope,
        challenge: ChallengeRecord,
        factor: FactorRecord,
        reason: CodeReason,
        *,
        emit: bool,
    ) -> Verification:
        """Count a wrong code at its own pace, which never keeps a right one out."""
        user_id = factor.user_id or ""
        if not await scope.tx.throttles.charge(scope.number, _pace(user_id), scope.now, INTERVAL, BURST):
            opens_at = await scope.tx.throttles.tat(scope.number, _pace(user_id)) - (BURST - 1) * INTERVAL
            refusal = errors.TooManyAttempts(locked_until=opens_at)
            if await self._log.take_refusal_event_slot(scope, user_id):
                about = RefusedAttempt(challenge.id, factor.id, user_id, refusal.code)
                await self._log.append(scope, event_log.ATTEMPT_REFUSED, user_id, about)
            raise refusal.after_commit()
        if reason == "code_already_used":
            replayed = FactorEvent(factor.id, user_id)
            await self._log.append(scope, event_log.REPLAY_REFUSED, user_id, replayed)
        elif emit:
            about = RefusedAttempt(challenge.id, factor.id, user_id, reason)
            await self._log.append(scope, event_log.ATTEMPT_REFUSED, user_id, about)
        return Verification(challenge, valid=False, reason=reason)


def _closed(challenge: ChallengeRecord, used_at: int) -> ChallengeRecord:
    """Return a challenge as the use of a code has closed it, which counts no attempt."""
    return msgspec.structs.replace(challenge, verified_at=used_at)


async def _is_allowed(scope: Scope, user_id: str) -> bool:
    """Return whether the policy accepts a recovery code of this user."""
    user = await scope.tx.users.by_id(scope.number, user_id)
    if user is None or policy_for(scope.environment, user, scope.now).allows("recovery_code"):
        return True
    stored = await scope.tx.user_mfa_policies.of(scope.number, user_id)
    return stored is not None and stored.own(scope.now) == "exempt"


def _is_recent(use: RecoveryCodeUse, now: int, since: int | None) -> bool:
    """Return whether a use is at most as far from now as `since`, in either direction."""
    return since is not None and since <= use.used_at <= 2 * now - since


async def _lock(scope: Scope, user_id: str) -> None:
    if await scope.tx.users.lock(scope.number, user_id) is None:
        raise errors.NotFound("User", user_id)


def _bound(scope: Scope, user_id: str, code: str) -> str:
    """Return what is digested: a code of another user or environment has another digest."""
    return f"{scope.number}\0{user_id}\0{code}"


def _pace(user_id: str) -> str:
    return f"recovery:{user_id}"
