"""DEFLATE encoding: Huffman codes and matches, checked with zlib."""

import zlib

import pytest

from authfactor.otp.qr.huffman import canonical, match_distance, match_length, packed, whole_start


def test_canonical_codes_equal_the_example_of_rfc_1951() -> None:
    lengths = dict(zip(b"ABCDEFGH", (3, 3, 3, 3, 3, 2, 4, 4), strict=True))

    assert canonical(lengths) == dict(
        zip(b"ABCDEFGH", ("010", "011", "100", "101", "110", "00", "1110", "1111"), strict=True)
    )


@pytest.mark.parametrize("distance", [1, 2, 4, 5, 30, 58, 257])
def test_zlib_decodes_matches_of_every_length(distance: int) -> None:
    for length in range(3, 258):
        symbol, length_extra = match_length(length)
        code, distance_extra = match_distance(distance)
        lengths = {0: 2, 1: 2, 256: 2, symbol: 2}
        codes = canonical(lengths)
        seed = [place % 3 % 2 for place in range(distance)]
        match = codes[symbol] + length_extra + "0" + distance_extra
        literals = "".join(codes[value] for value in seed)
        stream = whole_start(lengths, {code: 1}, literals + match + codes[256])
        inflate = zlib.decompressobj(wbits=-15)

        assert list(inflate.decompress(stream)) == (seed * (length // distance + 2))[: distance + length]
        assert inflate.eof


def test_bits_are_packed_from_the_lowest_bit() -> None:
    assert packed("10000000" + "01") == b"\x01\x02"
