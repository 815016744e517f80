"""Writes users and factors in formats that other programs read, piece by piece."""

import base64
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import quote

import msgspec

from authfactor.factor_files import pskc_writing
from authfactor.models import UserRecord
from authfactor.otp import base32
from authfactor.otp.totp import STANDARD, CodeProfile

Entropy = Callable[[int], bytes]


class ExportedFactor(NamedTuple):
    """An active factor with its secret; `drift` in steps."""

    id: str
    secret: bytes
    profile: CodeProfile
    issuer: str
    account: str
    drift: int
    name: str | None

    def __repr__(self) -> str:
        """Omit the secret, for logs and tracebacks."""
        return f"ExportedFactor({self.id!r}, ***)"


class ExportedUser(NamedTuple):
    """A user with active factors, and the digests of recovery codes."""

    user: UserRecord
    factors: list[ExportedFactor]
    recovery_codes: list[dict[str, Any]]


class Writer(Protocol):
    """Turns users into the text of a file: `head`, then `user` for each, then `foot`."""

    def head(self) -> str:
        """Return the beginning of the file."""

    def user(self, user: ExportedUser) -> str:
        """Return the part of a user."""

    def foot(self) -> str:
        """Return the end of the file."""


class OtpauthWriter:
    """A list of `otpauth` URIs, one a line."""

    def head(self) -> str:
        """Return nothing."""
        return ""

    def user(self, user: ExportedUser) -> str:
        """Return a line for each factor."""
        return "".join(f"{uri_of(factor)}\n" for factor in user.factors)

    def foot(self) -> str:
        """Return nothing."""
        return ""


def uri_of(factor: ExportedFactor) -> str:
    """Return the URI of a factor; what is usual is left out, as all apps expect."""
    # Some apps split the label at any colon, even a quoted one.
    issuer, account = (quote(name.replace(":", " "), safe="@") for name in (factor.issuer, factor.account))
    text = f"otpauth://totp/{issuer}:{account}?secret={base32.encode(factor.secret)}&issuer={issuer}"
    if factor.profile != STANDARD:
        algorithm, digits, period = factor.profile
        text += f"&algorithm={algorithm}&digits={digits}&period={period}"
    return text


class JsonWriter:
    """Lines of JSON: one that says what it is, then one for each user, also for those without factors."""

    VERSION: Final = 1

    def __init__(self, environment: str, now: str) -> None:
        """`now` is the time of the export, as in the API."""
        self._head = {"authfactor_export": self.VERSION, "environment": environment, "created_at": now}

    def head(self) -> str:
        """Return the first line."""
        return _line(self._head)

    def user(self, user: ExportedUser) -> str:
        """Return the line of a user."""
        record = user.user
        return _line(
            {
                "id": record.id,
                "email": record.email,
                "email_verified": record.email_verified,
                "external_id": record.external_id,
                "first_name": record.first_name,
                "last_name": record.last_name,
                "name": record.name,
                "locale": record.locale,
                "metadata": msgspec.Raw(record.metadata.encode()),
                "password_hash": record.password_hash,
                "factors": [_factor(factor) for factor in user.factors],
                "recovery_codes": user.recovery_codes,
            }
        )

    def foot(self) -> str:
        """Return nothing."""
        return ""


def _factor(factor: ExportedFactor) -> dict[str, Any]:
    algorithm, digits, period = factor.profile
    return {
        "id": factor.id,
        "type": "totp",
        "secret": base32.encode(factor.secret),
        "algorithm": algorithm,
        "digits": digits,
        "period": period,
        "issuer": factor.issuer,
        "account": factor.account,
        "drift": factor.drift,
        "name": factor.name,
    }


def _line(value: object) -> str:
    return msgspec.json.encode(value).decode() + "\n"


class PskcWriter:
    """A PSKC key container, plain or with a key derived from a passphrase (RFC 6030)."""

    def __init__(self, sealing: pskc_writing.Sealing | None) -> None:
        """Encrypt with `sealing`, or write plain values without it."""
        self._sealing = sealing

    def head(self) -> str:
        """Return the container's beginning, with the way to derive the key."""
        return pskc_writing.head(self._sealing)

    def user(self, user: ExportedUser) -> str:
        """Return a package for each factor."""
        return "".join(self._packages(user))

    def _packages(self, user: ExportedUser) -> Iterator[str]:
        for factor in user.factors:
            seal = self._sealing
            value = (
                f"<PlainValue>{base64.b64encode(factor.secret).decode()}</PlainValue>"
                if seal is None
                else seal.value(factor.secret)
            )
            names = (factor.id, factor.issuer, factor.account, user.user.external_id or user.user.email)
            yield pskc_writing.package(names, factor.profile, factor.drift, value)

    def foot(self) -> str:
        """Return the container's end."""
        return "</KeyContainer>\n"
