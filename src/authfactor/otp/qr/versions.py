"""What ISO/IEC 18004 fixes for each of the forty versions at error correction level M.

A version is a size: version 1 has 21 modules per side, and each further version four more. This module gives
the number of codewords, how they are split into blocks, and the smallest version that holds a text of a given
length in byte mode.
"""

from bisect import bisect_left
from functools import cache
from typing import Final, NamedTuple

LAST_VERSION: Final = 40
FIRST_WITH_VERSION_INFORMATION: Final = 7

# ISO/IEC 18004:2015 table 9, level M, versions 1 to 40: error correction codewords per block, blocks.
_CORRECTION: Final = (
    *(10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26),
    *(26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28),
)
_BLOCKS: Final = (
    *(1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16),
    *(17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49),
)
# The byte-mode length field is 8 bits wide up to this version and 16 bits wide after it.
_LAST_SHORT_LENGTH: Final = 9


class Capacity(NamedTuple):
    """How the codewords of one version at level M are divided.

    `data` codewords hold the text, split into `blocks` blocks: the first ones of `short` codewords, the last
    `longer` ones of one more. Each block gets `correction` check codewords.
    """

    data: int
    blocks: int
    short: int
    longer: int
    correction: int
    length_bytes: int


def side(version: int) -> int:
    """Return the modules per side of this version, without the quiet zone."""
    return 17 + 4 * version


def alignment_centers(version: int) -> list[int]:
    """Return the coordinates, of rows and columns alike, of the alignment patterns' centers (annex E)."""
    if version == 1:
        return []
    gaps = version // 7 + 1
    # The last center is 7 modules from the edge; the others precede it at an even step, and the first gap
    # takes the remainder.
    step = (8 * version + 3 * gaps + 8) // (4 * gaps) * 2
    last = side(version) - 7
    return [6, *range(last - (gaps - 1) * step, last + 1, step)]


def codewords(version: int) -> int:
    """Return the total codewords of a version: the modules outside function patterns, divided by eight."""
    modules = side(version) ** 2 - 3 * 64 - 2 * 15 - 1 - 2 * (side(version) - 16)
    per_side = len(alignment_centers(version))
    if per_side:
        inside, on_timing = (per_side - 1) ** 2, 2 * (per_side - 2)
        modules -= 25 * inside + 20 * on_timing
    if version >= FIRST_WITH_VERSION_INFORMATION:
        modules -= 2 * 18
    return modules // 8


@cache
def capacity(version: int) -> Capacity:
    """Return the division of a version's codewords at level M."""
    blocks, correction = _BLOCKS[version - 1], _CORRECTION[version - 1]
    data = codewords(version) - blocks * correction
    length_bytes = 1 if version <= _LAST_SHORT_LENGTH else 2
    return Capacity(data, blocks, data // blocks, data % blocks, correction, length_bytes)


def _text_bytes(version: int) -> int:
    # Mode (4 bits), length (8 or 16 bits) and terminator (4 bits) are a whole number of codewords.
    held = capacity(version)
    return held.data - 1 - held.length_bytes


MAX_BLOCK: Final = max(
    capacity(version).short + bool(capacity(version).longer) for version in range(1, LAST_VERSION + 1)
)
_HELD: Final = tuple(_text_bytes(version) for version in range(1, LAST_VERSION + 1))
MAX_BYTES: Final = _HELD[-1]


def version_for(length: int) -> int:
    """Return the smallest version holding `length` bytes; one past the last version when none does."""
    return bisect_left(_HELD, length) + 1
