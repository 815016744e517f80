"""Which format a file has: the one place that knows, by its first bytes and the names in it."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from authfactor.factor_files import documents, lines
from authfactor.factor_files.entries import Read, UnreadableFile

LINE_FORMATS: Final[dict[str, Callable[[lines.Lines], Iterator[Read]]]] = {
    "otpauth": lines.otpauth_list,
    "oath-csv": lines.oath_csv,
    "yubico-csv": lines.yubico_csv,
    "csv": lines.table,
    "ndjson": lines.ndjson,
}
DOCUMENT_FORMATS: Final = (
    "aegis",
    "2fas",
    "bitwarden",
    "bitwarden-csv",
    "proton",
    "freeotp-plus",
    "andotp",
    "stratum",
    "keycloak",
    "authelia",
    "auth0",
    "kratos",
    "privacyidea",
    "pskc",
    "qr",
)
FORMATS: Final = (*LINE_FORMATS, *DOCUMENT_FORMATS)
HEAD_BYTES: Final = 64 * 1024
"""How much of a file `detect` looks at."""

_PICTURES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_OF_USERS: Final = ("authfactor_export", "totp_secret", "mfa_factors", "email", "factors", "secret")
_OATH_CELLS: Final = 3
_YUBICO: Final = ("oath-hotp", "yubico otp", "static password", "challenge-response", "logging start")


def detect(head: bytes) -> str:
    """Return the format of a file with this beginning; `json` for a document that must be read first.

    Raises `UnreadableFile`.
    """
    if head.startswith(_PICTURES):
        return "qr"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return "pskc"
    return _detect_text(head)


def _detect_text(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()
    first = text.split("\n", 1)[0].strip()
    lowered = text.lower()
    if not text:
        raise UnreadableFile("The file is empty.")
    if first.startswith("{") and first.endswith("}") and _is_user(first):
        return "ndjson"
    if text.startswith(("{", "[")):
        return "json"
    if "otpauth://" in lowered.split(",", 1)[0] or "otpauth-migration://" in lowered:
        return "otpauth"
    if "totp_configurations:" in lowered:
        return "authelia"
    return _detect_csv(first.lower(), lowered)


def _is_user(line: str) -> bool:
    """Return whether a line is an object of a user, and not a whole document in one line."""
    try:
        value = documents.decode(line.encode())
    except UnreadableFile:
        return False
    return any(name in value for name in _OF_USERS)


def _detect_csv(first: str, lowered: str) -> str:
    if any(first.startswith(name) or f",{name}," in f",{first}," for name in _YUBICO):
        return "yubico-csv"
    if "login_totp" in first:
        return "bitwarden-csv"
    rows = [line for line in lowered.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    cells = [cell.strip() for cell in rows[0].split(",")] if rows else []
    if any(cell in {"totp", "hotp"} for cell in cells) or (
        len(cells) >= _OATH_CELLS - 1 and any(len(cell) >= 20 and _is_hex(cell) for cell in cells)  # noqa: PLR2004 - 10 bytes
    ):
        return "oath-csv"
    if len(cells) > 1 or cells[:1] in (["totp_secret"], ["secret"]):
        return "csv"
    raise UnreadableFile("The format of the file is not known. Name it with --format.")


def _is_hex(text: str) -> bool:
    return set(text) <= set("0123456789abcdef")


def detect_document(value: Any) -> str:  # noqa: ANN401 - any document
    """Return the format of a JSON document. Raises `UnreadableFile`."""
    if isinstance(value, dict):
        for name, keys in _DOCUMENTS:
            if all(key in value for key in keys):
                return name
    if isinstance(value, list):
        found = next((each for each in value if isinstance(each, dict)), {})
        for name, keys in _LISTS:
            if any(key in found for key in keys):
                return name
    raise UnreadableFile("The format of the JSON document is not known. Name it with --format.")


_DOCUMENTS: Final = (
    ("aegis", ("header", "db")),
    ("2fas", ("schemaVersion",)),
    ("freeotp-plus", ("tokens",)),
    ("stratum", ("Authenticators",)),
    ("bitwarden", ("encrypted", "items")),
    ("bitwarden", ("items",)),
    ("keycloak", ("users", "realm")),
    ("keycloak", ("users",)),
    ("proton", ("entries",)),
    ("kratos", ("credentials",)),
)
_LISTS: Final = (
    ("auth0", ("mfa_factors",)),
    ("kratos", ("credentials", "schema_id")),
    ("privacyidea", ("otpkey", "otplen")),
    ("andotp", ("secret", "label")),
    ("auth0", ("email",)),
)
