"""PNG of a symbol: grayscale, one bit a pixel, dark on white, eight pixels a module unless asked otherwise.

Every picture authfactor shows takes the short way of `authfactor.otp.qr.deflate`, which writes the compressed
stream outright; large symbols and other scales go through zlib.
"""

import struct
import zlib
from binascii import b2a_base64
from typing import Final

from authfactor.otp.qr.deflate import LARGEST_VERSION, SCALE, compressed
from authfactor.otp.qr.layout import QUIET_ZONE, layout_of
from authfactor.otp.qr.symbol import Symbol, encode
from authfactor.otp.qr.versions import side

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_ONE_BIT, _GRAYSCALE = 1, 0
_NO_FILTER: Final = b"\0"
_NEGATED: Final = bytes(255 - value for value in range(256))
# Small tables: zlib clears them for every picture, and the rows repeat within a few hundred bytes.
_FASTEST, _WINDOW_BITS, _MEMORY = 1, 12, 2


def png(symbol: Symbol, *, scale: int | None = None) -> bytes:
    """Draw the symbol with its quiet zone, `scale` pixels a module, 8 when None.

    Raises `ValueError` for a scale below 1.
    """
    if scale is None:
        scale = SCALE
    if scale < 1:
        message = f"scale {scale} is below one pixel a module"
        raise ValueError(message)
    if scale == SCALE and symbol.version <= LARGEST_VERSION:
        body = compressed(symbol.version, symbol.canvas)
    else:
        body = _compressed_by_zlib(symbol, scale)
    width = scale * (side(symbol.version) + 2 * QUIET_ZONE)
    return _head(width) + _chunk(b"IDAT", body) + _END


def png_data_uri(text: str) -> str:
    """Return a text's symbol as the data URI of a PNG. Raises what `encode` raises."""
    return "data:image/png;base64," + b2a_base64(png(encode(text)), newline=False).decode()


class Drawing:
    """A PNG data URI that is drawn on first use and then cached."""

    __slots__ = ("_drawn", "_text")

    def __init__(self, text: str) -> None:
        """Use `text` as the symbol's content."""
        self._text = text
        self._drawn = ""

    def __call__(self) -> str:
        """Return the data URI. Raises `TooLong`."""
        if not self._drawn:
            self._drawn = png_data_uri(self._text)
        return self._drawn


def _chunk(name: bytes, body: bytes) -> bytes:
    named = name + body
    return len(body).to_bytes(4) + named + zlib.crc32(named).to_bytes(4)


def _head(width: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, width, _ONE_BIT, _GRAYSCALE, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header)


_END: Final = _chunk(b"IEND", b"")


def _compressed_by_zlib(symbol: Symbol, scale: int) -> bytes:
    layout = layout_of(symbol.version)
    pixels = scale * (layout.side + 2 * QUIET_ZONE)
    blank = _NO_FILTER + b"\xff" * -(-pixels // 8)
    margin = blank * (scale * QUIET_ZONE)
    lines = [margin]
    for row in layout.rows(symbol.canvas):
        modules = f"{row << QUIET_ZONE:0{layout.side + 2 * QUIET_ZONE}b}"
        wide = modules.replace("0", "0" * scale).replace("1", "1" * scale)
        padded = int(wide, 2) << -pixels % 8
        line = padded.to_bytes(len(blank) - 1).translate(_NEGATED)
        lines.append((_NO_FILTER + line) * scale)
    lines.append(margin)
    deflater = zlib.compressobj(_FASTEST, zlib.DEFLATED, _WINDOW_BITS, _MEMORY)
    return deflater.compress(b"".join(lines)) + deflater.flush()
