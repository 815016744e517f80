"""Files with one entry a line, read line by line, so that they may be of any size."""

import csv
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import msgspec

from authfactor.factor_files import documents, migration_payload, otpauth_uri
from authfactor.factor_files.entries import (
    MAX_LINE_BYTES,
    FactorEntry,
    Read,
    Refused,
    UnreadableFile,
    UnusableEntryError,
    drift_of,
    each,
    hex_secret_of,
    name_of,
    profile_of,
    secret_of,
    shown,
)

Lines = Iterable[tuple[str, str | None]]
"""Lines with their places; None for one that is too long or no UTF-8."""

# By name in the first line: what else the columns of a table may be called.
_COLUMNS: Final = {
    "email": ("email", "email_address", "user_email"),
    "external_id": ("external_id", "user_external_id", "login", "username"),
    "secret": ("totp_secret", "secret", "otp_secret"),
    "uri": ("totp_url", "totp_uri", "uri", "otpauth", "login_totp"),
    "issuer": ("totp_issuer", "issuer"),
    "account": ("totp_user", "account", "label", "login_username"),
    "algorithm": ("algorithm", "totp_algorithm"),
    "digits": ("digits", "totp_digits"),
    "period": ("period", "totp_period"),
}
_BY_LENGTH: Final = {32: "SHA256", 64: "SHA512"}


def numbered(readline: Callable[[int], bytes]) -> Iterator[tuple[str, str | None]]:
    """Yield the lines of a file that are not empty; one that is too long is skipped in small parts."""
    number = 0
    while line := readline(MAX_LINE_BYTES):
        number += 1
        too_long = False
        part = line
        while not part.endswith(b"\n") and len(part) == MAX_LINE_BYTES:
            too_long = True
            part = readline(MAX_LINE_BYTES)
        text = None if too_long else _decoded(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
        if text is None or text.strip():
            yield f"line {number}", text


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return None


def _texts(lines: Lines) -> Iterator[Refused | tuple[str, str]]:
    for at, text in lines:
        yield Refused(at, "line_unreadable", "too long, or not UTF-8") if text is None else (at, text)


def otpauth_list(lines: Lines) -> Iterator[Read]:
    """Read a list of `otpauth` URIs, also of migration URIs; lines that begin with # are comments."""
    payloads = []
    for given in _texts(lines):
        if isinstance(given, Refused):
            yield given
            continue
        at, text = given
        if text.lstrip().startswith("#"):
            continue
        if text.strip().lower().startswith(migration_payload.SCHEME):
            try:
                payload = migration_payload.read(at, text)
            except UnreadableFile as error:
                yield Refused(at, "uri_invalid", error.message)
                continue
            payloads.append(payload._replace(entries=[]))
            yield from payload.entries
        else:
            yield from each([given], otpauth_uri.read)
    yield from migration_payload.missing(payloads)


def oath_csv(lines: Lines) -> Iterator[Read]:
    """Read serial numbers, keys in hexadecimal digits, type, digits and period: the files of tokens.

    After `# version: 2`, user, resolver and realm come first.
    """
    skipped = 0
    for given in _texts(lines):
        if isinstance(given, Refused):
            yield given
        elif given[1].lstrip().startswith("#"):
            skipped = 3 if "".join(given[1].split()).lower() == "#version:2" else skipped
        else:
            yield from each([given], partial(_oath, skipped=skipped))


def _oath(at: str, text: str, *, skipped: int) -> FactorEntry:
    row = [cell.strip() for cell in _cells(text)]
    user = row[0] if skipped and row else None
    serial, key, kind, digits, period, algorithm = [*row[skipped:], *[""] * 6][:6]
    kind = kind or "hotp"
    if kind.lower() != "totp":
        raise UnusableEntryError("type_not_supported", f"type={shown(kind)}")
    secret = hex_secret_of(key)
    # Few files name the hash. Else the length of the key tells, as it does to the servers that read them.
    profile = profile_of(algorithm or _BY_LENGTH.get(len(secret)), digits, period, kind=kind)
    return FactorEntry(at, secret, profile, None, name_of(serial), external_id=name_of(user))


def yubico_csv(_: Lines) -> Iterator[Read]:
    """Refuse the log of YubiKey's personalization tool, which has no TOTP secrets."""
    raise UnreadableFile(
        "This is a Yubico CSV. It has Yubico OTP and HOTP secrets only, neither of which is a TOTP factor."
    )


def table(lines: Lines) -> Iterator[Read]:
    """Read a CSV file whose first line names its columns: the one of the official importer, and others."""
    columns: dict[str, int] | None = None
    for given in _texts(lines):
        if isinstance(given, Refused):
            yield given
        elif columns is None:
            columns = columns_of(_head(given[1]))
        else:
            yield from each([given], partial(_row, columns=columns))


def _head(text: str) -> list[str]:
    try:
        return _cells(text)
    except UnusableEntryError as error:
        raise UnreadableFile("The first line of the CSV file does not name its columns.") from error


def _row(at: str, text: str, *, columns: dict[str, int]) -> FactorEntry | None:
    return row_of(at, _cells(text), columns)


def columns_of(names: list[str]) -> dict[str, int]:
    """Return where the columns are. Raises `UnreadableFile` when none has a secret."""
    cleaned = [name.strip().lower() for name in names]
    found = {
        field: cleaned.index(spelling)
        for field, spellings in _COLUMNS.items()
        for spelling in reversed(spellings)
        if spelling in cleaned
    }
    if "secret" not in found and "uri" not in found:
        raise UnreadableFile(
            "No column of the CSV file has secrets. Its first line names the columns: one is totp_secret."
        )
    return found


def row_of(at: str, cells: list[str], columns: dict[str, int]) -> FactorEntry | None:
    """Return the entry of a row; None if it has no secret. Raises `UnusableEntryError`."""
    values = {field: cells[place].strip() for field, place in columns.items() if place < len(cells)}
    email, external_id = name_of(values.get("email")), name_of(values.get("external_id"))
    issuer, account = name_of(values.get("issuer")), name_of(values.get("account"))
    text = values.get("uri") or values.get("secret")
    if not text:
        return None
    if "://" in text:
        entry = otpauth_uri.read_any(at, text, account, issuer)
        return None if entry is None else entry._replace(email=email, external_id=external_id)
    profile = profile_of(values.get("algorithm"), values.get("digits"), values.get("period"))
    return FactorEntry(at, secret_of(text), profile, issuer, account, email, external_id)


def _cells(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise UnusableEntryError("row_invalid") from None


def ndjson(lines: Lines) -> Iterator[Read]:
    """Read one JSON object of a user a line: the official importer's, Auth0's, and this server's exports."""
    for given in _texts(lines):
        if isinstance(given, Refused):
            yield given
            continue
        at, text = given
        try:
            user = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            yield Refused(at, "row_invalid")
            continue
        if isinstance(user, dict):
            yield from each(_of_user(at, user), _ndjson_entry)
        else:
            yield Refused(at, "row_invalid")


def _of_user(at: str, user: dict[str, Any]) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, Any]]]]:
    if "totp_secret" in user or "secret" in user:
        yield at, (user, {"secret": user.get("totp_secret") or user.get("secret")})
    for name in ("mfa_factors", "factors"):
        for place, factor in documents.placed(user, name):
            yield f"{at}, {place}", (user, factor)


def _ndjson_entry(at: str, given: tuple[dict[str, Any], dict[str, Any]]) -> FactorEntry | None:
    user, factor = given
    inner = factor.get("totp")
    totp: dict[str, Any] = inner if isinstance(inner, dict) else factor
    if "secret" not in totp:
        return None  # a phone or an email address, which is no TOTP factor
    profile = profile_of(
        totp.get("algorithm"), totp.get("digits"), totp.get("period"), kind=str(factor.get("type") or "totp")
    )
    return FactorEntry(
        at,
        secret_of(totp["secret"]),
        profile,
        name_of(factor.get("issuer") or user.get("totp_issuer")),
        name_of(factor.get("account") or user.get("totp_user")),
        name_of(user.get("email")),
        name_of(user.get("external_id") or user.get("id")),
        drift_of(factor.get("drift")),
    )
