"""QR codes: a decoder reads back exactly the URI, for any account and issuer."""

import base64
import io
from typing import Any, Final
from urllib.parse import quote

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from authfactor.otp import qr
from authfactor.otp.qr.reedsolomon import check_codewords, multiply

# With every barcode format enabled, the decoder finds false linear codes among the modules.
QR_ONLY: Final = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
NAMES: Final = st.text(st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Zs")), max_size=40)
SECRETS: Final = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=64)
BLOCKS: Final = st.binary(min_size=1, max_size=40)
EXTRAS: Final = st.text("abcdefghijklmnopqrstuvwxyz0123456789%.-_~", max_size=900)


@st.composite
def uris(draw: st.DrawFn, extras: st.SearchStrategy[str]) -> str:
    issuer, account = quote(draw(NAMES), safe=""), quote(draw(NAMES), safe="@")
    secret, extra = draw(SECRETS), draw(extras)
    return f"otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&period=30{extra}"


def decode(data_uri: str) -> list[str]:
    png = base64.b64decode(data_uri.removeprefix("data:image/png;base64,"), validate=True)
    with Image.open(io.BytesIO(png)) as image:
        found: list[Any] = zxingcpp.read_barcodes(
            np.array(image.convert("L")), formats=QR_ONLY, text_mode=zxingcpp.TextMode.Plain
        )
    return [code.text for code in found]


@settings(max_examples=150)
@given(uris(st.just("")))
def test_any_uri_is_decoded_exactly(uri: str) -> None:
    assert decode(qr.png_data_uri(uri)) == [uri]


@settings(max_examples=40)
@given(uris(EXTRAS))
def test_long_uris_are_decoded_exactly(uri: str) -> None:
    assert decode(qr.png_data_uri(uri)) == [uri]


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@settings(max_examples=20_000)
@given(uris(EXTRAS | st.just("")))
def test_twenty_thousand_uris_are_decoded_exactly(uri: str) -> None:
    assert decode(qr.png_data_uri(uri)) == [uri]


@settings(max_examples=60)
@given(uris(st.just("")), st.integers(0, 7))
def test_uri_is_decoded_exactly_with_any_mask(uri: str, mask: int) -> None:
    png = qr.png(qr.encode(uri, mask=mask))

    assert decode("data:image/png;base64," + base64.b64encode(png).decode()) == [uri]


@settings(max_examples=60)
@given(BLOCKS, BLOCKS, st.integers(0, 255), st.sampled_from([10, 16, 22, 28]))
def test_check_codewords_are_linear(left: bytes, right: bytes, factor: int, checks: int) -> None:
    length = max(len(left), len(right))
    left, right = left.rjust(length, b"\0"), right.rjust(length, b"\0")
    both = bytes(multiply(factor, a) ^ b for a, b in zip(left, right, strict=True))
    expected = (
        multiply(factor, a) ^ b
        for a, b in zip(check_codewords(left, checks), check_codewords(right, checks), strict=True)
    )

    assert check_codewords(both, checks) == bytes(expected)
