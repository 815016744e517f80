"""Choose the mask with the lowest penalty (ISO/IEC 18004, 7.8.3).

Each rule is evaluated for all modules at once by shifting the canvas against itself. The choice is that of
the standard's full penalty; decision 0007 has the alternatives and their measurements.
"""

from math import inf
from typing import Final

from authfactor.otp.qr.layout import MASKS, Layout

_BLOCK: Final = 3
_LOOKALIKE: Final = 40
_UNBALANCED: Final = 10
_FINEST_STEP: Final = 20


def choose(layout: Layout, placed: int) -> tuple[int, int]:
    """Return the mask with the lowest penalty (the lowest number among equals) and its canvas."""
    drawn = []
    change_left = (placed ^ placed >> 1) & layout.inner_left
    change_above = (placed ^ placed >> layout.stride) & layout.inner_above
    for mask, pattern in zip(MASKS, layout.patterns, strict=True):
        # XOR distributes over the comparisons, which saves two shifts per mask.
        canvas = placed ^ pattern.dark
        same_left = change_left ^ pattern.same_left
        same_above = change_above ^ pattern.same_above
        cheap = plain_penalty(layout, canvas, same_left, same_above)
        drawn.append((cheap, mask, canvas, same_left, same_above))
    best: tuple[float, int, int] = (inf, 0, 0)
    for cheap, mask, canvas, same_left, same_above in sorted(drawn):
        # The lookalike penalty is half of the work and never negative, so no further mask can win.
        if cheap > best[0]:
            break
        penalty = cheap + lookalike_penalty(layout, canvas, same_left, same_above)
        best = min(best, (penalty, mask, canvas))
    return best[1:]


def plain_penalty(layout: Layout, canvas: int, same_left: int, same_above: int) -> int:
    """Return the penalty of runs and blocks of one color, and of imbalance."""
    stride = layout.stride
    along = same_left & same_left >> 1
    along &= along >> 2
    down = same_above & same_above >> stride
    down &= down >> 2 * stride
    # A run of n >= 5 leaves n - 4 marks here and n - 5 after one more shift, and costs n - 2.
    runs = 3 * (along.bit_count() + down.bit_count())
    runs -= 2 * ((along & along >> 1).bit_count() + (down & down >> stride).bit_count())
    blocks = (same_left & same_left >> stride & same_above).bit_count()
    modules = layout.side * layout.side
    off_balance = abs(_FINEST_STEP * canvas.bit_count() - 10 * modules) // modules
    return runs + _BLOCK * blocks + _UNBALANCED * off_balance


def lookalike_penalty(layout: Layout, canvas: int, same_left: int, same_above: int) -> int:
    """Return the penalty of 1:1:3:1:1 next to four light modules, in rows and in columns."""
    found = _lookalikes(canvas, same_left, same_left ^ layout.inner_left, 1)
    found += _lookalikes(canvas, same_above, same_above ^ layout.inner_above, layout.stride)
    return _LOOKALIKE * found


def _lookalikes(canvas: int, same: int, change: int, step: int) -> int:
    changes = change & change >> step
    core = canvas & changes & (same & same >> step) >> 2 * step & changes >> 4 * step
    # Dark among the four modules before; shifted up first, or the last rows would be lost.
    dark = canvas << 4 * step
    dark |= dark >> step
    dark |= dark >> 2 * step
    crowded = core & dark & dark >> 11 * step
    return core.bit_count() - crowded.bit_count()
