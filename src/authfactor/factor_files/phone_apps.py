"""Exports of apps on phones: Aegis, 2FAS, FreeOTP+, andOTP, Stratum."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

from authfactor.factor_files import documents, key_derivation
from authfactor.factor_files.entries import (
    FactorEntry,
    Read,
    UnreadableFile,
    UnusableEntryError,
    each,
    long_enough,
    name_of,
    profile_of,
    secret_of,
    split_label,
)

_MAX_SLOTS: Final = 16
_AEGIS_PASSWORD: Final = 1
_TWOFAS_ITERATIONS: Final = 10_000
_TWOFAS_NEWEST: Final = 4
_STRATUM_TOTP: Final = 2
_STRATUM_ALGORITHMS: Final = {0: "SHA1", 1: "SHA256", 2: "SHA512"}
_GCM_TAG: Final = 16


def aegis(document: documents.Object, passphrase: str | None) -> Iterator[Read]:
    """Read an Aegis vault, plain or encrypted."""
    if documents.at(document, "version") != 1:
        raise UnreadableFile("This is an Aegis vault of a version that is not known.")
    database = document.get("db")
    if isinstance(database, str):
        database = documents.decode(_opened_vault(document, database, key_derivation.needed(passphrase)))
    return each(documents.placed(database, "entries"), _aegis_entry)


def _opened_vault(document: documents.Object, database: str, passphrase: str) -> bytes:
    params = documents.at(document, "header", "params")
    slots = [slot for _, slot in documents.objects(document, "header", "slots")]
    passwords = [slot for slot in slots[:_MAX_SLOTS] if slot.get("type") == _AEGIS_PASSWORD]
    if not passwords:
        raise UnreadableFile("The Aegis vault has no slot for a password. Export it with one, or plain.")
    for slot in passwords:
        derived = key_derivation.scrypt(
            passphrase, _hex(slot.get("salt")), slot.get("n"), slot.get("r"), slot.get("p")
        )
        try:
            key = _gcm(derived, slot.get("key_params"), _hex(slot.get("key")))
        except UnreadableFile:
            continue
        return _gcm(key, params, _base64(database))
    raise key_derivation.wrong_passphrase()


def _gcm(key: bytes, params: object, sealed: bytes) -> bytes:
    nonce, tag = _hex(documents.at(params, "nonce")), _hex(documents.at(params, "tag"))
    return key_derivation.open_gcm(key, nonce, sealed + tag)


def _aegis_entry(at: str, entry: documents.Object) -> FactorEntry:
    info = documents.at(entry, "info")
    profile = profile_of(
        documents.at(info, "algo"),
        documents.at(info, "digits"),
        documents.at(info, "period"),
        kind=str(entry.get("type")),
    )
    secret = secret_of(documents.at(info, "secret"))
    return FactorEntry(at, secret, profile, name_of(entry.get("issuer")), name_of(entry.get("name")))


def twofas(document: documents.Object, passphrase: str | None) -> Iterator[Read]:
    """Read a backup of 2FAS, plain or encrypted."""
    version = document.get("schemaVersion")
    if not isinstance(version, int) or not 1 <= version <= _TWOFAS_NEWEST:
        raise UnreadableFile("This is a 2FAS backup of a version that is not known.")
    sealed = document.get("servicesEncrypted")
    if isinstance(sealed, str) and sealed:
        parts = [_base64(part) for part in sealed.split(":")[:3]]
        if len(parts) != 3:  # noqa: PLR2004 - data, salt, nonce
            raise UnreadableFile("The encrypted 2FAS backup is damaged.")
        data, salt, nonce = parts
        key = key_derivation.pbkdf2("sha256", key_derivation.needed(passphrase), salt, _TWOFAS_ITERATIONS, 32)
        services = documents.decode(key_derivation.open_gcm(key, nonce, data))
        document = {"services": services}
    return each(documents.placed(document, "services"), _twofas_entry)


def _twofas_entry(at: str, service: documents.Object) -> FactorEntry:
    otp = documents.at(service, "otp")
    kind = str(documents.at(otp, "tokenType") or "TOTP")
    profile = profile_of(
        documents.at(otp, "algorithm"), documents.at(otp, "digits"), documents.at(otp, "period"), kind=kind
    )
    issuer = name_of(documents.at(otp, "issuer")) or name_of(service.get("name"))
    label = name_of(documents.at(otp, "account")) or name_of(documents.at(otp, "label"))
    return FactorEntry(at, secret_of(service.get("secret")), profile, issuer, split_label(label or "")[1])


def freeotp_plus(document: documents.Object, _: str | None) -> Iterator[Read]:
    """Read an export of FreeOTP+, whose secrets are lists of signed bytes."""
    return each(documents.placed(document, "tokens"), _freeotp_entry)


def _freeotp_entry(at: str, token: documents.Object) -> FactorEntry:
    values = token.get("secret")
    if not isinstance(values, list) or not all(_is_signed_byte(value) for value in values):
        raise UnusableEntryError("secret_invalid", "no list of bytes")
    profile = profile_of(
        token.get("algo"), token.get("digits"), token.get("period"), kind=str(token.get("type") or "TOTP")
    )
    secret = long_enough(bytes(value & 255 for value in values))
    issuer = name_of(token.get("issuerExt")) or name_of(token.get("issuerInt"))
    return FactorEntry(at, secret, profile, issuer, name_of(token.get("label")))


def _is_signed_byte(value: Any) -> bool:  # noqa: ANN401 - any value of the file
    return isinstance(value, int) and not isinstance(value, bool) and value in range(-128, 256)


def andotp(document: documents.Object, _: str | None) -> Iterator[Read]:
    """Read a plain backup of andOTP, a list of entries."""
    return each(documents.placed(document, "entries"), _andotp_entry)


def _andotp_entry(at: str, entry: documents.Object) -> FactorEntry:
    profile = profile_of(
        entry.get("algorithm"),
        entry.get("digits"),
        entry.get("period"),
        kind=str(entry.get("type") or "TOTP"),
    )
    label_issuer, account = split_label(str(entry.get("label") or ""))
    issuer = name_of(entry.get("issuer")) or label_issuer
    return FactorEntry(at, secret_of(entry.get("secret")), profile, issuer, account)


def stratum(document: documents.Object, _: str | None) -> Iterator[Read]:
    """Read a plain backup of Stratum (formerly Authenticator Pro)."""
    return each(documents.placed(document, "Authenticators"), _stratum_entry)


def _stratum_entry(at: str, entry: documents.Object) -> FactorEntry:
    number = entry.get("Type")
    kind = "totp" if number == _STRATUM_TOTP else f"{number}"
    algorithm = entry.get("Algorithm")
    name = _STRATUM_ALGORITHMS.get(algorithm) if isinstance(algorithm, int) else None
    profile = profile_of(name or str(algorithm), entry.get("Digits"), entry.get("Period"), kind=kind)
    secret = secret_of(entry.get("Secret"))
    return FactorEntry(at, secret, profile, name_of(entry.get("Issuer")), name_of(entry.get("Username")))


def _hex(text: object) -> bytes:
    try:
        return bytes.fromhex(text if isinstance(text, str) else "?")
    except ValueError:
        raise UnreadableFile("The header of the file is damaged.") from None


def _base64(text: object) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else "?", validate=True)
    except (ValueError, binascii.Error):
        raise UnreadableFile("The encrypted part of the file is damaged.") from None
