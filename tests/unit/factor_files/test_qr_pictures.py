"""Screenshots of QR codes: those of an app's export are read, pictures that are none are refused."""

import builtins
import io
import struct
import zlib
from typing import Any, Final

import pytest
from PIL import Image
from qrcodegen import QrCode

from authfactor.factor_files import qr_pictures
from authfactor.factor_files.entries import UnreadableFile
from tests.support.factor_files import read, sample, secrets, summary

CODES: Final = sample("migration.txt").decode().splitlines()


def picture(*texts: str, form: str = "PNG") -> bytes:
    """Draw codes side by side, as on a screenshot."""
    symbols = [QrCode.encode_text(text, QrCode.Ecc.LOW) for text in texts]
    side = max(symbol.get_size() for symbol in symbols) + 16
    image = Image.new("L", (side * len(symbols), side), 255)
    for number, symbol in enumerate(symbols):
        for y in range(symbol.get_size()):
            for x in range(symbol.get_size()):
                if symbol.get_module(x, y):
                    image.putpixel((number * side + 8 + x, 8 + y), 0)
    image = image.resize((image.width * 4, image.height * 4))
    content = io.BytesIO()
    image.save(content, form)
    return content.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_codes_of_an_export_are_read_from_a_screenshot(form: str) -> None:
    found, entries = read(picture(*CODES, form=form))
    assert found == "qr"
    assert secrets(entries) == [bytes(range(20)), bytes(range(32))]
    # Both codes of the batch are there.
    assert not [each for each in summary(entries) if "batch" in str(each)]


def test_picture_without_a_code_of_an_app_is_refused() -> None:
    for content in (picture("https://example.org"), _png(8, 8)):
        with pytest.raises(UnreadableFile, match="No QR code"):
            read(content)


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff" + bytes(100), picture("x")[:200], b"GIF89a"]
)
def test_damaged_picture_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read(content, "qr")


def test_picture_that_would_unpack_to_gigabytes_is_refused_before_it_does() -> None:
    with pytest.raises(UnreadableFile, match="million pixels"):
        read(_png(10_000, 10_000))


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
        if name == "zxingcpp":
            raise ImportError(name)
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UnreadableFile, match=r"authfactor\[qr\]"):
        list(qr_pictures.read(b""))


def _png(width: int, height: int) -> bytes:
    """Return a white picture of this size; the bytes of a large one would be cut off."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    rows = zlib.compress((b"\0" + b"\xff" * width) * min(height, 100))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
