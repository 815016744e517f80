"""Authenticator data and attestation objects (WebAuthn 6.1 and 6.5.4): bounded here, parsed by `fido2`."""

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from authfactor.webauthn.cbor_bounds import InvalidCbor, end_of_item, is_map_of
from authfactor.webauthn.refusals import malformed

if TYPE_CHECKING:
    from fido2.cose import CoseKey

MAX_CREDENTIAL_ID: Final = 1023

_USER_PRESENT: Final = 0x01
_USER_VERIFIED: Final = 0x04
_BACKUP_ELIGIBLE: Final = 0x08
_BACKED_UP: Final = 0x10
_ATTESTED: Final = 0x40
_EXTENSIONS: Final = 0x80
_FLAGS_AT: Final = 32
_ATTESTED_AT: Final = 37
_AAGUID_BYTES: Final = 16
_CREDENTIAL_ID_AT: Final = _ATTESTED_AT + _AAGUID_BYTES + 2
# An attestation object has fmt, attStmt and authData; with exactly three entries none can be there twice.
_ATTESTATION_ENTRIES: Final = 3
# What fido2 raises for a wrong type or a missing member.
_UNREADABLE: Final = (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error)


class AttestedCredential(NamedTuple):
    """A new credential: the authenticator's model as 16 bytes, the credential's id, and its public key."""

    aaguid: bytes
    id: bytes
    key: "CoseKey"


class AuthenticatorReport(NamedTuple):
    """What an authenticator signed besides the client data; `raw` is the signed form."""

    raw: bytes
    rp_id_hash: bytes
    user_present: bool
    user_verified: bool
    backup_eligible: bool
    backed_up: bool
    sign_count: int
    attested: AttestedCredential | None


class Attestation(NamedTuple):
    """An attestation object: `format` is the registered name of the statement's format."""

    format: str
    statement: Mapping[str, Any]
    report: AuthenticatorReport


def read_authenticator_data(raw: bytes) -> AuthenticatorReport:
    """Parse authenticator data. Raises `CeremonyRefused`."""
    from fido2.webauthn import AuthenticatorData  # noqa: PLC0415 - 25 ms that a start need not spend

    try:
        key_at = _check_bounds(raw)
        parsed = AuthenticatorData(raw)
        flags, credential = int(parsed.flags), parsed.credential_data
        attested = None
        if credential is not None:
            attested = AttestedCredential(credential.aaguid, credential.credential_id, credential.public_key)
            if not is_map_of(raw, len(attested.key), key_at):
                raise InvalidCbor("the key has a label twice")
    except _UNREADABLE as error:
        raise malformed("The authenticator data cannot be parsed.") from error
    return AuthenticatorReport(
        raw,
        parsed.rp_id_hash,
        user_present=bool(flags & _USER_PRESENT),
        user_verified=bool(flags & _USER_VERIFIED),
        backup_eligible=bool(flags & _BACKUP_ELIGIBLE),
        backed_up=bool(flags & _BACKED_UP),
        sign_count=parsed.counter,
        attested=attested,
    )


def read_attestation_object(raw: bytes) -> Attestation:
    """Parse an attestation object and the authenticator data in it. Raises `CeremonyRefused`."""
    from fido2 import cbor  # noqa: PLC0415 - not at a start

    try:
        end_of_item(raw)
        decoded: Any = cbor.decode(raw)
        kind, statement, data = decoded["fmt"], decoded["attStmt"], decoded["authData"]
    except _UNREADABLE as error:
        raise malformed("The attestation object cannot be parsed.") from error
    typed = isinstance(kind, str) and isinstance(statement, dict) and isinstance(data, bytes)
    if not (typed and is_map_of(raw, _ATTESTATION_ENTRIES)):
        raise malformed("The attestation object does not have exactly the members fmt, attStmt and authData.")
    return Attestation(kind, statement, read_authenticator_data(data))


def _check_bounds(raw: bytes) -> int:
    """Check lengths and CBOR items, and return where the public key begins. Raises `InvalidCbor`."""
    flags, at, key_at = raw[_FLAGS_AT : _FLAGS_AT + 1] or b"\0", _ATTESTED_AT, 0
    if flags[0] & _ATTESTED:
        length = int.from_bytes(raw[_CREDENTIAL_ID_AT - 2 : _CREDENTIAL_ID_AT], "big")
        if not 0 < length <= MAX_CREDENTIAL_ID:
            raise InvalidCbor("the credential id is empty or too long")
        key_at = _CREDENTIAL_ID_AT + length
        at = end_of_item(raw, key_at)
    if flags[0] & _EXTENSIONS:
        at = end_of_item(raw, at)
    if at != len(raw):
        raise InvalidCbor("bytes are missing or left")
    return key_at
