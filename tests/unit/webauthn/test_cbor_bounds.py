"""The scan before CBOR is decoded: the examples of RFC 8949, depth, size, and another decoder."""

from typing import Final

import cbor2
import pytest
from fido2 import cbor
from hypothesis import given, settings
from hypothesis import strategies as st

from authfactor.webauthn.cbor_bounds import MAX_DEPTH, MAX_ITEMS, InvalidCbor, end_of_item, is_map_of

# RFC 8949, appendix A: what CTAP2 uses, and what it does not.
USED: Final = """
00 01 0a 17 1818 1819 1864 1903e8 1a000f4240 1b000000e8d4a51000 1bffffffffffffffff 20 29 3863 3903e7
3bffffffffffffffff f4 f5 40 4401020304 60 6161 6449455446 62225c 62c3bc 63e6b0b4 64f0908591
80 83010203 8301820203820405 98190102030405060708090a0b0c0d0e0f101112131415161718181819
a0 a201020304 a26161016162820203 826161a161626163 a56161614161626142616361436164614461656145
""".split()  # noqa: SIM905 - lines to compare with the RFC
NOT_USED: Final = """
f6 f7 f0 f818 f8ff f90000 f93c00 fa47c35000 fb3ff199999999999a f97e00
c249010000000000000000 c11a514b67b0 d74401020304 d818456449455446 d82076687474703a2f2f7777772e6578616d
5f42010243030405ff 7f657374726561646d696e67ff 9fff 9f018202039f0405ffff bf61610161629f0203ffff ff
""".split()  # noqa: SIM905 - the same


@pytest.mark.parametrize("text", USED)
def test_an_item_ends_where_it_ends(text: str) -> None:
    item = bytes.fromhex(text)
    assert end_of_item(item) == len(item)
    assert end_of_item(b"\xff\xff" + item + b"\xff", 2) == 2 + len(item)


@pytest.mark.parametrize("text", USED)
def test_an_item_that_is_cut_off_is_refused(text: str) -> None:
    item = bytes.fromhex(text)
    for length in range(len(item)):
        with pytest.raises(InvalidCbor):
            end_of_item(item[:length])


@pytest.mark.parametrize("text", NOT_USED)
def test_items_that_ctap_does_not_use_are_refused(text: str) -> None:
    with pytest.raises(InvalidCbor):
        end_of_item(bytes.fromhex(text))


@pytest.mark.parametrize("opening", [b"\x81", b"\xa1\x00"])
def test_nesting_has_a_limit(opening: bytes) -> None:
    fine = opening * MAX_DEPTH + b"\0"
    assert end_of_item(fine) == len(fine)
    for depth in (MAX_DEPTH + 1, 1000, 30_000):
        with pytest.raises(InvalidCbor):
            end_of_item(opening * depth + b"\0")


def test_the_number_of_items_has_a_limit() -> None:
    fine = cbor2.dumps([0] * (MAX_ITEMS - 1))
    assert end_of_item(fine) == len(fine)
    with pytest.raises(InvalidCbor):
        end_of_item(cbor2.dumps([0] * MAX_ITEMS))
    with pytest.raises(InvalidCbor):
        end_of_item(b"\xbb" + b"\xff" * 8 + bytes(60_000))


def test_maps_are_recognized_by_their_first_byte() -> None:
    assert is_map_of(b"\xa3", 3)
    assert is_map_of(b"\0\xa0", 0, 1)
    assert not is_map_of(b"\xa3", 4)
    assert not is_map_of(b"\x83", 3)
    assert not is_map_of(b"", 0)
    assert not is_map_of(b"\xb8", 24)


def kept(value: object) -> object:
    """Return a decoded value in a form that does not tell 1 from True, as keys of a dict do not."""
    if isinstance(value, dict):
        return {repr(kept(key)): kept(each) for key, each in value.items()}
    return [kept(each) for each in value] if isinstance(value, list) else value


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60))
def test_what_passes_is_decoded_by_both_decoders_to_the_same_value(data: bytes) -> None:
    try:
        end = end_of_item(data)
    except InvalidCbor:
        return
    try:
        other = cbor2.loads(data[:end])
    except (cbor2.CBORDecodeError, TypeError, RecursionError):
        return  # text that is not UTF-8, or a key that cannot be one
    value, rest = cbor.decode_from(data)
    assert rest == data[end:]
    assert kept(value) == kept(other)


ITEM: Final = st.recursive(
    st.integers(-(2**64), 2**64 - 1) | st.booleans() | st.binary(max_size=30) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(ITEM, st.binary(max_size=9))
def test_what_encoders_make_is_measured_exactly_or_nests_too_deep(item: object, rest: bytes) -> None:
    encoded = cbor2.dumps(item)
    try:
        assert end_of_item(encoded + rest) == len(encoded)
    except InvalidCbor as error:
        assert "levels" in str(error)  # noqa: PT017 - the other outcome is fine too
