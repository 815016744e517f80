"""QR masks: the penalty computed on whole canvases equals the one counted module by module."""

from itertools import groupby
from typing import Final

import pytest

from authfactor.otp import qr
from authfactor.otp.qr.layout import layout_of
from authfactor.otp.qr.masks import lookalike_penalty, plain_penalty

TEXTS: Final = [
    "",
    "kim",
    "otpauth://totp/a:b?secret=JBSWY3DPEHPK3PXP",
    "otpauth://totp/Acme:kim@example.org?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Acme&digits=6",
    "0" * 150,
    "x" * 400,
]


def run_penalty(line: str) -> int:
    runs = (len(list(group)) for _, group in groupby(line))
    return sum(3 + run - 5 for run in runs if run >= 5)


def lookalikes(line: str) -> int:
    margin = "0000"
    wide = margin + line + margin
    return sum(
        wide[at : at + 7] == "1011101" and margin in (wide[at - 4 : at], wide[at + 7 : at + 11])
        for at in range(4, len(wide) - 10)
    )


def penalty_parts(symbol: qr.Symbol) -> tuple[int, int]:
    """Return the standard's penalty of runs, blocks and balance, and that of lookalikes."""
    rows = [f"{row:0{symbol.size}b}" for row in symbol.rows]
    columns = ["".join(column) for column in zip(*rows, strict=True)]
    last = range(symbol.size - 1)
    blocks = sum(
        len({rows[r][c], rows[r + 1][c], rows[r][c + 1], rows[r + 1][c + 1]}) == 1 for r in last for c in last
    )
    dark = "".join(rows).count("1")
    steps = int(abs(dark / symbol.size**2 - 0.5) / 0.05)
    plain = sum(map(run_penalty, rows + columns)) + 3 * blocks + 10 * steps
    return plain, 40 * sum(map(lookalikes, rows + columns))


def counted_parts(symbol: qr.Symbol) -> tuple[int, int]:
    layout = layout_of(symbol.version)
    canvas = symbol.canvas
    same_left = layout.inner_left & ~(canvas ^ canvas >> 1)
    same_above = layout.inner_above & ~(canvas ^ canvas >> layout.stride)
    return (
        plain_penalty(layout, canvas, same_left, same_above),
        lookalike_penalty(layout, canvas, same_left, same_above),
    )


@pytest.mark.parametrize("mask", range(8))
@pytest.mark.parametrize("text", TEXTS)
def test_canvas_penalty_equals_a_module_by_module_count(text: str, mask: int) -> None:
    symbol = qr.encode(text, mask=mask)

    assert counted_parts(symbol) == penalty_parts(symbol)


@pytest.mark.parametrize("text", TEXTS)
def test_lowest_mask_of_least_penalty_is_chosen(text: str) -> None:
    penalties = [sum(penalty_parts(qr.encode(text, mask=mask))) for mask in range(8)]

    assert qr.encode(text).mask == penalties.index(min(penalties))


def test_precomputed_neighbors_of_mask_patterns_are_correct() -> None:
    layout = layout_of(8)

    for pattern in layout.patterns:
        assert pattern.same_left == layout.inner_left & ~(pattern.dark ^ pattern.dark >> 1)
        assert pattern.same_above == layout.inner_above & ~(pattern.dark ^ pattern.dark >> layout.stride)
