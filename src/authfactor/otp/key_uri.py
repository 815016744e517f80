"""The otpauth URI that authenticator apps read, and the rules for the names in it.

The format is Google's Key URI Format, which every app supports. Quoting follows RFC 3986: a space is `%20`,
since several apps display `+` literally.
"""

import unicodedata
from typing import Final
from urllib.parse import quote

MAX_ISSUER: Final = 64
MAX_ACCOUNT: Final = 128
# Characters that reorder or hide displayed text: an account name must look like what it is.
_BIDI: Final = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class InvalidLabel(ValueError):
    """The issuer or account name cannot be displayed safely; the message is the end of a sentence."""


def check_name(text: str, *, max_length: int) -> str:
    """Return the name in NFC; `max_length` is in characters.

    Raises `InvalidLabel` for an empty or too long name, and for control characters, line breaks and
    bidirectional overrides.
    """
    # Four characters become one at most. Normalizing is quadratic in the length of a run of combining marks.
    name = text if len(text) > 4 * max_length else unicodedata.normalize("NFC", text)
    if not name.strip():
        raise InvalidLabel("must not be empty")
    if len(name) > max_length:
        raise InvalidLabel(f"must be at most {max_length} characters")
    if not name.isascii() or not name.isprintable():
        for character in name:
            if character in _BIDI or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
                raise InvalidLabel(
                    "must not contain control characters, line breaks or text-direction overrides"
                )
    return name


def uri(*, issuer: str, account: str, secret: str) -> str:
    """Return the URI of a base32 secret, with names that `check_name` has accepted.

    A colon separates issuer and account in the label, and apps split on it even when it is quoted. So a colon
    in a name becomes a space here, and only here: JSON responses keep the name as given.
    """
    quoted_issuer = quote(issuer.replace(":", " "), safe="")
    quoted_account = quote(account.replace(":", " "), safe="@")
    return (
        f"otpauth://totp/{quoted_issuer}:{quoted_account}?secret={secret}&issuer={quoted_issuer}"
        "&algorithm=SHA1&digits=6&period=30"
    )
