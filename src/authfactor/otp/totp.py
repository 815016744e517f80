"""Time-based one-time codes: RFC 6238 over RFC 4226, SHA-1, 6 digits, 30 seconds, nothing else.

Several authenticator apps silently ignore any other profile, so none is offered.
"""

import hmac
from typing import Final

PERIOD_SECONDS: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20
_MODULUS: Final = 10**DIGITS


def step_at(seconds: int) -> int:
    """Number of the step (RFC 6238 section 4.2, T0 = 0) that holds this second of the epoch."""
    return seconds // PERIOD_SECONDS


def code_number(secret: bytes, counter: int) -> int:
    """The code of a counter as a number below a million (RFC 4226 section 5.3)."""
    digest = hmac.digest(secret, counter.to_bytes(8, "big"), "sha1")
    # Dynamic truncation: the last nibble (0..15) says where four bytes start, so they always fit in 20.
    offset = digest[19] & 15
    return (int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF) % _MODULUS


def code_at(secret: bytes, step: int) -> str:
    """The six digits of a step."""
    return f"{code_number(secret, step):06d}"


def match_step(secret: bytes, code: str, at: int, window: int) -> int | None:
    """Tell which step within `window` steps of the second `at` this code belongs to, if any.

    Every step of the window is computed and compared whatever the earlier ones gave: the time taken
    says nothing about how near a guess was. Of two matching steps the later one is the answer.
    Whether the step may still be used is not decided here (RFC 6238 section 5.2 is `challenges`' rule).
    """
    given = code.encode("ascii", "replace")
    now = step_at(at)
    found: int | None = None
    for step in range(max(now - window, 0), now + window + 1):
        equal = hmac.compare_digest(b"%06d" % code_number(secret, step), given)
        found = step if equal else found
    return found


def clean_code(text: str) -> str | None:
    """Return the six ASCII digits that a person typed, spaces removed, or None if it cannot be a code."""
    digits = text.replace(" ", "")
    # `isdigit` alone would let full-width and Arabic digits in.
    if len(digits) == DIGITS and digits.isascii() and digits.isdigit():
        return digits
    return None
