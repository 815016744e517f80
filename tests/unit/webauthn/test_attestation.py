"""Attestation against metadata: which authenticators a model vouches for."""

import hashlib
import json
from typing import Any, Final

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from authfactor.models.passkeys import AuthenticatorModel
from authfactor.testing.software_authenticator import SoftwareAuthenticator
from authfactor.webauthn import ceremony, options, responses
from authfactor.webauthn.ceremony import KnownModel, NewCredential
from authfactor.webauthn.public_keys import ES256
from authfactor.webauthn.refusals import CeremonyRefused
from authfactor.webauthn.relying_party import RelyingParty
from tests.support.metadata_service import AAGUID, AAGUID_BYTES, BATCH, MAKER, NOW, SOFT_AAGUID, Authority
from tests.support.passkeys import CHALLENGE, HANDLE, ORIGIN, stored, to_bytes, to_text, with_settings

DIRECT: Final = with_settings(attestation="direct", metadata="status")
ATTESTED: Final = with_settings(attestation="direct", metadata="attested")
MODEL: Final = AuthenticatorModel(AAGUID, "Acme Key 5", True, None, None, (MAKER.der,))
DAY: Final = 86_400_000


def maker(issued: Authority = BATCH, aaguid: bytes = AAGUID_BYTES) -> SoftwareAuthenticator:
    assert isinstance(issued.key, ec.EllipticCurvePrivateKey)
    random = iter(range(1, 1000))
    return SoftwareAuthenticator(
        lambda count: next(random).to_bytes(count, "big"),
        aaguid=aaguid,
        attestation_key=issued.key,
        attestation_chain=[issued.der],
    )


def response_of(
    device: SoftwareAuthenticator, settings: RelyingParty = DIRECT, algorithm: int = 0
) -> dict[str, Any]:
    account = options.Account(HANDLE, "kim@example.org", "Kim")
    asked = options.creation_options(settings, account, CHALLENGE, [])
    return device.create(asked, ORIGIN, algorithm=algorithm)


def registered(
    response: dict[str, Any],
    settings: RelyingParty = DIRECT,
    model: AuthenticatorModel | None = MODEL,
    now: int = NOW,
) -> NewCredential:
    parsed = responses.read_registration(json.dumps(response).encode())
    return ceremony.verify_registration(settings, CHALLENGE, parsed, known=KnownModel(model, now))


def rewritten(response: dict[str, Any], format_: str, statement: dict[str, Any]) -> dict[str, Any]:
    """Return the response with another attestation statement."""
    attestation = cbor2.loads(to_bytes(response["response"]["attestationObject"]))
    changed = {"fmt": format_, "attStmt": statement, "authData": attestation["authData"]}
    response["response"]["attestationObject"] = to_text(cbor2.dumps(changed, canonical=True))
    return response


def statement_of(response: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = cbor2.loads(to_bytes(response["response"]["attestationObject"]))["attStmt"]
    return found


def test_a_model_of_the_metadata_vouches_for_its_authenticators() -> None:
    for settings in (DIRECT, ATTESTED):
        made = registered(response_of(maker()), settings)
        assert (made.trust, made.aaguid, made.format) == ("attested", AAGUID, "packed")


def test_the_options_ask_for_attestation_only_where_metadata_is_used() -> None:
    assert registered(response_of(maker(), with_settings()), with_settings()).trust == "none"


@pytest.mark.parametrize(
    ("device", "model"),
    [
        (maker(), None),
        (maker(Authority("Batch", Authority("Maker's root"), authority=False)), MODEL),
        (maker(Authority("Batch", authority=False)), MODEL),
        (maker(), AuthenticatorModel(AAGUID, "", True, None, None, ())),
    ],
    ids=["unknown model", "root of the same name", "self-issued", "model without roots"],
)
def test_an_authenticator_that_no_model_vouches_for_claims_nothing(
    device: SoftwareAuthenticator, model: AuthenticatorModel | None
) -> None:
    response = response_of(device)
    assert registered(response, DIRECT, model).trust == "unverified"
    with pytest.raises(CeremonyRefused, match="attested authenticators of known models only") as refused:
        registered(response, ATTESTED, model)
    assert refused.value.reason == "webauthn_authenticator_not_allowed"


def test_a_certificate_that_has_expired_vouches_for_nothing() -> None:
    batch = Authority("Batch", MAKER, authority=False, days=1)
    assert registered(response_of(maker(batch))).trust == "attested"
    assert registered(response_of(maker(batch)), now=NOW + DAY).trust == "unverified"


def test_without_attestation_only_attested_passkeys_are_refused() -> None:
    for algorithm in (0, ES256):
        response = response_of(SoftwareAuthenticator(lambda n: bytes([7]) * n), DIRECT, algorithm)
        assert registered(response).trust == "none"
        with pytest.raises(CeremonyRefused):
            registered(response, ATTESTED)


def test_the_certificate_is_for_the_aaguid_that_is_claimed() -> None:
    """A maker's certificate names its model, so a cheaper model of the same maker cannot claim another."""
    other = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4"),
        b"\x04\x10" + bytes.fromhex(SOFT_AAGUID.replace("-", "")),
    )
    batch = Authority("Batch", MAKER, authority=False, extension=other)
    with pytest.raises(CeremonyRefused) as refused:
        registered(response_of(maker(batch)))
    assert refused.value.reason == "webauthn_signature_invalid"


def test_an_attestation_that_is_not_signed_is_refused() -> None:
    response = response_of(maker())
    statement = statement_of(response)
    for changed in (
        statement | {"sig": bytes(70)},
        statement | {"alg": -257},
        statement | {"alg": -8},
        statement | {"x5c": [b"no certificate"]},
        statement | {"x5c": ["text"]},
        {"x5c": statement["x5c"]},
        statement | {"x5c": [MAKER.der]},
    ):
        with pytest.raises(CeremonyRefused) as refused:
            registered(rewritten(response, "packed", changed))
        assert refused.value.reason == "webauthn_signature_invalid", changed


def test_another_credentials_attestation_is_refused() -> None:
    other = response_of(maker(aaguid=bytes(16)))
    with pytest.raises(CeremonyRefused) as refused:
        registered(rewritten(response_of(maker()), "packed", statement_of(other)))
    assert refused.value.reason == "webauthn_signature_invalid"


def test_u2f_keys_attest_in_their_own_format() -> None:
    device = maker()
    response = response_of(device, algorithm=ES256)
    credential = cbor2.loads(to_bytes(response["response"]["attestationObject"]))["authData"]
    (held,) = device.credentials.values()
    numbers = held.private_key.public_key().public_numbers()  # type: ignore[union-attr]  # ES256
    point = b"\4" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")  # type: ignore[union-attr]  # so
    digest = hashlib.sha256(to_bytes(response["response"]["clientDataJSON"])).digest()
    assert isinstance(BATCH.key, ec.EllipticCurvePrivateKey)
    message = b"\0" + credential[:32] + digest + held.id + point
    statement = {"x5c": [BATCH.der], "sig": BATCH.key.sign(message, ec.ECDSA(hashes.SHA256()))}
    made = registered(rewritten(response, "fido-u2f", statement))
    assert (made.trust, made.format) == ("attested", "fido-u2f")
    with pytest.raises(CeremonyRefused):
        registered(rewritten(response, "fido-u2f", statement | {"sig": b""}))


@pytest.mark.parametrize("format_", ["android-key", "android-safetynet", "compound", "of next year"])
def test_formats_that_are_not_verified_vouch_for_nothing(format_: str) -> None:
    response = rewritten(response_of(maker()), format_, {"sig": b"", "ver": "1"})
    assert registered(response).trust == "unverified"
    with pytest.raises(CeremonyRefused):
        registered(response, ATTESTED)
    with pytest.raises(CeremonyRefused) as refused:
        registered(response, with_settings())
    assert refused.value.reason == "webauthn_attestation_not_supported"


@pytest.mark.parametrize("format_", ["tpm", "apple", "fido-u2f"])
def test_statements_of_other_makers_that_cannot_be_read_are_refused(format_: str) -> None:
    unreadable: tuple[dict[str, Any], ...] = (
        {},
        {"x5c": []},
        {"ver": "2.0", "x5c": [b""], "sig": b"", "alg": ES256},
        {"x5c": True},
    )
    for statement in unreadable:
        with pytest.raises(CeremonyRefused) as refused:
            registered(rewritten(response_of(maker()), format_, statement))
        assert refused.value.reason == "webauthn_signature_invalid"


def test_models_that_are_broken_are_refused_at_registration_and_at_each_use() -> None:
    made = registered(response_of(maker()))
    broken = AuthenticatorModel(AAGUID, "", True, "REVOKED", NOW, (MAKER.der,))
    with pytest.raises(CeremonyRefused, match="REVOKED"):
        registered(response_of(maker()), DIRECT, broken)
    assert registered(response_of(maker()), DIRECT, broken, NOW - 1).trust == "attested"
    for settings, known, trust, expected in (
        (DIRECT, broken, "attested", "webauthn_authenticator_not_allowed"),
        (DIRECT, broken, "none", "webauthn_authenticator_not_allowed"),
        (DIRECT, None, "none", None),
        (ATTESTED, MODEL, "attested", None),
        (ATTESTED, MODEL, "unverified", "webauthn_authenticator_not_allowed"),
        (ATTESTED, None, "none", "webauthn_authenticator_not_allowed"),
    ):
        assert refusal_of_use(made, settings, known, trust) == expected


def refusal_of_use(
    made: NewCredential, settings: RelyingParty, model: AuthenticatorModel | None, trust: str
) -> str | None:
    device = maker()
    response_of(device, settings)
    # The same seed: the device has the key of `made`.
    asked = options.request_options(settings, CHALLENGE, [options.KnownCredential(made.id)])
    answer = responses.read_assertion(json.dumps(device.get(asked, ORIGIN)).encode())
    expected = ceremony.AssertionExpected(CHALLENGE, (made.id,))
    try:
        ceremony.verify_assertion(
            settings, expected, answer, stored(made, trust=trust), KnownModel(model, NOW)
        )
    except CeremonyRefused as refused:
        return refused.reason
    return None
