"""Access tokens: JWTs signed with RS256, and the keys that verify them (contract 4.5 and 4.7)."""

import base64
import datetime
import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from authfactor.models import PublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

# `cryptography` is imported inside the functions that use it: a start does not need it.

ALGORITHM: Final = "RS256"
KEY_BITS: Final = 2048


class KeyPair(NamedTuple):
    """A new signing key in PKCS #8 DER, and its self-signed certificate in DER (SDKs require `x5c`)."""

    private_key: bytes
    certificate: bytes


class Signer(NamedTuple):
    """A loaded private key and its encoded JWT header."""

    key_id: str
    private_key: "rsa.RSAPrivateKey"
    header: bytes


def new_key_pair(client_id: str, *, not_before: int, serial: int) -> KeyPair:
    """Generate an RSA key and a certificate valid for ten years.

    `not_before` is in epoch seconds, `serial` a random number of at most 159 bits (RFC 5280 section 4.1.2.2).
    """
    from cryptography import x509  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - see above
    from cryptography.x509.oid import NameOID  # noqa: PLC0415 - see above

    private_key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, client_id[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(serial)
        .not_valid_before(_datetime(not_before))
        .not_valid_after(_datetime(not_before + 10 * 365 * 24 * 3600))
        .sign(private_key, hashes.SHA256())
    )
    return KeyPair(
        private_key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        certificate.public_bytes(serialization.Encoding.DER),
    )


def load_signer(key_id: str, private_key: bytes) -> Signer:
    """Load a PKCS #8 DER private key for repeated use; loading costs three times as much as signing.

    Raises `TypeError` when it is not an RSA key.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - see above

    loaded = serialization.load_der_private_key(private_key, None)
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise TypeError("access tokens are signed with RSA keys only")
    header = _encode_segment({"alg": ALGORITHM, "kid": key_id, "typ": "JWT"})
    return Signer(key_id, loaded, header)


def sign(signer: Signer, claims: dict[str, Any]) -> str:
    """Return the claims as a signed JWT in compact serialization (RFC 7515 section 3.1)."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 - see above

    text = signer.header + b"." + _encode_segment(claims)
    signature = signer.private_key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode("ascii")


def public_key(certificate: bytes) -> PublicKey:
    """Return the JWK members (RFC 7517) of a DER certificate's key. Raises `TypeError` if it is not RSA."""
    from cryptography import x509  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - see above

    public = x509.load_der_x509_certificate(certificate).public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise TypeError("access tokens are signed with RSA keys only")
    numbers = public.public_numbers()
    return PublicKey(
        n=_base64url_integer(numbers.n),
        e=_base64url_integer(numbers.e),
        certificate=base64.b64encode(certificate).decode("ascii"),
        thumbprint=_base64url(hashlib.sha256(certificate).digest()),
    )


def _datetime(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _encode_segment(value: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=")


def _base64url_integer(value: int) -> str:
    return _base64url(value.to_bytes(-(-value.bit_length() // 8), "big"))


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
