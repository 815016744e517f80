"""The parts of RFC 1951 needed to write one DEFLATE block by hand.

Bits are text, the digits 0 and 1 in the order they are sent, until `packed` makes bytes of them.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final

END_OF_BLOCK: Final = 256
_FIRST_LENGTH: Final = 257
# An empty block of fixed codes that is not the last: ten bits that only move what follows (3.2.6).
_EMPTY_BLOCK: Final = "0" + "10" + "0000000"
_LAST_DYNAMIC_BLOCK: Final = "1" + "01"
# The order in which the lengths of the code length code are sent (3.2.7), and the eight symbols of it in use
# here, whose codes are three bits each.
_CODE_LENGTH_ORDER: Final = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_FEW_ZEROS, _MANY_ZEROS = 17, 18
_CODE_LENGTH_BITS: Final = dict.fromkeys((0, 1, 2, 3, 4, 5, _FEW_ZEROS, _MANY_ZEROS), 3)


def canonical(lengths: Mapping[int, int]) -> dict[int, str]:
    """Give each symbol the code that follows from all code lengths (3.2.2)."""
    codes, code, width = {}, 0, 0
    for bits, symbol in sorted((bits, symbol) for symbol, bits in lengths.items()):
        code <<= bits - width
        codes[symbol] = f"{code:0{bits}b}"
        code, width = code + 1, bits
    return codes


def match_length(length: int) -> tuple[int, str]:
    """Return symbol and extra bits of a match length from 3 to 257 (3.2.5)."""
    extra = max((length - 3).bit_length() - 3, 0)
    return _FIRST_LENGTH + 4 * extra + (length - 3 >> extra), number(length - 3, extra)


def match_distance(distance: int) -> tuple[int, str]:
    """Return symbol and extra bits of a match distance (3.2.5)."""
    extra = max((distance - 1).bit_length() - 2, 0)
    return 2 * extra + (distance - 1 >> extra), number(distance - 1, extra)


def number(value: int, width: int) -> str:
    """Return the low `width` bits of a number as they are sent, lowest first."""
    return "".join("01"[value >> place & 1] for place in range(width))


def packed(bits: str) -> bytes:
    """Fill bytes from their lowest bit up; the last one is completed with zeros."""
    return int(bits[::-1], 2).to_bytes(-(-len(bits) // 8), "little")


def whole_start(literals: Mapping[int, int], distances: Mapping[int, int], start: str) -> bytes:
    """Open the last block of a stream with its code tables and first bits, ending on a byte.

    `literals` and `distances` are code lengths, none above 5.
    """
    needed = _tables(literals, distances)
    # Naming one more length than needed adds three bits, an empty block before this one ten.
    opened = (_EMPTY_BLOCK * empty + _LAST_DYNAMIC_BLOCK + table for table in needed for empty in range(4))
    return packed(next(bits + start for bits in opened if len(bits + start) % 8 == 0))


def _tables(literals: Mapping[int, int], distances: Mapping[int, int]) -> list[str]:
    """Return the code tables (3.2.7), once as short as they can be and once with a needless length."""
    code = canonical(_CODE_LENGTH_BITS)
    literal_count, distance_count = max(literals) + 1, max(distances) + 1
    lengths = [literals.get(symbol, 0) for symbol in range(literal_count)]
    lengths += [distances.get(symbol, 0) for symbol in range(distance_count)]
    sent = "".join(code[symbol] + extra for symbol, extra in _run_lengths(lengths))
    counts = number(literal_count - _FIRST_LENGTH, 5) + number(distance_count - 1, 5)
    used = max(_CODE_LENGTH_ORDER.index(symbol) for symbol in _CODE_LENGTH_BITS) + 1
    tables = []
    for named in (used, used + 1):
        widths = (_CODE_LENGTH_BITS.get(symbol, 0) for symbol in _CODE_LENGTH_ORDER[:named])
        tables.append(counts + number(named - 4, 4) + "".join(number(width, 3) for width in widths) + sent)
    return tables


def _run_lengths(lengths: list[int]) -> Iterator[tuple[int, str]]:
    for length, group in groupby(lengths):
        left = len(list(group))
        while length == 0 and left >= 3:  # noqa: PLR2004 - the shortest run a symbol stands for
            run = min(left, 138)
            few = run < 11  # noqa: PLR2004 - where the longer symbol begins
            yield (_FEW_ZEROS, number(run - 3, 3)) if few else (_MANY_ZEROS, number(run - 11, 7))
            left -= run
        for _ in range(left):
            yield length, ""
