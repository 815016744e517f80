"""QR codewords: the standard's worked example, and the properties of a Reed-Solomon code."""

from functools import reduce

import pytest

from authfactor.otp.qr.codewords import data_codewords, interleaved
from authfactor.otp.qr.reedsolomon import check_codewords, generator, multiply
from authfactor.otp.qr.versions import MAX_BLOCK, alignment_centers, capacity


def evaluate(polynomial: bytes, at: int) -> int:
    return reduce(lambda value, coefficient: multiply(value, at) ^ coefficient, polynomial, 0)


def test_check_codewords_equal_the_example_of_annex_i() -> None:
    block = bytes.fromhex("10 20 0C 56 61 80 EC 11 EC 11 EC 11 EC 11 EC 11")

    assert check_codewords(block, 10) == bytes.fromhex("A5 24 D4 C1 ED 36 C7 87 2C 55")


@pytest.mark.parametrize("checks", sorted({capacity(version).correction for version in range(1, 41)}))
@pytest.mark.parametrize("length", [1, 2, 16, 38, MAX_BLOCK])
def test_block_with_check_codewords_is_zero_at_every_root(checks: int, length: int) -> None:
    block = bytes(7 * place + 1 & 0xFF for place in range(length))
    whole = block + check_codewords(block, checks)
    root = 1
    for _ in range(checks):
        assert evaluate(whole, root) == 0
        root = multiply(root, 2)


def test_generator_for_ten_check_codewords_equals_the_published_one() -> None:
    # ISO/IEC 18004:2015 table A.1 gives exponents of alpha: 0, 251, 67, 46, 61, 118, 70, 64, 94, 32, 45.
    powers = [
        reduce(multiply, [2] * exponent, 1) for exponent in (0, 251, 67, 46, 61, 118, 70, 64, 94, 32, 45)
    ]

    assert generator(10) == powers


def test_data_codewords_contain_mode_length_text_and_padding() -> None:
    assert data_codewords(b"abc", 1).hex() == "40361626" + "30" + "ec11" * 5 + "ec"


def test_length_field_has_two_bytes_from_version_ten() -> None:
    assert data_codewords(b"a" * 300, 13)[:4].hex() == "4012c616"


def test_blocks_of_different_lengths_are_interleaved() -> None:
    # Version 8: two blocks of 38 codewords, two of 39.
    codewords = interleaved(bytes(range(154)), 8)

    assert list(codewords[:8]) == [0, 38, 76, 115, 1, 39, 77, 116]
    assert list(codewords[148:154]) == [37, 75, 113, 152, 114, 153]
    assert codewords[154::4] == check_codewords(bytes(range(38)), 22)
    assert codewords[157::4] == check_codewords(bytes(range(115, 154)), 22)


@pytest.mark.parametrize(
    ("version", "centers"),
    [
        (1, []),
        (2, [6, 18]),
        (7, [6, 22, 38]),
        (32, [6, 34, 60, 86, 112, 138]),
        (40, [6, 30, 58, 86, 114, 142, 170]),
    ],
)
def test_alignment_centers_equal_those_of_annex_e(version: int, centers: list[int]) -> None:
    assert alignment_centers(version) == centers
