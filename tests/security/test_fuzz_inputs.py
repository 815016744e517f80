"""Random and hostile input to every parser: a result or a defined error, never another exception."""

import base64
import json
import os
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from authfactor import errors
from authfactor.crypto.vault import SealedLocation, UnsealError, Vault, key_of
from authfactor.otp import base32, key_uri, totp
from authfactor.webauthn import responses
from authfactor.webauthn.refusals import CeremonyRefused
from authfactor.wire import requests
from tests.support.passkeys import Site, to_bytes, to_text

# 100 examples in CI, 2,500 nightly.
EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "4"))
FUZZED: Final = settings(max_examples=25 * EXAMPLES, deadline=None)
pytestmark = pytest.mark.timeout(60 + 5 * EXAMPLES)
TEXT: Final = st.text(max_size=300)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
BODIES: Final = [
    requests.CreateUser,
    requests.UpdateUser,
    requests.EnrollUserFactor,
    requests.EnrollFactor,
    requests.VerifyChallenge,
    requests.Authenticate,
]
VAULT: Final = Vault([key_of(b"k" * 32)], lambda count: b"n" * count)
WHERE: Final = SealedLocation("factors", "secret", 1, "auth_factor_1")


@FUZZED
@given(TEXT)
@example("=" * 300)
@example("\0")
def test_base32_returns_bytes_or_raises_value_error(text: str) -> None:
    try:
        secret = base32.decode(text, min_bytes=10)
    except ValueError:
        return
    assert 10 <= len(secret) <= 128
    assert base32.decode(base64.b32encode(secret).decode(), min_bytes=10) == secret


@FUZZED
@given(TEXT)
def test_a_cleaned_code_is_six_ascii_digits_or_none(text: str) -> None:
    code = totp.clean_code(text)
    assert code is None or (len(code) == 6 and all("0" <= digit <= "9" for digit in code))


@pytest.mark.parametrize("shape", BODIES)
@FUZZED
@given(body=st.binary(max_size=400) | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_body_is_parsed_or_refused(shape: type[requests.RequestModel], body: bytes) -> None:
    try:
        assert isinstance(requests.read(shape, body), shape)
    except errors.InvalidRequest:
        return


@FUZZED
@given(st.text(max_size=200) | st.from_regex(r"v1:[0-9a-f]{6}:[A-Za-z0-9_-]{0,80}={0,2}", fullmatch=True))
def test_a_foreign_sealed_string_cannot_be_unsealed(text: str) -> None:
    with pytest.raises(UnsealError):
        VAULT.unseal(text, WHERE)


@settings(max_examples=50 * EXAMPLES, deadline=None)
@given(st.binary(max_size=100), st.integers(0, 400), st.integers(1, 255))
def test_a_changed_sealed_string_cannot_be_unsealed(value: bytes, at: int, by: int) -> None:
    sealed = VAULT.seal(value, WHERE)
    at %= len(sealed)
    changed = sealed[:at] + chr((ord(sealed[at]) + by) % 256) + sealed[at + 1 :]
    with pytest.raises(UnsealError):
        VAULT.unseal(changed, WHERE)


@FUZZED
@given(TEXT, TEXT)
def test_issuer_and_account_cannot_break_a_key_uri(issuer: str, account: str) -> None:
    try:
        uri = key_uri.uri(issuer=issuer, account=account, secret="JBSWY3DPEHPK3PXP")
    except (ValueError, errors.InvalidRequest):
        return
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("otpauth", "totp", "")
    assert parse_qs(parts.query)["secret"] == ["JBSWY3DPEHPK3PXP"]
    assert unquote(parts.path).count(":") == 1


PASSKEY: Final = Site()
CREATION: Final = PASSKEY.creation_response()
ASSERTION: Final = PASSKEY.request_response()


def is_parsed_or_refused(read: Callable[[bytes], object], body: bytes) -> bool:
    try:
        return read(body) is not None
    except CeremonyRefused as refusal:
        return refusal.reason == "webauthn_response_malformed"


@pytest.mark.parametrize("read", [responses.read_registration, responses.read_assertion])
@FUZZED
@given(body=st.binary(max_size=400) | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_passkey_response_is_parsed_or_refused(read: Callable[[bytes], object], body: bytes) -> None:
    assert is_parsed_or_refused(read, body)


@pytest.mark.parametrize(
    ("read", "response", "field"),
    [
        (responses.read_registration, CREATION, "attestationObject"),
        (responses.read_registration, CREATION, "clientDataJSON"),
        (responses.read_assertion, ASSERTION, "authenticatorData"),
        (responses.read_assertion, ASSERTION, "clientDataJSON"),
    ],
)
@FUZZED
@given(
    at=st.integers(0, 400),
    taken=st.integers(0, 8) | st.integers(0, 400),
    put=st.binary(max_size=12),
    other=JSON,
)
def test_a_passkey_response_with_changed_bytes_is_parsed_or_refused(
    read: Callable[[bytes], object],
    response: dict[str, Any],
    field: str,
    at: int,
    taken: int,
    put: bytes,
    other: object,
) -> None:
    value = to_bytes(response["response"][field])
    changed = value[: at % (len(value) + 1)] + put + value[at % (len(value) + 1) + taken :]
    for sent in (to_text(changed), other):
        body = response | {"response": response["response"] | {field: sent}}
        assert is_parsed_or_refused(read, json.dumps(body).encode())
