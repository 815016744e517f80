"""The BLOB of the FIDO Metadata Service (MDS3 section 3.1): models of authenticators, signed as a JWT.

Read without the classes of `fido2`, whose check of the chain knows neither validity nor authorities, and
which take each member of a statement that they do not expect for an error (decision 0050).
"""

from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from authfactor.models.passkeys import AuthenticatorModel
from authfactor.webauthn import base64url
from authfactor.webauthn.certificates import InvalidChain, check_chain
from authfactor.webauthn.refusals import CeremonyRefused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

MAX_BLOB: Final = 64 * 1024 * 1024
MAX_MODELS: Final = 20_000
REFUSED_STATUSES: Final = frozenset(
    {
        "REVOKED",
        "USER_KEY_PHYSICAL_COMPROMISE",
        "USER_KEY_REMOTE_COMPROMISE",
        "USER_VERIFICATION_BYPASS",
        "ATTESTATION_KEY_COMPROMISE",
    }
)
_MAX_DESCRIPTION: Final = 120
_MAX_ROOTS: Final = 100
_DOTS: Final = 2
_P256_BYTES: Final = 32


class BlobRefused(Exception):
    """The file is no BLOB, or not signed by one of the roots; the message says which."""


class MetadataBlob(NamedTuple):
    """A verified BLOB: its serial number, when the next is due (milliseconds), and its models by AAGUID."""

    number: int
    next_update: int
    models: list[AuthenticatorModel]


class _Header(msgspec.Struct):
    alg: str
    x5c: list[str] = []


class _StatusReport(msgspec.Struct, rename="camel"):
    status: str
    effective_date: str | None = None


class _Statement(msgspec.Struct, rename="camel"):
    description: str = ""
    key_protection: list[str] = []
    attestation_root_certificates: list[str] = []


class _Entry(msgspec.Struct, rename="camel"):
    aaguid: str | None = None
    metadata_statement: _Statement = msgspec.field(default_factory=_Statement)
    status_reports: list[_StatusReport] = []


class _Payload(msgspec.Struct, rename="camel"):
    no: int
    next_update: str
    entries: list[_Entry]


_Shape = TypeVar("_Shape", bound=msgspec.Struct)


def read_blob(blob: bytes, roots: Sequence[bytes], now: int) -> MetadataBlob:
    """Verify a BLOB against roots (DER) at a time in milliseconds, and return it. Raises `BlobRefused`."""
    if len(blob) > MAX_BLOB:
        raise BlobRefused(f"The file is longer than {MAX_BLOB} bytes.")
    text = blob.strip()
    signed, _, signature = text.rpartition(b".")
    header_text, _, payload_text = signed.partition(b".")
    if text.count(b".") != _DOTS:
        raise BlobRefused("The file is not the BLOB of a FIDO metadata service: header.payload.signature.")
    header = _decoded(header_text, _Header)
    try:
        signer = check_chain([b64decode(each) for each in header.x5c], roots, now)
    except InvalidChain as error:
        raise BlobRefused(f"The certificate chain of the BLOB is refused: {error}.") from error
    except ValueError as error:
        raise BlobRefused("The certificate chain of the BLOB cannot be parsed.") from error
    if not _is_signed_by(signer, header.alg, signed, _bytes(signature)):
        raise BlobRefused("The signature of the BLOB is wrong: the file was changed or is damaged.")
    payload = _decoded(payload_text, _Payload)
    models = {model.aaguid: model for model in map(_model, payload.entries) if model is not None}
    if len(models) > MAX_MODELS:
        raise BlobRefused(f"The BLOB has more than {MAX_MODELS} models.")
    return MetadataBlob(payload.no, _milliseconds(payload.next_update), list(models.values()))


def _model(entry: _Entry) -> AuthenticatorModel | None:
    """Return an entry's model; None for one without an AAGUID, as of U2F and UAF."""
    if entry.aaguid is None:
        return None
    statement = entry.metadata_statement
    # Every report counts, not the newest alone: a repaired model does not repair keys that were sold before.
    reports = [each for each in entry.status_reports if each.status in REFUSED_STATUSES]
    dated = sorted((_milliseconds(each.effective_date), each.status) for each in reports)
    refused_from, status = dated[0] if dated else (None, None)
    try:
        aaguid = str(UUID(entry.aaguid))
        trusted = [b64decode(each) for each in statement.attestation_root_certificates[:_MAX_ROOTS]]
    except ValueError as error:
        raise BlobRefused("An entry of the BLOB cannot be parsed.") from error
    printable = "".join(each if each.isprintable() else " " for each in statement.description)
    protection = statement.key_protection
    return AuthenticatorModel(
        aaguid,
        printable.strip()[:_MAX_DESCRIPTION],
        "hardware" in protection and "software" not in protection,
        status,
        refused_from,
        tuple(trusted),
    )


def _is_signed_by(signer: "Certificate", algorithm: str, message: bytes, signature: bytes) -> bool:
    """Tell whether a JWS is signed with the certificate's key (RFC 7518 sections 3.3 and 3.4)."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - not at a start
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - the same
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils  # noqa: PLC0415 - the same

    key = signer.public_key()
    try:
        if algorithm == "RS256" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            return True
        if algorithm == "ES256" and isinstance(key, ec.EllipticCurvePublicKey):
            r, s = signature[:_P256_BYTES], signature[_P256_BYTES:]
            encoded = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
            key.verify(encoded, message, ec.ECDSA(hashes.SHA256()))
            return True
    except InvalidSignature:
        return False
    raise BlobRefused("The BLOB is signed neither with RS256 nor with ES256.")


def _milliseconds(day: str | None) -> int:
    """Return the beginning of a day in UTC; 0 for none, which is in the past."""
    if day is None:
        return 0
    try:
        read = date.fromisoformat(day)
    except ValueError as error:
        raise BlobRefused("A date of the BLOB cannot be parsed.") from error
    return int(datetime(read.year, read.month, read.day, tzinfo=UTC).timestamp()) * 1000


def _decoded(part: bytes, shape: type[_Shape]) -> _Shape:
    try:
        return msgspec.json.decode(_bytes(part), type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BlobRefused("The file is not the BLOB of a FIDO metadata service.") from error


def _bytes(part: bytes) -> bytes:
    try:
        return base64url.decode(part.decode("ascii"), "the BLOB", MAX_BLOB)
    except (CeremonyRefused, UnicodeDecodeError) as error:
        raise BlobRefused("The file is not the BLOB of a FIDO metadata service.") from error
