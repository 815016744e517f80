"""Time-based one-time codes: RFC 6238 over RFC 4226, with SHA-1, 6 digits and 30 seconds unless imported.

Several authenticator apps silently ignore any other profile, so none is offered. Imported factors keep the
profile that their apps and tokens have (decision 0054).
"""

import hashlib
import hmac
from itertools import pairwise
from typing import Final, NamedTuple

PERIOD_SECONDS: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20


class CodeProfile(NamedTuple):
    """What else than secret and time decides a code: hash, number of digits, seconds of a step."""

    algorithm: str = "SHA1"
    digits: int = DIGITS
    period: int = PERIOD_SECONDS


STANDARD: Final = CodeProfile()
ALGORITHMS: Final = ("SHA1", "SHA256", "SHA512")
PROFILES: Final = frozenset(
    CodeProfile(algorithm, digits, period)
    for algorithm in ALGORITHMS
    for digits in (6, 8)
    for period in (30, 60)
)
"""All profiles that codes are accepted of."""

# By algorithm: name in `hashlib`, and block size, in bytes.
_HASHES: Final = {"SHA1": ("sha1", 64), "SHA256": ("sha256", 64), "SHA512": ("sha512", 128)}
_MODULUS: Final = {6: 10**6, 8: 10**8}
_FORMATS: Final = {6: b"%06d", 8: b"%08d"}


def is_same_secret(one: bytes, other: bytes) -> bool:
    """Return whether two secrets give the same codes."""
    return hmac.compare_digest(hmac_key(one), hmac_key(other))


def hmac_key(secret: bytes, algorithm: str = "SHA1") -> bytes:
    """Return the form that all secrets with the same codes share.

    HMAC hashes a key that is longer than its block, and pads a shorter one with zero bytes (RFC 2104 section
    2): secrets that differ in nothing else are one secret.
    """
    name, block = _HASHES[algorithm]
    key = hashlib.new(name, secret, usedforsecurity=False).digest() if len(secret) > block else secret
    return key.rstrip(b"\0")


def step_at(seconds: int, period: int = PERIOD_SECONDS) -> int:
    """Return the number of the time step (RFC 6238 section 4.2, T0 = 0) of this epoch second."""
    return seconds // period


def code_number(secret: bytes, counter: int, profile: CodeProfile = STANDARD) -> int:
    """Return the code of a counter as a number of at most so many digits (RFC 4226 section 5.3)."""
    return _number(secret, counter, *_recipe(profile))


def _recipe(profile: CodeProfile) -> tuple[str, int]:
    """Return the name of the hash in `hashlib`, and the modulus."""
    return _HASHES[profile.algorithm][0], _MODULUS[profile.digits]


def _number(secret: bytes, counter: int, name: str, modulus: int) -> int:
    digest = hmac.digest(secret, counter.to_bytes(8, "big"), name)
    # Dynamic truncation: the last nibble (0..15) says where four bytes start, so they always fit in 20.
    offset = digest[-1] & 15
    return (int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF) % modulus


def code_at(secret: bytes, step: int, profile: CodeProfile = STANDARD) -> str:
    """Return the code of a step, with all its digits."""
    return f"{code_number(secret, step, profile):0{profile.digits}d}"


def reach(window: int, profile: CodeProfile = STANDARD) -> tuple[int, int]:
    """Return how many steps before and after the current one are accepted.

    A window of n: n of either side where a step has 30 seconds; of longer steps the one before, at most, as
    three of them would be good for three minutes.
    """
    return (window, window) if profile.period == PERIOD_SECONDS else (min(window, 1), 0)


def match_step(secret: bytes, code: str, at: int, window: int, profile: CodeProfile = STANDARD) -> int | None:
    """Return the step within `window` (see `reach`) of the epoch second `at` that has this code, or None."""
    before, after = reach(window, profile)
    now = at // profile.period
    return match_among(secret, code, range(max(now - before, 0), now + after + 1), profile)


def match_among(secret: bytes, code: str, steps: range, profile: CodeProfile = STANDARD) -> int | None:
    """Return the step among `steps` that has this code, or None.

    Every step is computed and compared regardless of earlier results, so timing does not reveal how close a
    guess was. If two steps match, the later one is returned. Whether the step may still be used (RFC 6238
    section 5.2) is decided by `rules.factors.challenges`.
    """
    given, shape = code.encode("ascii", "replace"), _FORMATS[profile.digits]
    name, modulus = _recipe(profile)
    found: int | None = None
    for step in steps:
        equal = hmac.compare_digest(shape % _number(secret, step, name, modulus), given)
        found = step if equal else found
    return found


def match_two_steps(
    secret: bytes, first: str, second: str, at: int, window: int, profile: CodeProfile = STANDARD
) -> int | None:
    """Return the step that has the code `first` and whose next one has `second`, or None.

    Both steps are within `window` steps, before or after, of the epoch second `at`. Every step is computed
    and compared, as in `match_among`; if two pairs match, the later one is returned.
    """
    now, shape = at // profile.period, _FORMATS[profile.digits]
    start = max(now - window, 0)
    codes = [shape % code_number(secret, step, profile) for step in range(start, now + window + 1)]
    one, two = first.encode("ascii", "replace"), second.encode("ascii", "replace")
    found: int | None = None
    for step, (code, following) in enumerate(pairwise(codes), start):
        # Not `and`: the second comparison does not depend on the first.
        equal = hmac.compare_digest(code, one) & hmac.compare_digest(following, two)
        found = step if equal else found
    return found


def clean_code(text: str, length: int = DIGITS) -> str | None:
    """Return the typed text as so many ASCII digits, without spaces and hyphens; None if it has others."""
    digits = text.replace(" ", "").replace("-", "")
    # `isdigit` alone would accept full-width and Arabic digits.
    if len(digits) == length and digits.isascii() and digits.isdigit():
        return digits
    return None
