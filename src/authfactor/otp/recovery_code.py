"""Recovery codes: 80 random bits as 16 characters of Crockford's base32, shown in groups of four.

`read_code` tells them from six digits: the shape alone decides, and no text has two (decision 0041).
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from authfactor.otp import totp

Method = Literal["totp", "recovery_code"]

COUNT: Final = 10
LENGTH: Final = 16
BYTES: Final = 10
_GROUP: Final = 4
_BITS: Final = 5
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_LOOKALIKES: Final = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None})
_LONGEST_TYPED: Final = 64


def make(entropy: Callable[[int], bytes]) -> str:
    """Return a new code; `entropy` returns that many random bytes."""
    number = int.from_bytes(entropy(BYTES), "big")
    return "".join(_ALPHABET[number >> at & 31] for at in range(0, LENGTH * _BITS, _BITS))


def clean_code(text: str) -> str | None:
    """Return the typed text as the code that `make` returned; None if it cannot be one.

    Case, white space and hyphens do not matter; i and l are read as 1, o as 0.
    """
    if len(text) > _LONGEST_TYPED or not text.isascii():
        return None
    code = "".join(text.lower().split()).translate(_LOOKALIKES)
    return code if len(code) == LENGTH and set(code) <= set(_ALPHABET) else None


def grouped(code: str) -> str:
    """Return the code as it is shown: xxxx-xxxx-xxxx-xxxx."""
    return "-".join(code[start : start + _GROUP] for start in range(0, LENGTH, _GROUP))


class TypedCode(NamedTuple):
    """A code of one kind, without what people type around it."""

    method: Method
    text: str

    def __repr__(self) -> str:
        """Omit the code, for logs and tracebacks."""
        return f"TypedCode({self.method}, ***)"


def read_code(text: str) -> TypedCode | None:
    """Return what a text is; None if it can be no code at all."""
    digits = totp.clean_code(text)
    if digits is not None:
        return TypedCode("totp", digits)
    code = clean_code(text)
    return None if code is None else TypedCode("recovery_code", code)
