"""Access tokens and signing keys, checked with PyJWT and the cryptography library."""

import base64
import hashlib
import hmac
import json
from typing import Final

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from authfactor.crypto import jwt_rs256
from authfactor.models import PublicKey

NOT_BEFORE: Final = 1_700_000_010
CLAIMS: Final = {"sub": "user_1", "n": 1, "text": "☃", "amr": ["pwd"]}


@pytest.fixture(scope="module")
def pair() -> jwt_rs256.KeyPair:
    return jwt_rs256.new_key_pair("client_1", not_before=NOT_BEFORE, serial=2**152 - 1)


@pytest.fixture(scope="module")
def signer(pair: jwt_rs256.KeyPair) -> jwt_rs256.Signer:
    return jwt_rs256.load_signer("key_1", pair.private_key)


@pytest.fixture(scope="module")
def public(pair: jwt_rs256.KeyPair) -> PublicKey:
    return jwt_rs256.public_key(pair.certificate)


def jwk(public: PublicKey) -> jwt.PyJWK:
    return jwt.PyJWK(
        {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "key_1", "n": public.n, "e": public.e}
    )


def decoded(text: str) -> bytes:
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_token_is_three_unpadded_base64url_parts(signer: jwt_rs256.Signer) -> None:
    header, claims, signature = jwt_rs256.sign(signer, CLAIMS).split(".")
    assert json.loads(decoded(header)) == {"alg": "RS256", "kid": "key_1", "typ": "JWT"}
    assert json.loads(decoded(claims)) == CLAIMS
    assert len(decoded(signature)) == 256


def test_pyjwt_decodes_the_signed_claims(signer: jwt_rs256.Signer, public: PublicKey) -> None:
    assert jwt.decode(jwt_rs256.sign(signer, CLAIMS), jwk(public), algorithms=["RS256"]) == CLAIMS


def test_the_signature_covers_header_and_claims(signer: jwt_rs256.Signer, pair: jwt_rs256.KeyPair) -> None:
    text, _, signature = jwt_rs256.sign(signer, CLAIMS).rpartition(".")
    key = x509.load_der_x509_certificate(pair.certificate).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(decoded(signature), text.encode(), padding.PKCS1v15(), SHA256())


def test_token_with_changed_claims_is_refused(signer: jwt_rs256.Signer, public: PublicKey) -> None:
    header, _, signature = jwt_rs256.sign(signer, CLAIMS).split(".")
    forged = f"{header}.{part({**CLAIMS, 'sub': 'user_2'})}.{signature}"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(forged, jwk(public), algorithms=["RS256"])


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "RS512"])
def test_token_with_another_algorithm_is_refused_by_pyjwt(
    signer: jwt_rs256.Signer, pair: jwt_rs256.KeyPair, public: PublicKey, alg: str
) -> None:
    key = x509.load_der_x509_certificate(pair.certificate).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{part({'alg': alg, 'kid': 'key_1', 'typ': 'JWT'})}.{part(CLAIMS)}"
    mac = base64.urlsafe_b64encode(hmac.digest(pem, text.encode(), "sha256")).rstrip(b"=").decode()
    for signature in ("", mac, jwt_rs256.sign(signer, CLAIMS).rpartition(".")[2]):
        # The JWK says RS256, and PyJWT enforces it even when the caller names no algorithm.
        for algorithms in (None, ["RS256"]):
            with pytest.raises(jwt.InvalidTokenError):
                jwt.decode(f"{text}.{signature}", jwk(public), algorithms=algorithms)


def test_key_is_2048_bit_rsa_with_exponent_65537(pair: jwt_rs256.KeyPair, public: PublicKey) -> None:
    private = load_der_private_key(pair.private_key, None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == 2048
    assert public.e == "AQAB"
    assert len(decoded(public.n)) == 256
    assert int.from_bytes(decoded(public.n), "big") == private.private_numbers().public_numbers.n


def test_certificate_is_self_signed_with_the_signing_key(pair: jwt_rs256.KeyPair, public: PublicKey) -> None:
    der = base64.b64decode(public.certificate, validate=True)
    assert der == pair.certificate
    certificate = x509.load_der_x509_certificate(der)
    certificate.verify_directly_issued_by(certificate)
    assert certificate.subject.rfc4514_string() == "CN=client_1"
    assert certificate.serial_number == 2**152 - 1
    assert certificate.not_valid_before_utc.timestamp() == NOT_BEFORE
    validity = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert validity.days == 3650
    assert decoded(public.thumbprint) == hashlib.sha256(der).digest()


def test_long_client_id_is_cut_to_fit_the_certificate() -> None:
    key_pair = jwt_rs256.new_key_pair("client_" + "x" * 300, not_before=NOT_BEFORE, serial=1)
    subject = x509.load_der_x509_certificate(key_pair.certificate).subject
    assert [len(attribute.value) for attribute in subject] == [64]


def test_each_new_key_pair_is_different() -> None:
    key_pairs = [jwt_rs256.new_key_pair("client_1", not_before=NOT_BEFORE, serial=1) for _ in range(2)]
    assert key_pairs[0].private_key != key_pairs[1].private_key


def test_key_that_is_not_rsa_is_refused() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(TypeError, match="RSA"):
        jwt_rs256.load_signer("key_1", der)
