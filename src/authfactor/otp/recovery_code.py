"""Recovery codes: 80 random bits as 16 characters of Crockford's base32, shown in groups of four."""

from collections.abc import Callable
from typing import Final

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
