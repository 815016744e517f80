"""QR encoding: compared module by module with an independent encoder, and at its capacity limits."""

from dataclasses import FrozenInstanceError
from typing import Final

import pytest
import qrcodegen

from authfactor.otp import qr
from authfactor.otp.qr.versions import LAST_VERSION, MAX_BYTES, capacity

# Byte-mode capacities at level M, ISO/IEC 18004:2015 table 7.
CAPACITIES: Final = (
    *(14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287, 331, 362, 412, 450, 504, 560, 624, 666),
    *(711, 779, 857, 911, 997, 1059, 1125, 1190, 1264, 1370, 1452, 1538, 1628, 1722, 1809, 1911, 1989, 2099),
    *(2213, 2331),
)
URI: Final = (
    "otpauth://totp/Acme%20Corp:kim@example.org?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    "&issuer=Acme%20Corp&algorithm=SHA1&digits=6&period=30"
)


def text_of(length: int) -> str:
    return (URI * (length // len(URI) + 1))[:length]


def encode_with_qrcodegen(text: str, mask: int) -> tuple[int, tuple[int, ...]]:
    """Return the version and rows of qrcodegen: byte mode, level M, error correction not raised."""
    code = qrcodegen.QrCode.encode_segments(
        [qrcodegen.QrSegment.make_bytes(text.encode())],
        qrcodegen.QrCode.Ecc.MEDIUM,
        mask=mask,
        boostecl=False,
    )
    side = range(code.get_size())
    rows = ("".join("01"[code.get_module(column, row)] for column in side) for row in side)
    return code.get_version(), tuple(int(row, 2) for row in rows)


@pytest.mark.parametrize("version", range(1, LAST_VERSION + 1))
def test_modules_of_every_version_equal_those_of_qrcodegen(version: int) -> None:
    text = text_of(CAPACITIES[version - 1] - version % 3)
    mask = version % 8
    symbol = qr.encode(text, mask=mask)

    assert (symbol.version, symbol.mask, symbol.size) == (version, mask, 17 + 4 * version)
    assert (symbol.version, symbol.rows) == encode_with_qrcodegen(text, mask)


@pytest.mark.parametrize("mask", range(8))
@pytest.mark.parametrize("text", ["", "a", URI, "otpauth://totp/Zoë 🔑 Ω?secret=A"])
def test_modules_of_every_mask_equal_those_of_qrcodegen(text: str, mask: int) -> None:
    symbol = qr.encode(text, mask=mask)

    assert (symbol.version, symbol.rows) == encode_with_qrcodegen(text, mask)


def test_automatic_mask_gives_the_same_symbol_as_an_explicit_one() -> None:
    symbol = qr.encode(URI)

    assert symbol == qr.encode(URI, mask=symbol.mask)


@pytest.mark.parametrize("version", range(1, LAST_VERSION + 1))
def test_smallest_version_that_fits_the_text_is_chosen(version: int) -> None:
    limit = CAPACITIES[version - 1]

    assert capacity(version).data == limit + (2 if version < 10 else 3)
    assert qr.encode("x" * limit, mask=0).version == version
    if version < LAST_VERSION:
        assert qr.encode("x" * (limit + 1), mask=0).version == version + 1


def test_text_one_byte_too_long_is_refused_without_repeating_it() -> None:
    with pytest.raises(qr.TooLong) as refused:
        qr.encode("x" * (MAX_BYTES - 1) + "é")

    assert (refused.value.length, refused.value.limit) == (2332, 2331)
    assert isinstance(refused.value, ValueError)
    assert str(refused.value) == "text of 2332 bytes exceeds the 2331 a QR symbol holds"


@pytest.mark.parametrize("mask", [-1, 8])
def test_mask_outside_0_to_7_is_refused(mask: int) -> None:
    with pytest.raises(ValueError, match=f"mask {mask} is not one of 0 to 7"):
        qr.encode(URI, mask=mask)


def test_text_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        qr.encode("\ud800")


@pytest.mark.parametrize("field", ["version", "mask", "canvas"])
def test_fields_of_a_symbol_cannot_be_assigned(field: str) -> None:
    symbol = qr.encode(URI)

    with pytest.raises(FrozenInstanceError):
        setattr(symbol, field, 3)


def test_repr_of_a_symbol_omits_its_modules() -> None:
    assert repr(qr.encode(URI, mask=5)) == "Symbol(version=8, mask=5)"


def test_package_exports_exactly_its_public_names() -> None:
    assert qr.__all__ == [
        "MAX_BYTES",
        "Drawing",
        "Symbol",
        "TooLong",
        "encode",
        "png",
        "png_data_uri",
        "svg",
        "terminal",
    ]
    assert all(hasattr(qr, name) for name in qr.__all__)
