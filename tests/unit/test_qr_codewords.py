"""Codewords: the standard's worked example, and the algebra that makes a Reed-Solomon code."""

from functools import reduce

import pytest

from authfactor.otp.qr.codewords import data_codewords, interleaved
from authfactor.otp.qr.reedsolomon import check_codewords, generator, multiply
from authfactor.otp.qr.versions import MAX_BLOCK, alignment_centers, capacity


def evaluate(polynomial: bytes, at: int) -> int:
    return reduce(lambda value, coefficient: multiply(value, at) ^ coefficient, polynomial, 0)


def test_the_worked_example_of_annex_i() -> None:
    block = bytes.fromhex("10 20 0C 56 61 80 EC 11 EC 11 EC 11 EC 11 EC 11")

    assert check_codewords(block, 10) == bytes.fromhex("A5 24 D4 C1 ED 36 C7 87 2C 55")


@pytest.mark.parametrize("checks", sorted({capacity(version).correction for version in range(1, 41)}))
@pytest.mark.parametrize("length", [1, 2, 16, 38, MAX_BLOCK])
def test_a_block_and_its_checks_vanish_at_every_root(checks: int, length: int) -> None:
    block = bytes(7 * place + 1 & 0xFF for place in range(length))
    whole = block + check_codewords(block, checks)
    root = 1
    for _ in range(checks):
        assert evaluate(whole, root) == 0
        root = multiply(root, 2)


def test_the_generator_of_ten_checks_is_the_published_one() -> None:
    # ISO/IEC 18004:2015 table A.1 gives exponents of alpha: 0, 251, 67, 46, 61, 118, 70, 64, 94, 32, 45.
    powers = [
        reduce(multiply, [2] * exponent, 1) for exponent in (0, 251, 67, 46, 61, 118, 70, 64, 94, 32, 45)
    ]

    assert generator(10) == powers


def test_data_is_mode_length_text_terminator_and_alternating_padding() -> None:
    assert data_codewords(b"abc", 1).hex() == "40361626" + "30" + "ec11" * 5 + "ec"


def test_the_length_takes_two_bytes_from_version_ten_on() -> None:
    assert data_codewords(b"a" * 300, 13)[:4].hex() == "4012c616"


def test_blocks_of_two_lengths_are_dealt_out_in_turn() -> None:
    # Version 8: two blocks of 38 codewords, two of 39.
    dealt = interleaved(bytes(range(154)), 8)

    assert list(dealt[:8]) == [0, 38, 76, 115, 1, 39, 77, 116]
    assert list(dealt[148:154]) == [37, 75, 113, 152, 114, 153]
    assert dealt[154::4] == check_codewords(bytes(range(38)), 22)
    assert dealt[157::4] == check_codewords(bytes(range(115, 154)), 22)


@pytest.mark.parametrize(
    ("version", "centres"),
    [
        (1, []),
        (2, [6, 18]),
        (7, [6, 22, 38]),
        (32, [6, 34, 60, 86, 112, 138]),
        (40, [6, 30, 58, 86, 114, 142, 170]),
    ],
)
def test_alignment_centres_are_those_of_annex_e(version: int, centres: list[int]) -> None:
    assert alignment_centers(version) == centres
