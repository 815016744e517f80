"""The zlib stream of a picture of eight pixels a module, written without searching for matches.

Eight pixels are one byte, so the picture's lines hold two values only, and each line stands eight times.
That fixes the whole shape of a good DEFLATE stream but for the modules themselves: one block with its own
codes, in which a module is a literal of two bits and the seven repetitions of a line are two matches. Four
modules make one byte of the stream, a row is a whole number of bytes, and drawing is one `bytes.translate`
of the canvas in hexadecimal. The Adler-32 at the end is linear in the modules and comes from counting bits.
"""

import zlib
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from authfactor.otp.qr.huffman import (
    END_OF_BLOCK,
    canonical,
    match_distance,
    match_length,
    packed,
    whole_start,
)
from authfactor.otp.qr.layout import QUIET_ZONE, layout_of, pack

SCALE: Final = 8
# Two equal matches of at most 257 bytes reach seven lines up to this version.
LARGEST_VERSION: Final = 11

_ZLIB_HEADER: Final = b"\x78\x01"
_ADLER_BASE: Final = 65521
# A line starts with filter type 0, which shares its literal with eight dark pixels.
_DARK, _LIGHT = 0x00, 0xFF
_LITERAL_BITS: Final = 2


class Frame(NamedTuple):
    """What surrounds the rows of a version in the stream, and how its Adler-32 weighs the modules.

    `quads` turns a hexadecimal digit of the canvas into the byte of its four modules. `light_sums` are the
    two sums of an empty picture; `weights` pairs a selection of modules with what each dark one of them
    takes off the second.
    """

    before: bytes
    between: bytes
    after: bytes
    rows: tuple[slice, ...]
    digits: int
    quads: bytes
    light_sums: tuple[int, int]
    weights: tuple[tuple[int, int], ...]


def compressed(version: int, canvas: int) -> bytes:
    """Return the zlib stream of a canvas, quiet zone added; `version` is at most `LARGEST_VERSION`."""
    before, between, after, rows, digits, quads, (first, second), weights = frame_of(version)
    modules = f"{canvas:0{digits}x}".encode().translate(quads)
    body = between.join([modules[row] for row in rows])
    first -= SCALE * _LIGHT * canvas.bit_count()
    for selected, weight in weights:
        second -= weight * (canvas & selected).bit_count()
    adler = second % _ADLER_BASE << 16 | first % _ADLER_BASE
    return b"".join((before, body, after, adler.to_bytes(4)))


@cache
def frame_of(version: int) -> Frame:
    """Work out the frame of a version."""
    layout = layout_of(version)
    line = 1 + layout.side + 2 * QUIET_ZONE
    lengths, distances, repeat = _codes(line)
    codes = canonical(lengths)
    dark, light = codes[_DARK], codes[_LIGHT]
    blank = (dark + light * (line - 1) + repeat) * QUIET_ZONE
    colors = [[light, dark][quad >> place & 1] for quad in range(16) for place in (3, 2, 1, 0)]
    width = layout.stride // 4
    return Frame(
        before=_ZLIB_HEADER + whole_start(lengths, distances, blank + dark),
        # The last module of the quiet zone, the line's repetitions, the filter type of the next line.
        between=packed(light + repeat + dark),
        after=packed(light + repeat + blank + codes[END_OF_BLOCK]),
        rows=tuple(slice(start, start + width) for start in range(0, width * layout.side, width)),
        digits=width * layout.side,
        quads=bytes.maketrans(b"0123456789abcdef", packed("".join(colors))),
        light_sums=_light_sums(line),
        weights=tuple(_weights(layout.side, line)),
    )


def _codes(line: int) -> tuple[dict[int, int], dict[int, int], str]:
    """Choose code lengths for literals and distances, and spell the seven repetitions of a line."""
    length, length_extra = match_length(line * (SCALE - 1) // 2)
    distance, distance_extra = match_distance(line)
    match_bits = len(length_extra) + 1 + len(distance_extra)
    # Between two rows stand two literals and two matches. The code of the match is as long as makes them
    # whole bytes, and literals that never occur complete the set.
    bits = next(bits for bits in range(2, 6) if 2 * (_LITERAL_BITS + bits + match_bits) % 8 == 0)
    lengths = {_DARK: _LITERAL_BITS, _LIGHT: _LITERAL_BITS, END_OF_BLOCK: 2, length: bits}
    lengths |= dict(enumerate(range(3, bits + 1), start=1))
    repeat = 2 * (canonical(lengths)[length] + length_extra + "0" + distance_extra)
    return lengths, {distance: 1}, repeat


def _light_sums(line: int) -> tuple[int, int]:
    lines = SCALE * (line - 1)
    adler = zlib.adler32((b"\0" + b"\xff" * (line - 1)) * lines)
    return adler & 0xFFFF, adler >> 16


def _weights(modules: int, line: int) -> Iterator[tuple[int, int]]:
    """Yield what modules take off the second sum, in which a byte counts once for each byte from it on.

    A module at row r, column c is the bytes (8 (r + 4) + i) line + 5 + c of the picture for i = 0 to 7.
    Their sum is split by the binary digits of r and of c, so a handful of counts stands for all modules.
    """
    total = SCALE * (line - 1) * line
    corner = SCALE * (total - SCALE * QUIET_ZONE * line - QUIET_ZONE - 1) - sum(range(SCALE)) * line
    yield pack([b"1" * modules] * modules), _LIGHT * corner
    down, right = _LIGHT * SCALE**2 * line, _LIGHT * SCALE
    for place in range(modules.bit_length()):
        digits = bytes(48 + (index >> place & 1) for index in range(modules))
        yield pack([digits[row : row + 1] * modules for row in range(modules)]), -down << place
        yield pack([digits] * modules), -right << place
