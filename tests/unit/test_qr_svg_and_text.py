"""QR codes as SVG and terminal text: rasterized, they equal the symbol and decode to the text."""

import re
from typing import Any, Final
from xml.etree import ElementTree

import numpy as np
import pytest
import zxingcpp
from numpy.typing import NDArray

from authfactor.otp import qr

TEXTS: Final = [
    "a",
    "otpauth://totp/Acme:kim@example.org?secret=JBSWY3DPEHPK3PXP&issuer=Acme",
    "otpauth://totp/Acme%20Corp:kim@example.org?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Acme%20Corp",
]
# With every barcode format enabled, the decoder finds false linear codes among the modules.
QR_ONLY: Final = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
START, END = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
BLOCKS: Final = {" ": (0, 0), "▄": (0, 1), "▀": (1, 0), "█": (1, 1)}
NAMESPACE: Final = "{http://www.w3.org/2000/svg}"


def modules(symbol: qr.Symbol) -> NDArray[np.uint8]:
    rows = [[int(module) for module in f"{row:0{symbol.size}b}"] for row in symbol.rows]
    return np.pad(np.array(rows, dtype=np.uint8), 4)


def decode(dark: NDArray[np.uint8]) -> list[str]:
    gray = np.kron(255 * (1 - dark), np.ones((4, 4), dtype=np.uint8))
    found: list[Any] = zxingcpp.read_barcodes(
        gray, try_invert=False, formats=QR_ONLY, text_mode=zxingcpp.TextMode.Plain
    )
    return [code.text for code in found]


def rasterize_text(lines: str) -> NDArray[np.uint8]:
    """Rasterize half blocks; 1 where the terminal draws in the foreground color."""
    cells = [[BLOCKS[character] for character in line] for line in lines.splitlines()]
    return np.array([[cell[half] for cell in line] for line in cells for half in (0, 1)], dtype=np.uint8)


def rasterize_svg(document: str) -> NDArray[np.uint8]:
    """Rasterize the path of an SVG document, one pixel per module."""
    root = ElementTree.fromstring(document)  # noqa: S314 - our own document
    size = int(root.attrib["viewBox"].split()[2])
    canvas = np.zeros((size, size), dtype=np.uint8)
    path = root[1].attrib["d"]
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", path)
    assert "".join(f"M{x} {y}h{width}v1h-{back_width}z" for x, y, width, back_width in runs) == path
    for x, y, width, back_width in runs:
        assert width == back_width
        canvas[int(y), int(x) : int(x) + int(width)] = 1
    return canvas


@pytest.mark.parametrize("text", TEXTS)
def test_svg_path_draws_every_module(text: str) -> None:
    symbol = qr.encode(text)
    pixels = rasterize_svg(qr.svg(symbol))

    assert np.array_equal(pixels, modules(symbol))
    assert decode(pixels) == [text]


def test_svg_is_one_path_without_external_references() -> None:
    symbol = qr.encode(TEXTS[1])
    document = qr.svg(symbol)
    root = ElementTree.fromstring(document)  # noqa: S314 - our own document
    size = str(symbol.size + 8)

    assert [child.tag for child in root] == [NAMESPACE + "rect", NAMESPACE + "path"]
    assert root.attrib == {"viewBox": f"0 0 {size} {size}", "shape-rendering": "crispEdges"}
    assert root[0].attrib == {"width": size, "height": size, "fill": "#fff"}
    assert root[1].attrib["fill"] == "#000"
    assert not re.search(r"href|script|url|style|&|\son", document)


@pytest.mark.parametrize("text", TEXTS)
def test_colored_terminal_lines_set_black_and_white(text: str) -> None:
    symbol = qr.encode(text)
    lines = qr.terminal(symbol).splitlines()

    assert all(line.startswith(START) and line.endswith(END) for line in lines)
    pixels = rasterize_text("\n".join(line.removeprefix(START).removesuffix(END) for line in lines))
    assert np.array_equal(pixels[: symbol.size + 8], modules(symbol))
    assert decode(pixels) == [text]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("invert", [False, True])
def test_plain_terminal_lines_decode_on_light_and_dark_backgrounds(text: str, *, invert: bool) -> None:
    plain = qr.terminal(qr.encode(text), invert=invert, color=False)
    pixels = rasterize_text(plain)
    dark = 1 - pixels if invert else pixels

    assert "\x1b" not in plain
    assert decode(dark) == [text]


def test_terminal_quiet_zone_is_four_modules_on_every_side() -> None:
    symbol = qr.encode("a")
    lines = qr.terminal(symbol, color=False).splitlines()

    assert len(lines) == (symbol.size + 8 + 1) // 2
    assert {len(line) for line in lines} == {symbol.size + 8}
    assert lines[:2] == [" " * 29] * 2
    assert lines[-2:] == [" " * 29] * 2
    assert all(line.startswith("    ") and line.endswith("    ") for line in lines)


def test_inverted_terminal_lines_swap_black_and_white() -> None:
    symbol = qr.encode("a")
    lines = qr.terminal(symbol, invert=True).splitlines()
    pixels = rasterize_text("\n".join(line.removeprefix(START).removesuffix(END) for line in lines))

    assert np.array_equal(pixels[: symbol.size + 8], 1 - modules(symbol))
