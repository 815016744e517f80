"""How far a phone's clock is off, learned from accepted codes: pure decisions (decision 0044).

Drift and offsets are in TOTP steps of 30 seconds, negative for a clock that is behind. The window has the
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
UNUSED_STEPS: Final = 90 * 24 * 3600 // totp.PERIOD_SECONDS
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
    """
    if not settings.learn_drift:
        return 0, 0
    drift = drift_of(factor, seconds, settings)
    offset = step - totp.step_at(seconds) - drift
    if offset == 0:
        return drift, 0
    side = 1 if offset > 0 else -1
    moved = drift + side
    second = factor.last_offset == side and not _is_unused(factor, seconds)
    if not second or abs(moved) > max(LEARNED_STEPS, abs(drift)):
        return drift, side
    return moved, 0


def late_offset(secret: bytes, digits: str, seconds: int, drift: int, window: int) -> int | None:
    """Return how far before now the step of a code is that no window will have again, else None.

    A code of the window's future is never named, nor one between now and the window of a slow clock: an
    attacker who guessed it would learn when to use it.
    """
    half = LATE_STEPS // 2
    middle = seconds - (window + 1 + half) * totp.PERIOD_SECONDS
    step = totp.match_step(secret, digits, middle, half)
    now = totp.step_at(seconds)
    return None if step is None or step >= now + drift - window else step - now


def _is_unused(factor: FactorRecord, seconds: int) -> bool:
    return totp.step_at(seconds) - factor.last_step >= UNUSED_STEPS
