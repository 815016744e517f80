"""Exports of servers: Keycloak, Auth0, Kratos, privacyIDEA."""

from collections.abc import Iterator
from typing import Any, Final

from authfactor.factor_files import documents, otpauth_uri
from authfactor.factor_files.entries import (
    FactorEntry,
    Read,
    UnusableEntryError,
    drift_of,
    each,
    hex_secret_of,
    long_enough,
    name_of,
    profile_of,
    secret_of,
)

_MOST_CODES: Final = 50
Owned = tuple[documents.Object, documents.Object]
"""A user, and one of the user's credentials."""


def keycloak(document: documents.Object, _: str | None) -> Iterator[Read]:
    """Read an export of a realm with its users."""
    return each(_owned(document, ("users",), ("credentials",)), _keycloak_entry)


def _owned(
    document: object, users: tuple[str, ...], credentials: tuple[str, ...]
) -> Iterator[tuple[str, Owned]]:
    for user_at, user in documents.placed(document, *users):
        for at, credential in documents.placed(user, *credentials):
            yield f"{user_at}.{at}", (user, credential)


def _keycloak_entry(at: str, owned: Owned) -> FactorEntry | None:
    user, credential = owned
    if credential.get("type") != "otp":
        return None
    data = documents.embedded(credential.get("credentialData"))
    text = documents.at(documents.embedded(credential.get("secretData")), "value")
    if not isinstance(data, dict):
        raise UnusableEntryError("entry_damaged", "credentialData")
    profile = profile_of(
        data.get("algorithm"), data.get("digits"), data.get("period"), kind=str(data.get("subType") or "totp")
    )
    encoding = data.get("secretEncoding")
    if encoding is None:
        # The characters themselves are the key.
        secret = (
            long_enough(text.encode("utf-8", "surrogatepass")) if isinstance(text, str) else secret_of(text)
        )
    elif encoding == "BASE32":
        secret = secret_of(text)
    else:
        raise UnusableEntryError("secret_invalid", "secretEncoding is unknown")
    return FactorEntry(
        at,
        secret,
        profile,
        None,
        name_of(user.get("username")),
        name_of(user.get("email")),
        name_of(user.get("id")) or name_of(user.get("username")),
    )


def auth0(document: documents.Object, _: str | None) -> Iterator[Read]:
    """Read a file for Auth0's bulk import of users, a list of them."""
    return each(_owned(document, ("entries",), ("mfa_factors",)), _auth0_entry)


def _auth0_entry(at: str, owned: Owned) -> FactorEntry | None:
    user, factor = owned
    totp = factor.get("totp")
    if not isinstance(totp, dict):
        return None
    email, own_id = name_of(user.get("email")), name_of(user.get("user_id"))
    return FactorEntry(at, secret_of(totp.get("secret")), profile_of(), None, None, email, own_id)


def kratos(document: documents.Object, _: str | None) -> Iterator[Read]:
    """Read identities with their credentials, with recovery codes that are unused."""
    return each(documents.placed(document, "entries"), _kratos_entry)


def _kratos_entry(at: str, identity: documents.Object) -> FactorEntry | None:
    url = documents.at(identity, "credentials", "totp", "config", "totp_url")
    if url is None:
        return None
    traits = documents.at(identity, "traits")
    email = name_of(documents.at(traits, "email"))
    entry = otpauth_uri.read_any(at, url, email)
    if entry is None:
        return None
    codes = documents.objects(identity, "credentials", "lookup_secret", "config", "recovery_codes")
    unused = [code["code"] for _, code in codes if isinstance(code.get("code"), str) and _is_unused(code)]
    own_id = name_of(identity.get("external_id")) or name_of(identity.get("id"))
    return entry._replace(email=email, external_id=own_id, recovery_codes=tuple(unused[:_MOST_CODES]))


def _is_unused(code: dict[str, Any]) -> bool:
    # Written as null, empty, or the zero time.
    used = code.get("used_at")
    return not used or str(used).startswith("0001-")


def privacyidea(document: documents.Object, _: str | None) -> Iterator[Read]:
    """Read tokens of privacyIDEA, a list of them."""
    return each(documents.placed(document, "entries"), _privacyidea_entry)


def _privacyidea_entry(at: str, token: documents.Object) -> FactorEntry:
    info = token.get("info_list")
    profile = profile_of(
        documents.at(info, "hashlib"),
        token.get("otplen"),
        documents.at(info, "timeStep"),
        kind=str(token.get("type")),
    )
    shift = documents.at(info, "timeShift")
    try:
        drift = round(float(str(shift or 0)) / profile.period)
    except (ValueError, OverflowError):
        drift = 0
    login, serial = name_of(documents.at(token, "user", "login")), name_of(token.get("serial"))
    secret = hex_secret_of(token.get("otpkey"))
    return FactorEntry(at, secret, profile, None, serial, external_id=login, drift=drift_of(drift))
