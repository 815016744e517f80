"""Recovery codes: 80 random bits as 16 characters of Crockford's base32, shown in groups of four.

Codes of another system, imported for a user, have other shapes: 8 to 40 letters and digits. `read_code` tells
them from each other, from six digits and from tokens of trusted devices: the shape alone decides, and no text
has two (decisions 0041, 0042).
"""

import math
import string
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from authfactor.otp import totp

Method = Literal["totp", "recovery_code", "trusted_device", "webauthn"]

TRUSTED_DEVICE_PREFIX: Final = "td_"

COUNT: Final = 10
LENGTH: Final = 16
BYTES: Final = 10
_GROUP: Final = 4
_BITS: Final = 5
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_LOOKALIKES: Final = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None})
_LONGEST_TYPED: Final = 64

SHORTEST_IMPORTED: Final = 8
LONGEST_IMPORTED: Final = 40
BITS: Final = 8 * BYTES
# Codes of fewer bits could be guessed, so they are counted and locked as six digits are.
ENOUGH_BITS: Final = 64
_ALPHABETS: Final = tuple(
    map(
        set,
        (
            string.digits,
            string.hexdigits.lower(),
            string.ascii_lowercase,
            _ALPHABET,
            string.ascii_lowercase + "234567",
            string.ascii_lowercase + string.digits,
        ),
    )
)


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


def clean_imported(text: str) -> str | None:
    """Return the typed text as a code of another system; None if it cannot be one, or is one of ours.

    Case, white space and hyphens do not matter.
    """
    if len(text) > 2 * LONGEST_IMPORTED or not text.isascii() or clean_code(text) is not None:
        return None
    code = "".join(text.lower().split()).replace("-", "")
    return code if SHORTEST_IMPORTED <= len(code) <= LONGEST_IMPORTED and code.isalnum() else None


def estimated_bits(codes: Sequence[str]) -> int:
    """Return how many bits the shortest of cleaned codes has if each of its characters is random.

    The alphabet is the smallest usual one with all characters of the set. It is an upper bound: nothing tells
    whether the other system's codes were random.
    """
    used = set("".join(codes))
    size = next(len(alphabet) for alphabet in _ALPHABETS if used <= alphabet)
    return int(min(map(len, codes)) * math.log2(size))


def grouped(code: str) -> str:
    """Return the code as it is shown: xxxx-xxxx-xxxx-xxxx."""
    return "-".join(code[start : start + _GROUP] for start in range(0, LENGTH, _GROUP))


class TypedCode(NamedTuple):
    """A code of one kind, without what people type around it.

    `imported`: of another system's shape, so that it is one only if its user has such a set.
    """

    method: Method
    text: str
    imported: bool = False

    def __repr__(self) -> str:
        """Omit the code, for logs and tracebacks."""
        return f"TypedCode({self.method}, ***)"


def read_code(text: str) -> TypedCode | None:
    """Return what a text is; None if it can be no code at all."""
    digits = totp.clean_code(text)
    if digits is not None:
        return TypedCode("totp", digits)
    if text.strip().startswith(TRUSTED_DEVICE_PREFIX):
        return TypedCode("trusted_device", text.strip())
    code = clean_code(text)
    if code is not None:
        return TypedCode("recovery_code", code)
    imported = clean_imported(text)
    return None if imported is None else TypedCode("recovery_code", imported, imported=True)
