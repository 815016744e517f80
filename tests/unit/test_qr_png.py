"""QR codes as PNG: every pixel, the file format, and what two independent decoders read."""

import base64
import io
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import zxingcpp
from numpy.typing import NDArray
from PIL import Image

from authfactor.otp import qr
from authfactor.otp.qr.deflate import LARGEST_VERSION

URI: Final = (
    "otpauth://totp/Acme%20Corp:kim@example.org?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    "&issuer=Acme%20Corp&algorithm=SHA1&digits=6&period=30"
)
# With every barcode format enabled, the decoder finds false linear codes among the modules.
QR_ONLY: Final = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
# One text for each rendering path and its limits: versions 1, 7, 8, 11, 12 and 40.
TEXTS: Final = ["a", URI[:120], URI, URI + "&image=" + "i" * 100, URI * 2, URI * 17]


def pixels(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        return np.array(image.convert("L"))


def expected_pixels(symbol: qr.Symbol, scale: int) -> NDArray[np.uint8]:
    rows = [[int(module) for module in f"{row:0{symbol.size}b}"] for row in symbol.rows]
    modules = np.pad(np.array(rows, dtype=np.uint8), 4)
    return np.kron(255 * (1 - modules), np.ones((scale, scale), dtype=np.uint8))


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Split a PNG into types and contents of its chunks, checking its signature and every checksum."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    start, found = 8, []
    while start < len(png):
        length = int.from_bytes(png[start : start + 4])
        chunk = png[start + 4 : start + 8 + length]
        assert zlib.crc32(chunk) == int.from_bytes(png[start + 8 + length : start + 12 + length])
        found.append((chunk[:4], chunk[4:]))
        start += 12 + length
    return found


@pytest.mark.parametrize("version", range(1, 41))
def test_png_pixels_match_the_modules_of_every_version(version: int) -> None:
    lengths = range(1, 2332, 7)
    text = next("s" * n for n in lengths if qr.encode("s" * n, mask=0).version == version)
    symbol = qr.encode(text)

    assert np.array_equal(pixels(qr.png(symbol)), expected_pixels(symbol, 8))


@pytest.mark.parametrize("scale", [1, 3, 4, 7, 8, 10])
@pytest.mark.parametrize("text", TEXTS[:4])
def test_png_pixels_match_the_modules_at_every_scale(text: str, scale: int) -> None:
    symbol = qr.encode(text)

    assert np.array_equal(pixels(qr.png(symbol, scale=scale)), expected_pixels(symbol, scale))


@pytest.mark.parametrize("text", TEXTS)
def test_png_is_well_formed_one_bit_grayscale(text: str) -> None:
    symbol = qr.encode(text)
    names, bodies = zip(*chunks(qr.png(symbol)), strict=True)
    side = (symbol.size + 8) * 8
    inflate = zlib.decompressobj()
    lines = inflate.decompress(bodies[1])

    assert names == (b"IHDR", b"IDAT", b"IEND")
    assert bodies[0] == side.to_bytes(4) * 2 + bytes([1, 0, 0, 0, 0])
    assert inflate.eof
    assert not inflate.unused_data
    assert len(lines) == side * (1 + side // 8)


def test_png_of_small_versions_stays_under_1600_bytes() -> None:
    symbols = (qr.encode("s" * length) for length in range(1, 252, 10))
    sizes = {symbol.version: len(qr.png(symbol)) for symbol in symbols}

    assert max(sizes) == LARGEST_VERSION
    assert max(sizes.values()) < 1600


@pytest.mark.parametrize("text", TEXTS)
def test_png_is_at_least_200_pixels_wide(text: str) -> None:
    assert pixels(qr.png(qr.encode(text))).shape[0] >= 200


@pytest.mark.parametrize("scale", [0, -1])
def test_scale_below_one_pixel_per_module_is_refused(scale: int) -> None:
    with pytest.raises(ValueError, match=f"scale {scale} is below one pixel a module"):
        qr.png(qr.encode("a"), scale=scale)


@pytest.mark.parametrize("text", [*TEXTS, "otpauth://totp/Zoë:Ωmega%20🔑?secret=JBSWY3DP"])
def test_zxing_decodes_the_data_uri_to_exactly_the_text(text: str) -> None:
    head, _, body = qr.png_data_uri(text).partition(",")
    found: list[Any] = zxingcpp.read_barcodes(
        pixels(base64.b64decode(body, validate=True)), formats=QR_ONLY, text_mode=zxingcpp.TextMode.Plain
    )

    assert head == "data:image/png;base64"
    assert [(code.format, code.ec_level, code.text) for code in found] == [
        (zxingcpp.BarcodeFormat.QRCode, "M", text)
    ]


@pytest.mark.parametrize("text", TEXTS)
def test_zbar_decodes_the_png_to_exactly_the_text(
    text: str, tmp_path: Path, needs: Callable[[str], Path]
) -> None:
    zbarimg = needs("zbarimg")
    path = tmp_path / "symbol.png"
    path.write_bytes(qr.png(qr.encode(text)))
    options = ["--raw", "--quiet", "--nodbus", "-Sdisable", "-Sqrcode.enable"]
    decoded = subprocess.run([zbarimg, *options, path], capture_output=True, text=True, check=True)

    assert decoded.stdout == text + "\n"


def test_data_uri_contains_the_png_of_the_text() -> None:
    assert (
        qr.png_data_uri(URI) == "data:image/png;base64," + base64.b64encode(qr.png(qr.encode(URI))).decode()
    )
