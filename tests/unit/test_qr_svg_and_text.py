"""SVG and terminal text: drawn back to pixels, they show the symbol and are read as the text."""

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
# A decoder asked for every kind of code finds stray linear ones among the modules.
QR_ONLY: Final = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
START, END = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
BLOCKS: Final = {" ": (0, 0), "▄": (0, 1), "▀": (1, 0), "█": (1, 1)}
NAMESPACE: Final = "{http://www.w3.org/2000/svg}"


def modules(symbol: qr.Symbol) -> NDArray[np.uint8]:
    rows = [[int(module) for module in f"{row:0{symbol.size}b}"] for row in symbol.rows]
    return np.pad(np.array(rows, dtype=np.uint8), 4)


def read(dark: NDArray[np.uint8]) -> list[str]:
    grey = np.kron(255 * (1 - dark), np.ones((4, 4), dtype=np.uint8))
    found: list[Any] = zxingcpp.read_barcodes(
        grey, try_invert=False, formats=QR_ONLY, text_mode=zxingcpp.TextMode.Plain
    )
    return [code.text for code in found]


def ink(lines: str) -> NDArray[np.uint8]:
    """Rasterise half blocks, 1 where the terminal draws in the text's colour."""
    cells = [[BLOCKS[character] for character in line] for line in lines.splitlines()]
    return np.array([[cell[half] for cell in line] for line in cells for half in (0, 1)], dtype=np.uint8)


def drawn(document: str) -> NDArray[np.uint8]:
    """Rasterise the path of an SVG document, one pixel a module."""
    root = ElementTree.fromstring(document)  # noqa: S314 - our own document, checked to be nothing more
    size = int(root.attrib["viewBox"].split()[2])
    canvas = np.zeros((size, size), dtype=np.uint8)
    path = root[1].attrib["d"]
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", path)
    assert "".join(f"M{x} {y}h{there}v1h-{back}z" for x, y, there, back in runs) == path
    for x, y, there, back in runs:
        assert there == back
        canvas[int(y), int(x) : int(x) + int(there)] = 1
    return canvas


@pytest.mark.parametrize("text", TEXTS)
def test_the_path_of_the_svg_draws_the_symbol(text: str) -> None:
    symbol = qr.encode(text)
    picture = drawn(qr.svg(symbol))

    assert np.array_equal(picture, modules(symbol))
    assert read(picture) == [text]


def test_the_svg_is_one_path_on_a_white_square_and_refers_to_nothing() -> None:
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
def test_coloured_lines_name_black_and_white_themselves(text: str) -> None:
    symbol = qr.encode(text)
    lines = qr.terminal(symbol).splitlines()

    assert all(line.startswith(START) and line.endswith(END) for line in lines)
    picture = ink("\n".join(line.removeprefix(START).removesuffix(END) for line in lines))
    assert np.array_equal(picture[: symbol.size + 8], modules(symbol))
    assert read(picture) == [text]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("invert", [False, True])
def test_plain_lines_are_right_for_a_light_terminal_or_inverted_for_a_dark_one(
    text: str, *, invert: bool
) -> None:
    plain = qr.terminal(qr.encode(text), invert=invert, color=False)
    inked = ink(plain)
    dark = 1 - inked if invert else inked

    assert "\x1b" not in plain
    assert read(dark) == [text]


def test_the_quiet_zone_is_four_modules_and_the_last_line_is_whole() -> None:
    symbol = qr.encode("a")
    lines = qr.terminal(symbol, color=False).splitlines()

    assert len(lines) == (symbol.size + 8 + 1) // 2
    assert {len(line) for line in lines} == {symbol.size + 8}
    assert lines[:2] == [" " * 29] * 2
    assert lines[-2:] == [" " * 29] * 2
    assert all(line.startswith("    ") and line.endswith("    ") for line in lines)


def test_coloured_lines_can_be_turned_over() -> None:
    symbol = qr.encode("a")
    lines = qr.terminal(symbol, invert=True).splitlines()
    picture = ink("\n".join(line.removeprefix(START).removesuffix(END) for line in lines))

    assert np.array_equal(picture[: symbol.size + 8], 1 - modules(symbol))
