"""How far a phone's clock is off, learned from accepted codes: pure decisions (decision 0044).

Drift and offsets are in the factor's TOTP steps, negative for a clock that is behind. The window has the
same number of steps around any drift, so a guess is never more likely to be right.
"""

from typing import Final

from authfactor.models import FactorRecord
from authfactor.otp import totp
from authfactor.settings import Settings

# Learning moves the window no farther than this from the server's clock, or than a resync has put it.
LEARNED_STEPS: Final = 2
# How far off a clock may be that two codes in a row resync.
RESYNC_STEPS: Final = 20
# After 90 days without an accepted code nothing is known about the clock.
UNUSED_SECONDS: Final = 90 * 24 * 3600
# How many steps before the window a code is recognized, beyond the first, to tell that a clock is slow.
LATE_STEPS: Final = 10


def drift_of(factor: FactorRecord, seconds: int, settings: Settings) -> int:
    """Return the drift around which codes are accepted at this epoch second."""
    if factor.drift == 0 or not settings.learn_drift or _is_unused(factor, seconds):
        return 0
    return factor.drift


def learn(factor: FactorRecord, step: int, seconds: int, settings: Settings) -> tuple[int, int]:
    """Return the factor's next drift and last offset, after the code of `step` was accepted at this second.

    Two codes in a row on the same side of the middle move the drift by one; one in the middle clears that.
    Nothing is learned of steps longer than 30 seconds: their window has one side, so it could not move back.
    """
    if not settings.learn_drift:
        return 0, 0
    drift = drift_of(factor, seconds, settings)
    if factor.period != totp.PERIOD_SECONDS:
        return drift, 0
    offset = step - totp.step_at(seconds) - drift
    if offset == 0:
        return drift, 0
    side = 1 if offset > 0 else -1
    moved = drift + side
    second = factor.last_offset == side and not _is_unused(factor, seconds)
    if not second or abs(moved) > max(LEARNED_STEPS, abs(drift)):
        return drift, side
    return moved, 0


def late_offset(
    secret: bytes,
    digits: str,
    seconds: int,
    drift: int,
    window: int,
    profile: totp.CodeProfile = totp.STANDARD,
) -> int | None:
    """Return how far before now the step of a code is that no window will have again, else None.

    A code of the window's future is never named, nor one between now and the window of a slow clock: an
    attacker who guessed it would learn when to use it.
    """
    before, _ = totp.reach(window, profile)
    now = totp.step_at(seconds, profile.period)
    oldest = now - before - 1 - LATE_STEPS
    step = totp.match_among(secret, digits, range(max(oldest, 0), max(now - before, 0)), profile)
    return None if step is None or step >= now + drift - before else step - now


def _is_unused(factor: FactorRecord, seconds: int) -> bool:
    unused = totp.step_at(seconds, factor.period) - factor.last_step
    return unused >= UNUSED_SECONDS // factor.period
