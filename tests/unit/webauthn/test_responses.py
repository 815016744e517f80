"""Sizes and formats of responses: what is too long, spelled otherwise, or not what it should be."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from authfactor.webauthn import base64url, responses
from authfactor.webauthn.refusals import REASONS, CeremonyRefused
from tests.support.passkeys import Site, to_bytes, to_text


def refused(read: Callable[[bytes], object], response: object) -> str:
    body = response if isinstance(response, bytes) else json.dumps(response).encode()
    with pytest.raises(CeremonyRefused) as caught:
        read(body)
    assert caught.value.reason == "webauthn_response_malformed"
    assert caught.value.message == str(caught.value)
    return caught.value.message


def creation() -> dict[str, Any]:
    return Site().creation_response()


def request() -> dict[str, Any]:
    site = Site()
    site.creation_response()
    return site.request_response()


def client_data(**changes: object) -> str:
    members = {"type": "webauthn.get", "challenge": "AA", "origin": "https://example.org"} | changes
    return to_text(json.dumps(members).encode())


@pytest.mark.parametrize("text", ["AA==", "A", "AB", "A A", "AA\n", "A+8", "A/8", "ÄA", "\ud800A", "AAA"])
def test_bytes_have_one_spelling(text: str) -> None:
    decoded = {"AAA": b"\0\0"}
    if text in decoded:
        assert base64url.decode(text, "x", 2) == decoded[text]
        return
    with pytest.raises(CeremonyRefused, match="x is not base64url"):
        base64url.decode(text, "x", 10)


@pytest.mark.parametrize("length", range(70))
def test_bytes_are_read_up_to_their_limit(length: int) -> None:
    value = bytes(range(length))
    assert base64url.decode(base64url.encode(value), "x", length) == value
    with pytest.raises(CeremonyRefused, match=f"x is longer than {length} bytes"):
        base64url.decode(base64url.encode(value + b"1"), "x", length)


LIMITS: Final = [
    ("clientDataJSON", responses.MAX_CLIENT_DATA),
    ("attestationObject", responses.MAX_ATTESTATION_OBJECT),
    ("authenticatorData", responses.MAX_AUTHENTICATOR_DATA),
    ("signature", responses.MAX_SIGNATURE),
    ("userHandle", responses.MAX_USER_HANDLE),
]


@pytest.mark.parametrize(("field", "limit"), LIMITS)
def test_every_member_has_a_limit(field: str, limit: int) -> None:
    read: Callable[[bytes], object] = responses.read_assertion
    response = request()
    if field == "attestationObject":
        response, read = creation(), responses.read_registration
    response["response"][field] = to_text(bytes(limit + 1))
    assert refused(read, response) == f"{field} is longer than {limit} bytes."


@pytest.mark.parametrize(
    ("read", "made"), [(responses.read_registration, creation), (responses.read_assertion, request)]
)
def test_a_response_has_a_limit(read: Callable[[bytes], object], made: Callable[[], dict[str, Any]]) -> None:
    body = json.dumps(made()).encode()
    assert read(body + b" " * (responses.MAX_BODY - len(body)))
    assert "98304 bytes" in refused(read, body + b" " * (responses.MAX_BODY - len(body) + 1))


@pytest.mark.parametrize("length", [1, 1023])
def test_a_credential_id_may_be_long(length: int) -> None:
    response = request() | {"id": to_text(bytes(length)), "rawId": to_text(bytes(length))}
    assert responses.read_assertion(json.dumps(response).encode()).credential_id == bytes(length)


def test_a_credential_id_may_not_be_longer() -> None:
    response = request() | {"id": to_text(bytes(1024)), "rawId": to_text(bytes(1024))}
    assert refused(responses.read_assertion, response) == "rawId is longer than 1023 bytes."


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'"\xff"',
        b"{}",
        b"[" * 50_000,
        b'{"a":' * 10_000,
        b'{"id":"AA","rawId":"AA","type":"public-key","other":' + b"[" * 50_000,
        b'{"id":"AA","rawId":"AA","type":"password","response":{}}',
        b'{"id":1,"rawId":"AA","type":"public-key","response":{}}',
    ],
)
@pytest.mark.parametrize("read", [responses.read_registration, responses.read_assertion])
def test_what_is_no_response_is_refused(read: Callable[[bytes], object], body: bytes) -> None:
    refused(read, body)


@pytest.mark.parametrize("field", ["id", "rawId", "type", "response"])
def test_members_of_a_response_are_required(field: str) -> None:
    response = request()
    del response[field]
    refused(responses.read_assertion, response)


def test_both_ids_must_be_the_same() -> None:
    assert refused(responses.read_assertion, request() | {"id": "AA"}) == "id and rawId differ."


@pytest.mark.parametrize(
    "text",
    [
        to_text(b"[]"),
        to_text(b"{}"),
        to_text(b'{"type":"webauthn.get","challenge":"AA"}'),
        to_text(b"\xef\xbb\xbf{}"),
        to_text(b"[" * 4000),
        to_text('{"type":"webauthn.get","challenge":"AA","origin":"https://example.org"}'.encode("utf-16")),
        client_data(type=None),
        client_data(challenge=1),
        client_data(origin=["https://example.org"]),
        client_data(crossOrigin="false"),
        client_data(crossOrigin=None),
        client_data(topOrigin=1),
    ],
)
def test_what_is_no_client_data_is_refused(text: str) -> None:
    response = request()
    response["response"]["clientDataJSON"] = text
    assert "clientDataJSON" in refused(responses.read_assertion, response)


def test_other_members_of_client_data_are_ignored() -> None:
    response = request()
    response["response"]["clientDataJSON"] = client_data(tokenBinding={"status": "odd"}, more=[{}])
    parsed = responses.read_assertion(json.dumps(response).encode())
    assert (parsed.client_data.cross_origin, parsed.client_data.top_origin) == (False, None)


def test_other_members_of_a_response_are_ignored() -> None:
    response = creation() | {"more": [1]}
    response["response"] |= {"publicKey": "AA", "publicKeyAlgorithm": -7, "authenticatorData": "AA"}
    assert responses.read_registration(json.dumps(response).encode())


def test_transports_that_are_no_texts_are_refused() -> None:
    response = creation()
    response["response"]["transports"] = [1]
    refused(responses.read_registration, response)


@pytest.mark.parametrize("field", ["clientDataJSON", "attestationObject"])
def test_members_of_a_registration_are_required(field: str) -> None:
    response = creation()
    for value in (None, 1, "", "=", to_text(to_bytes(response["response"][field])[:-1])):
        response["response"][field] = value
        refused(responses.read_registration, response)
    del response["response"][field]
    refused(responses.read_registration, response)


def test_every_reason_has_the_prefix_and_none_is_there_twice() -> None:
    assert all(each.startswith("webauthn_") for each in REASONS)
    assert len(set(REASONS)) == len(REASONS) == 19
