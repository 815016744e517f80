"""Render a symbol as SVG and as half blocks for a terminal, including the quiet zone."""

from itertools import groupby
from typing import Final

from authfactor.otp.qr.layout import QUIET_ZONE
from authfactor.otp.qr.symbol import Symbol

# Black on white, from the part of the 256-color palette that terminal themes do not change.
_BLACK_ON_WHITE: Final = "\x1b[38;5;16;48;5;231m"
_RESET: Final = "\x1b[0m"
# Ink in the upper module, in the lower: neither, lower only, upper only, both.
_HALF_BLOCKS: Final = " ▄▀█"


def svg(symbol: Symbol) -> str:
    """Return a self-contained SVG document: one path of dark runs on a white square, unit one module."""
    size = symbol.size + 2 * QUIET_ZONE
    runs = []
    for down, row in enumerate(symbol.rows, start=QUIET_ZONE):
        right = QUIET_ZONE
        for color, group in groupby(f"{row:0{symbol.size}b}"):
            length = len(list(group))
            if color == "1":
                runs.append(f"M{right} {down}h{length}v1h-{length}z")
            right += length
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
        f'<rect width="{size}" height="{size}" fill="#fff"/><path d="{"".join(runs)}" fill="#000"/></svg>'
    )


def terminal(symbol: Symbol, *, invert: bool = False, color: bool = True) -> str:
    """Return lines of half blocks, two rows of modules per line, each ending in a newline.

    With `color`, the lines set black and white themselves and look the same on any background. Without it,
    dark modules are drawn as text, which suits dark text; `invert` draws the light ones instead, for light
    text on a dark background.
    """
    width = symbol.size + 2 * QUIET_ZONE
    rows = [0] * QUIET_ZONE + [row << QUIET_ZONE for row in symbol.rows] + [0] * QUIET_ZONE
    rows += [0] * (len(rows) % 2)
    if invert:
        rows = [row ^ (1 << width) - 1 for row in rows]
    start, end = (_BLACK_ON_WHITE, _RESET) if color else ("", "")
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        pairs = zip(f"{upper:0{width}b}", f"{lower:0{width}b}", strict=True)
        lines.append(start + "".join(_HALF_BLOCKS[int(up + down, 2)] for up, down in pairs) + end)
    return "\n".join(lines) + "\n"
