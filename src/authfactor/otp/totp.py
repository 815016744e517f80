"""Time-based one-time codes: RFC 6238 over RFC 4226, with SHA-1, 6 digits and 30 seconds only.

Several authenticator apps silently ignore any other profile, so none is offered.
"""

import hashlib
import hmac
from itertools import pairwise
from typing import Final

PERIOD_SECONDS: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20
_MODULUS: Final = 10**DIGITS
_BLOCK_BYTES: Final = 64  # of SHA-1


def is_same_secret(one: bytes, other: bytes) -> bool:
    """Return whether two secrets give the same codes."""
    return hmac.compare_digest(hmac_key(one), hmac_key(other))


def hmac_key(secret: bytes) -> bytes:
    """Return the form that all secrets with the same codes share.

    HMAC hashes a key that is longer than its block, and pads a shorter one with zero bytes (RFC 2104 section
    2): secrets that differ in nothing else are one secret.
    """
    key = hashlib.sha1(secret, usedforsecurity=False).digest() if len(secret) > _BLOCK_BYTES else secret
    return key.rstrip(b"\0")


def step_at(seconds: int) -> int:
    """Return the number of the time step (RFC 6238 section 4.2, T0 = 0) of this epoch second."""
    return seconds // PERIOD_SECONDS


def code_number(secret: bytes, counter: int) -> int:
    """Return the code of a counter as a number below 1,000,000 (RFC 4226 section 5.3)."""
    digest = hmac.digest(secret, counter.to_bytes(8, "big"), "sha1")
    # Dynamic truncation: the last nibble (0..15) says where four bytes start, so they always fit in 20.
    offset = digest[19] & 15
    return (int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF) % _MODULUS


def code_at(secret: bytes, step: int) -> str:
    """Return the six-digit code of a step."""
    return f"{code_number(secret, step):06d}"


def match_step(secret: bytes, code: str, at: int, window: int) -> int | None:
    """Return the step within `window` steps of the epoch second `at` that has this code, or None.

    Every step of the window is computed and compared regardless of earlier results, so timing does not reveal
    how close a guess was. If two steps match, the later one is returned. Whether the step may still be used
    (RFC 6238 section 5.2) is decided by `rules.factors.challenges`.
    """
    given = code.encode("ascii", "replace")
    now = step_at(at)
    found: int | None = None
    for step in range(max(now - window, 0), now + window + 1):
        equal = hmac.compare_digest(b"%06d" % code_number(secret, step), given)
        found = step if equal else found
    return found


def match_two_steps(secret: bytes, first: str, second: str, at: int, window: int) -> int | None:
    """Return the step that has the code `first` and whose next one has `second`, or None.

    Both steps are within `window` steps of the epoch second `at`. Every step is computed and compared, as in
    `match_step`; if two pairs match, the later one is returned.
    """
    now = step_at(at)
    start = max(now - window, 0)
    codes = [b"%06d" % code_number(secret, step) for step in range(start, now + window + 1)]
    one, two = first.encode("ascii", "replace"), second.encode("ascii", "replace")
    found: int | None = None
    for step, (code, following) in enumerate(pairwise(codes), start):
        # Not `and`: the second comparison does not depend on the first.
        equal = hmac.compare_digest(code, one) & hmac.compare_digest(following, two)
        found = step if equal else found
    return found


def clean_code(text: str) -> str | None:
    """Return the typed text as six ASCII digits, without spaces and hyphens; None if it cannot be a code."""
    digits = text.replace(" ", "").replace("-", "")
    # `isdigit` alone would accept full-width and Arabic digits.
    if len(digits) == DIGITS and digits.isascii() and digits.isdigit():
        return digits
    return None
