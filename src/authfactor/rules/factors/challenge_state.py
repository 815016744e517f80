"""What keeps a challenge from being verified, and what it is once it has been."""

from authfactor import errors
from authfactor.crypto.vault import SealedLocation, UnsealError, Vault
from authfactor.models import ChallengeRecord, FailureRecord
from authfactor.otp import totp
from authfactor.rules.factors import attempt_limits


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


def is_duplicate(vault: Vault, secret: bytes, sealed: str, location: SealedLocation) -> bool:
    """Return whether another factor has the same secret, as an older release may have enrolled it."""
    try:
        other = vault.unseal(sealed, location)
    except UnsealError:
        # What cannot be opened cannot be verified either.
        return False
    return totp.is_same_secret(secret, other)
