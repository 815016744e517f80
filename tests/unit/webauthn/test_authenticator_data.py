"""Authenticator data and attestation objects: every length and member that must be right."""

import hashlib
import json
import random
from typing import Any, Final

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from authfactor.webauthn import responses
from authfactor.webauthn.authenticator_data import read_attestation_object, read_authenticator_data
from authfactor.webauthn.refusals import CeremonyRefused
from tests.support.passkeys import Site, to_bytes

HEAD: Final = hashlib.sha256(b"example.org").digest()
KEY: Final = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)}, canonical=True)


def data_of(flags: int, rest: bytes = b"", head: bytes = HEAD) -> bytes:
    return head + bytes([flags]) + bytes([0, 0, 1, 2]) + rest


def attested(length: int = 4, key: bytes = KEY) -> bytes:
    return bytes(16) + length.to_bytes(2, "big") + bytes(length) + key


def is_refused(data: bytes) -> bool:
    try:
        read_authenticator_data(data)
    except CeremonyRefused as refusal:
        return refusal.reason == "webauthn_response_malformed"
    return False


def test_flags_and_count_are_read() -> None:
    fields = ("user_present", "user_verified", "backup_eligible", "backed_up")
    for bit, field in zip((0, 2, 3, 4), fields, strict=True):
        report = read_authenticator_data(data_of(1 << bit))
        assert [name for name in fields if getattr(report, name)] == [field]
        assert (report.sign_count, report.attested, report.rp_id_hash) == (258, None, HEAD)
    assert read_authenticator_data(data_of(0x22)).user_present is False  # the reserved bits mean nothing


@pytest.mark.parametrize("length", [1, 32, 1023])
def test_credential_ids_are_read(length: int) -> None:
    credential = read_authenticator_data(data_of(0x41, attested(length))).attested
    assert credential is not None
    assert (credential.aaguid, credential.id, credential.key[3]) == (bytes(16), bytes(length), -7)


@pytest.mark.parametrize("length", [0, 1024, 65535])
def test_credential_ids_have_limits(length: int) -> None:
    assert is_refused(data_of(0x41, attested(length)))


def test_nothing_may_be_missing_or_left() -> None:
    plain, full = data_of(1), data_of(0xC1, attested() + b"\xa1\x61a\xf5")
    assert not is_refused(plain)
    assert not is_refused(full)
    for each in (plain, full):
        assert is_refused(each + b"\0")
        assert all(is_refused(each[:length]) for length in range(len(each)))


def test_extensions_are_there_if_and_only_if_their_flag_is() -> None:
    assert not is_refused(data_of(0x81, b"\xa0"))
    assert is_refused(data_of(0x81))
    assert is_refused(data_of(0x01, b"\xa0"))


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"\0",
        b"\x80",
        b"\xa0",
        b"\xa1\x03\x00",
        b"\xa1\x03\xf6",
        b"\xa2\x03\x26\x03\x26",
        b"\xa2\x80\x00\x03\x26",
        b"\xa1\x03\x61\xff",
        b"\xa1\x03" + b"\x81" * 20 + b"\0",
        b"\xa1" * 20_000,
        KEY[:-1],
        b"\xa6\x03\x26" + KEY[1:],
    ],
)
def test_a_key_that_is_no_map_with_an_algorithm_or_has_a_label_twice_is_refused(key: bytes) -> None:
    assert is_refused(data_of(0x41, attested(key=key)))


OBJECTS: Final[list[Any]] = [
    [],
    1,
    {},
    {"fmt": "none", "attStmt": {}},
    {"fmt": "none", "authData": data_of(1)},
    {"attStmt": {}, "authData": data_of(1)},
    {"fmt": 1, "attStmt": {}, "authData": data_of(1)},
    {"fmt": "none", "attStmt": [], "authData": data_of(1)},
    {"fmt": "none", "attStmt": {}, "authData": "x" * 37},
    {"fmt": "none", "attStmt": {}, "authData": b""},
    {"fmt": "none", "attStmt": {}, "authData": data_of(1), "more": 1},
]


@pytest.mark.parametrize("value", OBJECTS)
def test_an_attestation_object_has_its_three_members(value: object) -> None:
    with pytest.raises(CeremonyRefused) as caught:
        read_attestation_object(cbor2.dumps(value))
    assert caught.value.reason == "webauthn_response_malformed"


def test_an_attestation_object_has_no_member_twice() -> None:
    data = cbor2.dumps(data_of(1))
    members = b"\x63fmt\x64none" + b"\x67attStmt\xa0" + b"\x68authData" + data
    assert read_attestation_object(b"\xa3" + members).format == "none"
    for wrong in (
        b"\xa4" + members + b"\x68authData" + data,
        b"\xa3" + members + b"\0",
        b"\xb8\x03" + members,
    ):
        with pytest.raises(CeremonyRefused):
            read_attestation_object(wrong)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"\x81" * 65_536,
        b"\xa1\x60" * 30_000,
        b"\x9a\xff\xff\xff\xff" + bytes(65_000),
        b"\x98\xff" + bytes(255),
        b"\x5a\x7f\xff\xff\xff",
        b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59\xff\xff" + bytes(37),
    ],
)
def test_hostile_cbor_is_refused_before_it_is_decoded(raw: bytes) -> None:
    with pytest.raises(CeremonyRefused):
        read_attestation_object(raw)


SITE: Final = Site()
OBJECT: Final = to_bytes(SITE.creation_response()["response"]["attestationObject"])


@settings(max_examples=300, deadline=None)
@given(
    raw=st.binary(max_size=200), changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=6)
)
@example(raw=b"", changes=[])
def test_an_attestation_object_is_parsed_or_refused(raw: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(OBJECT)
    for at, byte in changes:
        changed[at % len(changed)] = byte
    for each in (raw, bytes(changed), OBJECT[: len(raw)] + raw):
        try:
            assert read_attestation_object(each).report.raw
        except CeremonyRefused as refusal:
            assert refusal.reason == "webauthn_response_malformed"  # noqa: PT017 - both outcomes are fine


@settings(max_examples=200, deadline=None)
@given(flags=st.integers(0, 255), rest=st.binary(max_size=120))
def test_authenticator_data_is_parsed_or_refused(flags: int, rest: bytes) -> None:
    data = data_of(flags, rest)
    assert is_refused(data) or read_authenticator_data(data).raw == data


def test_a_whole_response_of_random_bytes_is_refused() -> None:
    draw = random.Random(1)
    for _ in range(200):
        body = json.dumps({"id": "AA", "response": draw.randbytes(40).hex()}).encode()
        for read in (responses.read_registration, responses.read_assertion):
            with pytest.raises(CeremonyRefused):
                read(body)
