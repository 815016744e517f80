"""Logos: small PNG images, rebuilt from the chunks that an image needs.

PNG only: an SVG can contain scripts and URLs. Text, time and private chunks are dropped, so that this server
serves nothing but an image (PNG, third edition, sections 5 and 11).
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

MAX_BYTES: Final = 32 * 1024
MAX_PIXELS: Final = 1024
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_VISIBLE: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"IDAT", b"IEND"})
_FRAME: Final = 12  # length, type and checksum of a chunk
_HEADER: Final = 13


class InvalidLogo(ValueError):
    """The bytes cannot be a logo; the message says why."""


def check(image: bytes) -> bytes:
    """Return the image, reduced to its visible parts. Raises `InvalidLogo`."""
    if len(image) > MAX_BYTES:
        raise InvalidLogo(f"must be at most {MAX_BYTES // 1024} KiB, not {-(-len(image) // 1024)}")
    if not image.startswith(_SIGNATURE):
        raise InvalidLogo("must be a PNG")
    chunks = [(kind, content) for kind, content in _chunks(image) if kind in _VISIBLE]
    kinds = [kind for kind, _ in chunks]
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"] or b"IDAT" not in kinds or kinds.count(b"IHDR") > 1:
        raise InvalidLogo("is not a complete PNG")
    _check_header(chunks[0][1])
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def _check_header(header: bytes) -> None:
    if len(header) != _HEADER:
        raise InvalidLogo("is not a complete PNG")
    width, height = struct.unpack_from(">II", header)
    if not (0 < width <= MAX_PIXELS and 0 < height <= MAX_PIXELS):
        raise InvalidLogo(f"must be at most {MAX_PIXELS} by {MAX_PIXELS} pixels, not {width} by {height}")


def _chunks(image: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks up to IEND; data after it is not part of the image."""
    at = len(_SIGNATURE)
    while at + _FRAME <= len(image):
        (length,) = struct.unpack_from(">I", image, at)
        kind, content = image[at + 4 : at + 8], image[at + 8 : at + 8 + length]
        checksum = image[at + 8 + length : at + _FRAME + length]
        if checksum != struct.pack(">I", zlib.crc32(kind + content)):
            raise InvalidLogo("is not a complete PNG")
        yield kind, content
        if kind == b"IEND":
            return
        at += _FRAME + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
