"""`otpauth://` URIs of any program: lenient in spelling, strict in what they ask for."""

from urllib.parse import parse_qsl, unquote, urlsplit

from authfactor.factor_files.entries import (
    FactorEntry,
    UnusableEntryError,
    name_of,
    profile_of,
    secret_of,
    split_label,
)

SCHEME = "otpauth://"


def read(at: str, text: str) -> FactorEntry:
    """Return the entry of a URI. Raises `UnusableEntryError`."""
    try:
        parts = urlsplit(text.strip())
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=32, errors="strict")
    except ValueError:
        raise UnusableEntryError("uri_invalid") from None
    if parts.scheme.lower() != "otpauth":
        raise UnusableEntryError("uri_invalid", "not an otpauth URI")
    given = {name.lower(): value for name, value in reversed(pairs)}
    label = unquote(parts.path.removeprefix("/"))
    issuer, account = split_label(label)
    profile = profile_of(given.get("algorithm"), given.get("digits"), given.get("period"), kind=parts.netloc)
    secret = secret_of(given.get("secret"))
    return FactorEntry(at, secret, profile, name_of(given.get("issuer")) or issuer, account)


def read_any(
    at: str, text: object, account: str | None = None, issuer: str | None = None
) -> FactorEntry | None:
    """Return the entry of a password manager's field: a URI, or a bare secret; None if it is empty.

    `account` and `issuer` are used where the field has none. Raises `UnusableEntryError`.
    """
    if not isinstance(text, str) or not text.strip():
        return None
    if text.strip().lower().startswith("steam://"):
        raise UnusableEntryError("type_not_supported", "type=steam")
    if "://" in text:
        entry = read(at, text)
        return entry._replace(account=entry.account or account, issuer=entry.issuer or issuer)
    return FactorEntry(at, secret_of(text), profile_of(), issuer, account)
