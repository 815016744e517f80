"""A symbol's function patterns: finders, timing, alignment, version and format information (6.3)."""

from collections.abc import Iterator
from typing import Final

from authfactor.otp.qr.versions import FIRST_WITH_VERSION_INFORMATION, alignment_centers, side

# BCH(15,5) and BCH(18,6) generators, and the mask of the format information (annexes C and D).
_FORMAT_GENERATOR: Final = 0b101_0011_0111
_FORMAT_MASK: Final = 0b101_0100_0001_0010
_VERSION_GENERATOR: Final = 0b1_1111_0010_0101
# Rings of light modules around a center; the second ring of a finder is its separator.
_FINDER_REACH, _FINDER_LIGHT = 4, (2, 4)
_ALIGNMENT_REACH, _ALIGNMENT_LIGHT = 2, (1,)
_TIMING: Final = 6


class Grid:
    """A symbol under construction: which modules are dark, and which belong to a function pattern."""

    def __init__(self, version: int) -> None:
        """Draw all patterns of the version; the modules of the format information are reserved but light."""
        self.version = version
        self.side = side(version)
        self.dark = [bytearray(self.side) for _ in range(self.side)]
        self.taken = [bytearray(self.side) for _ in range(self.side)]
        self._draw_timing()
        self._draw_alignment()
        self._draw_finders()
        self._draw_version_information()
        self._put(self.side - 8, 8, dark=True)
        for row, column, _ in self.format_modules():
            self._put(row, column, dark=False)

    def _put(self, row: int, column: int, *, dark: bool) -> None:
        self.dark[row][column] = dark
        self.taken[row][column] = 1

    def _draw_square(self, center: tuple[int, int], reach: int, light: tuple[int, ...]) -> None:
        for down in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                row, column = center[0] + down, center[1] + right
                if 0 <= row < self.side and 0 <= column < self.side:
                    self._put(row, column, dark=max(abs(down), abs(right)) not in light)

    def _draw_timing(self) -> None:
        for place in range(self.side):
            self._put(_TIMING, place, dark=place % 2 == 0)
            self._put(place, _TIMING, dark=place % 2 == 0)

    def _draw_alignment(self) -> None:
        centers = alignment_centers(self.version)
        corners = {(6, 6), (6, self.side - 7), (self.side - 7, 6)}
        for center in ((row, column) for row in centers for column in centers):
            if center not in corners:
                self._draw_square(center, _ALIGNMENT_REACH, _ALIGNMENT_LIGHT)

    def _draw_finders(self) -> None:
        for center in ((3, 3), (3, self.side - 4), (self.side - 4, 3)):
            self._draw_square(center, _FINDER_REACH, _FINDER_LIGHT)

    def _draw_version_information(self) -> None:
        if self.version < FIRST_WITH_VERSION_INFORMATION:
            return
        bits = with_check_bits(self.version, 12, _VERSION_GENERATOR)
        for bit in range(18):
            near, far = bit // 3, self.side - 11 + bit % 3
            dark = bool(bits >> bit & 1)
            self._put(near, far, dark=dark)
            self._put(far, near, dark=dark)

    def format_modules(self) -> Iterator[tuple[int, int, int]]:
        """Yield row, column and bit number of both copies of the format information (figure 25)."""
        for bit in range(15):
            first, last = bit < 8, self.side - 15 + bit  # noqa: PLR2004 - eight bits go along one side
            down = bit + (bit >= _TIMING) if first else last
            left = self.side - 1 - bit if first else 14 - bit + (bit < 9)  # noqa: PLR2004 - steps over timing
            yield down, 8, bit
            yield 8, left, bit


def with_check_bits(value: int, width: int, generator: int) -> int:
    """Append the `width`-bit BCH remainder to a value."""
    left = value << width
    while left.bit_length() > width:
        left ^= generator << left.bit_length() - generator.bit_length()
    return value << width | left


def format_information(mask: int) -> int:
    """Return the fifteen bits that encode level M (indicator 00) and the mask."""
    return with_check_bits(mask, 10, _FORMAT_GENERATOR) ^ _FORMAT_MASK
