"""What every reader of a file gives: entries, and refused ones with the reason; and what it checks.

An entry that cannot be imported is refused alone. A file that cannot be read raises `UnreadableFile`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

from authfactor import errors
from authfactor.otp import base32
from authfactor.otp.totp import ALGORITHMS, PROFILES, CodeProfile

T = TypeVar("T")
MIN_SECRET_BYTES: Final = 10
MAX_DOCUMENT_BYTES: Final = 32 * 1024 * 1024
"""Of a file that has to be read as a whole."""
MAX_LINE_BYTES: Final = 64 * 1024
MAX_TEXT: Final = 512
MAX_DRIFT: Final = 20
"""Steps; a clock that is farther off is resynced here."""
_ALGORITHM_NAMES: Final = {
    spelling: name
    for name in ALGORITHMS
    for spelling in (name, f"HMAC{name}", f"HMAC-{name}", f"SHA-{name[3:]}", f"HMAC-SHA-{name[3:]}")
}


class UnreadableFile(errors.InvalidRequest):
    """A file that none of the readers can read; the message says what is wrong and what to do."""

    def __init__(self, message: str) -> None:
        """`message` never has a part of the file that may be a secret."""
        super().__init__(message=message)


class PassphraseNeeded(UnreadableFile):
    """The file is encrypted, and no passphrase was given, or a wrong one."""


class UnusableEntryError(Exception):
    """An entry cannot be imported; `detail` never has a secret."""

    def __init__(self, code: str, detail: str = "") -> None:
        """`code` is one of the codes of refused entries."""
        super().__init__(code)
        self.code = code
        self.detail = detail


class FactorEntry(NamedTuple):
    """A factor of a file. `at` says where it is; `drift` is in steps; names may be missing.

    `account` is the account's name as apps show it, `email` and `external_id` are what the other system has
    of the user. `recovery_codes` are unused ones, in plain text.
    """

    at: str
    secret: bytes
    profile: CodeProfile
    issuer: str | None = None
    account: str | None = None
    email: str | None = None
    external_id: str | None = None
    drift: int = 0
    recovery_codes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Omit secret and codes, for logs and tracebacks."""
        return f"FactorEntry({self.at!r}, ***)"


class Refused(NamedTuple):
    """An entry that cannot be imported."""

    at: str
    code: str
    detail: str = ""

    @property
    def reason(self) -> str:
        """The code, and what is wrong exactly."""
        return f"{self.code}: {self.detail}" if self.detail else self.code


Read = FactorEntry | Refused


def each(items: Iterable[tuple[str, T]], read: Callable[[str, T], FactorEntry | None]) -> Iterator[Read]:
    """Read items, given with where they are; one that `read` returns None for is no factor."""
    for at, item in items:
        try:
            made = read(at, item)
        except UnusableEntryError as error:
            yield Refused(at, error.code, error.detail)
        else:
            if made is not None:
                yield made


def profile_of(
    algorithm: object = None, digits: object = None, period: object = None, *, kind: str = "totp"
) -> CodeProfile:
    """Return a supported profile; None stands for the usual value. Raises `UnusableEntryError`."""
    if kind.lower() != "totp":
        raise UnusableEntryError("type_not_supported", f"type={shown(kind)}")
    name = _ALGORITHM_NAMES.get(str(algorithm or "SHA1").upper())
    given = (
        ("algorithm", name, algorithm),
        ("digits", _number(digits, 6), digits),
        ("period", _number(period, 30), period),
    )
    for field, value, written in given:
        if value is None:
            raise UnusableEntryError("profile_not_supported", f"{field}={shown(written)}")
    profile = CodeProfile(*(value for _, value, _ in given))  # type: ignore[arg-type]  # none is None
    if profile not in PROFILES:
        wrong = f"digits={profile.digits}" if profile.digits not in (6, 8) else f"period={profile.period}"
        raise UnusableEntryError("profile_not_supported", wrong)
    return profile


def _number(value: object, default: int) -> int | None:
    if value is None or value == "":
        return default
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004 - fits


def secret_of(text: object) -> bytes:
    """Return a secret in base32. Raises `UnusableEntryError`."""
    if not isinstance(text, str) or not text.strip():
        raise UnusableEntryError("secret_missing")
    try:
        return long_enough(base32.decode(text, min_bytes=0))
    except base32.InvalidBase32:
        raise UnusableEntryError("secret_invalid", "not base32, or longer than 128 bytes") from None


def hex_secret_of(text: object) -> bytes:
    """Return a secret in hexadecimal digits. Raises `UnusableEntryError`."""
    if not isinstance(text, str) or not text.strip():
        raise UnusableEntryError("secret_missing")
    try:
        return long_enough(bytes.fromhex(text))
    except ValueError:
        raise UnusableEntryError("secret_invalid", "not hexadecimal") from None


def long_enough(secret: bytes) -> bytes:
    """Return a secret of a length that is accepted. Raises `UnusableEntryError`."""
    if not MIN_SECRET_BYTES <= len(secret) <= base32.MAX_BYTES:
        raise UnusableEntryError(
            "secret_length", f"{len(secret)} bytes, not {MIN_SECRET_BYTES} to {base32.MAX_BYTES}"
        )
    return secret


def name_of(value: object) -> str | None:
    """Return a name; None if there is none, and for one that is too long or has control characters."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.strip().isprintable():
        return None
    return value.strip() or None


def drift_of(steps: object) -> int:
    """Return a drift in steps, 0 for one that is no number or too large."""
    if isinstance(steps, bool) or not isinstance(steps, int) or abs(steps) > MAX_DRIFT:
        return 0
    return steps


def shown(value: object) -> str:
    """Return a value of the file as a report may have it: short, without control characters."""
    return "".join(letter for letter in str(value)[:20] if letter.isprintable())


def split_label(label: str) -> tuple[str | None, str | None]:
    """Return issuer and account of a label `issuer:account`, or of one without issuer."""
    issuer, colon, account = label.partition(":")
    return (name_of(issuer), name_of(account)) if colon else (None, name_of(label))


def document_of(content: bytes) -> bytes:
    """Return a document of a size that is read. Raises `UnreadableFile`."""
    if len(content) > MAX_DOCUMENT_BYTES:
        raise UnreadableFile(
            f"The file has more than {MAX_DOCUMENT_BYTES >> 20} MiB. Split it, or use one entry a line."
        )
    return content
