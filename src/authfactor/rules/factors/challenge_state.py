"""What keeps a challenge from being verified, and what it is once it has been."""

from typing import Final

from authfactor import errors
from authfactor.crypto.vault import SealedLocation, UnsealError, Vault
from authfactor.models import ChallengeRecord, FactorRecord, FailureRecord, Verification
from authfactor.otp import totp
from authfactor.rules.factors import attempt_limits
from authfactor.rules.unit import Scope
from authfactor.settings import Settings
from authfactor.store import subject_of

LONG: Final = 8
"""How many digits the longer codes of imported factors have."""


def locked(record: FailureRecord, now: int) -> errors.TooManyAttempts | None:
    """Return the refusal of a code under the lock of a failure record, or None."""
    until = attempt_limits.locked_until(record, now)
    if until is None:
        return None
    hard = until == attempt_limits.NEVER
    return errors.TooManyAttempts(locked_until=None if hard else until, hard_stop=hard)


def stale(challenge: ChallengeRecord, now: int) -> errors.ChallengeRefused | None:
    """Return the refusal of a code for a challenge that is verified or expired, or None."""
    if challenge.verified_at is not None:
        return errors.ChallengeAlreadyVerified(challenge.id)
    if challenge.expires_at <= now:
        return errors.ChallengeExpired(challenge.id, challenge.expires_at)
    return None


def require_open(challenge: ChallengeRecord, now: int, *, even_verified: bool = False) -> None:
    """Raise the refusal of a challenge that is expired or verified, or `even_verified` allows the latter."""
    refusal = stale(challenge, now)
    if refusal is not None and not (even_verified and challenge.verified_at is not None):
        raise refusal


def closed(challenge: ChallengeRecord, now: int) -> ChallengeRecord:
    """Return a challenge as the attempt that verified it leaves it."""
    return ChallengeRecord(
        challenge.id,
        challenge.factor_id,
        challenge.attempts + 1,
        challenge.created_at,
        challenge.expires_at,
        now,
        challenge.session_id,
    )


async def long_code(scope: Scope, challenge_id: str, text: str) -> str | None:
    """Return the eight digits of a text if the challenge's factor takes such codes, else None.

    For any other factor they may be a recovery code of another system. Only such a text costs a statement.
    """
    digits = totp.clean_code(text, LONG)
    if digits is None:
        return None
    found = await scope.tx.challenges.with_factor(scope.number, challenge_id)
    return digits if found is not None and found[1].digits == LONG else None


def is_duplicate(vault: Vault, secret: bytes, sealed: str, location: SealedLocation) -> bool:
    """Return whether another factor has the same secret, as an older release may have enrolled it."""
    try:
        other = vault.unseal(sealed, location)
    except UnsealError:
        # What cannot be opened cannot be verified either.
        return False
    return totp.is_same_secret(secret, other)


async def refuse_malformed(
    scope: Scope, challenge: ChallengeRecord, factor: FactorRecord, settings: Settings
) -> Verification:
    """Return the result for what cannot be a code: no guess, so nothing is counted or written.

    Raises `TooManyAttempts` where a code would not be compared either. No lock keeps a passkey out.
    """
    left = settings.attempts_per_challenge - challenge.attempts
    if factor.is_totp:
        record = await scope.tx.failures.of(scope.number, subject_of(factor))
        refusal = locked(record, scope.now)
        if refusal is not None:
            raise refusal
        # The next code is compared, although the record may allow no wrong one without a lock.
        allowed = max(attempt_limits.tries_left(record, scope.now, settings), 1)
    else:
        allowed = left
    if left <= 0:
        raise errors.TooManyAttempts(locked_until=None)
    return Verification(
        challenge, valid=False, reason="code_malformed", attempts_remaining=min(left, allowed)
    )
