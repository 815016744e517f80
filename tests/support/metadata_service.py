"""A metadata service and a maker of authenticators, for tests: certificates, signed BLOBs, attestation."""

import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.passkeys import to_text

NOW: Final = 1_700_000_000_000
"""Milliseconds; certificates are valid from a day before to ten years after."""

AAGUID: Final = "01020304-0506-0708-090a-0b0c0d0e0f10"
AAGUID_BYTES: Final = bytes(range(1, 17))
SOFT_AAGUID: Final = "11020304-0506-0708-090a-0b0c0d0e0f10"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_START: Final = datetime.fromtimestamp(NOW / 1000, UTC) - timedelta(days=1)


class Authority:
    """A key with its certificate. Without an issuer it is a root."""

    def __init__(
        self,
        name: str,
        issuer: "Authority | None" = None,
        *,
        key: PrivateKey | None = None,
        authority: bool = True,
        path_length: int | None = None,
        days: int = 3650,
        constraints: bool = True,
        extension: x509.ExtensionType | None = None,
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        parts = [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "SE"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Acme Keys"),
            x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "Authenticator Attestation"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
        ]
        subject = x509.Name(parts)
        by: PrivateKey = self.key if issuer is None else issuer.key
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if issuer is None else issuer.certificate.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_START)
            .not_valid_after(_START + timedelta(days=days))
        )
        if constraints:
            basic = x509.BasicConstraints(ca=authority, path_length=path_length if authority else None)
            built = built.add_extension(basic, critical=True)
        if extension is not None:
            built = built.add_extension(extension, critical=False)
        self.certificate: x509.Certificate = built.sign(by, hashes.SHA256())
        self.der: bytes = self.certificate.public_bytes(Encoding.DER)
        self.pem = self.certificate.public_bytes(Encoding.PEM)


ROOT: Final = Authority("Metadata root")
SERVICE: Final = Authority("Metadata service", ROOT, authority=False)
MAKER: Final = Authority("Maker's root")
BATCH: Final = Authority("Batch 1", MAKER, authority=False)
"""What a batch of authenticators attests with; `MAKER` is its root in the metadata."""


def entry(
    aaguid: str = AAGUID,
    *,
    statuses: Sequence[tuple[str, str | None]] = (("FIDO_CERTIFIED_L1", "2020-01-01"),),
    protection: Sequence[str] = ("hardware", "secure_element"),
    roots: Sequence[bytes] = (MAKER.der,),
    description: str = "Acme Key 5",
) -> dict[str, Any]:
    return {
        "aaguid": aaguid,
        "metadataStatement": {
            "description": description,
            "keyProtection": list(protection),
            "attestationRootCertificates": [b64encode(each).decode() for each in roots],
            "icon": "data:image/png;base64,AAAA",
        },
        "statusReports": [
            {"status": status} | ({"effectiveDate": day} if day else {}) for status, day in statuses
        ],
        "timeOfLastStatusChange": "2020-01-01",
    }


def payload(*entries: dict[str, Any], number: int = 7, next_update: str = "2023-12-01") -> dict[str, Any]:
    return {
        "legalHeader": "test",
        "no": number,
        "nextUpdate": next_update,
        "entries": list(entries or [entry()]),
    }


def blob(
    content: dict[str, Any] | None = None,
    *,
    signer: Authority = SERVICE,
    chain: Sequence[Authority] = (SERVICE,),
    algorithm: str = "ES256",
) -> bytes:
    """Return a BLOB: header, payload and signature."""
    header = {"alg": algorithm, "typ": "JWT", "x5c": [b64encode(each.der).decode() for each in chain]}
    parts = [to_text(json.dumps(each).encode()) for each in (header, content or payload())]
    signed = ".".join(parts).encode()
    return signed + b"." + to_text(_signature(signer.key, signed)).encode()


def _signature(key: PrivateKey, message: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
