"""The module layout of a version, computed once and cached.

A symbol is one integer, its canvas: row after row, the first row most significant, and within a row the
leftmost module; 1 is dark. Each row takes a stride of `side + 7` bits, with four light modules of quiet zone
at its left and three at its right. So a shift by one aligns each module with its left neighbor, a shift by
the stride with the one above, and modules past an edge read as light.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from authfactor.otp.qr.patterns import Grid, format_information

QUIET_ZONE: Final = 4
MASKS: Final = range(8)
_RIGHT_MARGIN: Final = 3
# The number of bits of the stream that one bytes.translate call can address.
_REACH: Final = 256
# Up to seven remainder bits are zeros, and a translation table needs 256 entries wherever it starts.
_PAST_END: Final = b"0" * (_REACH + 7)
_DIGITS: Final = bytes.maketrans(b"\0\1", b"01")

# ISO/IEC 18004 table 10: whether a mask inverts the module in row i, column j. All have period 12.
_PERIOD: Final = 12
_MASK_CONDITIONS: Final[tuple[Callable[[int, int], bool], ...]] = (
    lambda i, j: (i + j) % 2 == 0,
    lambda i, _: i % 2 == 0,
    lambda _, j: j % 3 == 0,
    lambda i, j: (i + j) % 3 == 0,
    lambda i, j: (i // 2 + j // 3) % 2 == 0,
    lambda i, j: i * j % 2 + i * j % 3 == 0,
    lambda i, j: (i * j % 2 + i * j % 3) % 2 == 0,
    lambda i, j: ((i + j) % 2 + i * j % 3) % 2 == 0,
)


class Pattern(NamedTuple):
    """What one mask adds to the placed bits: function patterns, format information and the mask.

    `same_left` and `same_above` are 1 where a module of the pattern equals its neighbor.
    """

    dark: int
    same_left: int
    same_above: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The fixed parts of a version.

    `runs` places the bits: modules go down the columns from left to right, each run using at most 256
    adjacent bits of the stream, and a module's byte is the index of its bit among them. `carrying` are the
    modules that carry a bit; `inner_left` and `inner_above` those that have a neighbor there.
    """

    side: int
    stride: int
    runs: tuple[tuple[slice, bytes], ...]
    carrying: int
    inner_left: int
    inner_above: int
    patterns: tuple[Pattern, ...]

    def place(self, codewords: bytes) -> int:
        """Place the bits of the interleaved codewords on an otherwise light canvas."""
        stream = f"{int.from_bytes(codewords):0{8 * len(codewords)}b}".encode() + _PAST_END
        modules = b"".join([taken.translate(stream[span]) for span, taken in self.runs])
        return pack([modules[row :: self.side] for row in range(self.side)]) & self.carrying

    def rows(self, canvas: int) -> tuple[int, ...]:
        """Unpack a canvas into one integer a row, the leftmost module highest, without the quiet zone."""
        row = (1 << self.side) - 1
        first = _RIGHT_MARGIN + self.stride * (self.side - 1)
        return tuple(canvas >> place & row for place in range(first, -1, -self.stride))


_MARGINS: Final = b"0" * (QUIET_ZONE + _RIGHT_MARGIN)


def pack(rows: Sequence[bytes | bytearray]) -> int:
    """Pack rows of the digits 0 and 1 into a canvas."""
    return int(_MARGINS.join(rows), 2) << _RIGHT_MARGIN


@cache
def layout_of(version: int) -> Layout:
    """Compute the layout of a version."""
    grid = Grid(version)
    modules = grid.side
    stride = modules + len(_MARGINS)
    full = pack([b"1" * modules] * modules)
    carrying = full ^ pack([row.translate(_DIGITS) for row in grid.taken])
    inner_left = full & full >> 1
    inner_above = full & full >> stride
    patterns = []
    for mask in MASKS:
        dark = _mask_modules(mask, modules) & carrying | _function_modules(grid, mask)
        same_left = inner_left & ~(dark ^ dark >> 1)
        same_above = inner_above & ~(dark ^ dark >> stride)
        patterns.append(Pattern(dark, same_left, same_above))
    return Layout(modules, stride, tuple(_runs(grid)), carrying, inner_left, inner_above, tuple(patterns))


def _mask_modules(mask: int, modules: int) -> int:
    is_inverted = _MASK_CONDITIONS[mask]
    rows = [
        bytes(48 + is_inverted(row, column) for column in range(_PERIOD)) * (modules // _PERIOD + 1)
        for row in range(_PERIOD)
    ]
    return pack([rows[row % _PERIOD][:modules] for row in range(modules)])


def _function_modules(grid: Grid, mask: int) -> int:
    bits = format_information(mask)
    rows = [bytearray(row) for row in grid.dark]
    for row, column, bit in grid.format_modules():
        rows[row][column] = bits >> bit & 1
    return pack([row.translate(_DIGITS) for row in rows])


def _path(grid: Grid) -> Iterator[tuple[int, int]]:
    """Yield row and column of each module that carries a bit, in the stream's order (7.7.3)."""
    upward = True
    # Pairs of columns from the right; the vertical timing pattern belongs to no pair.
    for right in (*range(grid.side - 1, 6, -2), 5, 3, 1):
        for row in range(grid.side - 1, -1, -1) if upward else range(grid.side):
            for column in (right, right - 1):
                if not grid.taken[row][column]:
                    yield row, column
        upward = not upward


def _runs(grid: Grid) -> Iterator[tuple[slice, bytes]]:
    """Split the modules, column by column, into runs that each span at most `_REACH` bits."""
    bit_of = {(column, row): bit for bit, (row, column) in enumerate(_path(grid))}
    run: list[int | None] = []
    lowest, highest = len(bit_of), 0
    for column in range(grid.side):
        for row in range(grid.side):
            bit = bit_of.get((column, row))
            if bit is not None:
                if max(highest, bit) - min(lowest, bit) >= _REACH:
                    yield _run(run, lowest)
                    run, lowest, highest = [], bit, bit
                lowest, highest = min(lowest, bit), max(highest, bit)
            run.append(bit)
    yield _run(run, lowest)


def _run(bits: list[int | None], lowest: int) -> tuple[slice, bytes]:
    # Modules of function patterns take an arbitrary bit: the canvas is masked with `carrying` afterwards.
    return slice(lowest, lowest + _REACH), bytes(0 if bit is None else bit - lowest for bit in bits)
