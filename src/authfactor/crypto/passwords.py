"""Passwords: hash with argon2id, verify native and imported hashes, check strength.

Pure functions; the salt is an argument. With `PRODUCTION`, one hash takes about 30 ms of CPU with the GIL
released, so callers run these in a small bounded thread pool.
"""

import unicodedata
from dataclasses import dataclass
from typing import Final

from argon2.low_level import Type

from authfactor.crypto.phc import (
    MAX_ARGON2_MEMORY_KIB,
    MAX_ARGON2_PARALLELISM,
    MAX_ARGON2_TIME_COST,
    Argon2Hash,
    MalformedHash,
)

SALT_BYTES: Final = 16
MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 256
MIN_LOCAL_PART: Final = 4
# Four times the longest password. Normalizing is quadratic in the length of a run of combining marks, and
# holds the GIL: for a body of 64 KiB, all requests would wait 0.8 s.
_MAX_NORMALIZED: Final = 4 * MAX_LENGTH
# An imported hash at its limit costs about as much as so many hashes of `PRODUCTION`.
OWN_HASHES_PER_IMPORT_LIMIT: Final = 18


@dataclass(frozen=True, slots=True)
class Profile:
    """Costs of argon2id, memory in KiB. Raises `ValueError` for costs that verification would reject."""

    memory_kib: int
    time_cost: int
    parallelism: int

    def __post_init__(self) -> None:
        """Check the costs against the bounds of verification."""
        if not (
            1 <= self.parallelism <= MAX_ARGON2_PARALLELISM
            and 1 <= self.time_cost <= MAX_ARGON2_TIME_COST
            and 8 * self.parallelism <= self.memory_kib <= MAX_ARGON2_MEMORY_KIB
        ):
            raise ValueError("the argon2 costs are out of bounds")


PRODUCTION: Final = Profile(memory_kib=19 * 1024, time_cost=2, parallelism=1)
"""OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane."""

CHEAPEST: Final = Profile(memory_kib=8, time_cost=1, parallelism=1)
"""For tests only."""


def hash_password(password: str, *, salt: bytes, profile: Profile) -> str:
    """Hash a password with argon2id; `salt` is 16 random bytes. Raises `ValueError` for another length."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt is {SALT_BYTES} bytes, not {len(salt)}")
    return Argon2Hash.make(
        _normalized(password),
        salt,
        memory_kib=profile.memory_kib,
        time_cost=profile.time_cost,
        parallelism=profile.parallelism,
    ).encode()


def verify_password(password: str, stored: str, *, profile: Profile = PRODUCTION) -> bool:
    """Return whether a stored hash, native or imported, matches this password; a malformed one never does.

    `profile` is the cost of verifying an unknown user. A mismatch against a fast imported digest is made to
    cost as much, so that timing does not distinguish such users from unknown ones.
    """
    from authfactor.crypto.imported_hashes import UNSTRETCHED, kind_of, verify_imported  # noqa: PLC0415 - not at a start

    kind = kind_of(stored)
    if kind is None:
        own = _parse_own(stored)
        return own is not None and own.matches(_normalized(password))
    # The other system most likely hashed the password as typed; some systems normalize it as is done here.
    candidates = dict.fromkeys((_encoded(password), _normalized(password)))
    if any(verify_imported(candidate, stored) for candidate in candidates):
        return True
    if kind in UNSTRETCHED:
        verify_password(password, decoy_hash(profile))
    return False


def import_load(stored: str) -> float:
    """Return the cost of a stored import as a share of the highest that an import may have; else 0."""
    if not stored.startswith("{"):
        return 0.0
    from authfactor.crypto.imported_hashes import load_of  # noqa: PLC0415 - not at a start

    return load_of(stored)


def needs_rehash(stored: str, profile: Profile) -> bool:
    """Return whether a hash that just verified should be replaced: imported, or cheaper than the profile."""
    own = _parse_own(stored)
    return (
        own is None
        or own.variant is not Type.ID
        or own.memory_kib < profile.memory_kib
        or own.time_cost < profile.time_cost
        or own.parallelism < profile.parallelism
        or len(own.salt) < SALT_BYTES
    )


def decoy_hash(profile: Profile) -> str:
    """Return a hash that no known password matches, to verify against when the user does not exist.

    It costs as much as a hash made with the profile, so that response times do not reveal which emails have
    an account.
    """
    return Argon2Hash(
        Type.ID, profile.memory_kib, profile.time_cost, profile.parallelism, bytes(SALT_BYTES), bytes(32)
    ).encode()


def check_strength(password: str, *, email: str | None) -> list[tuple[str, str]]:
    """Return the reasons to reject a password, as (code, message); empty when it is acceptable.

    Codes: `password_too_short`, `password_too_long`, `password_contains_email`, `password_too_weak`.
    """
    text = _nfkc(password)
    problems = []
    # Normalization can lengthen a text (one ligature may become a phrase) or shorten it; check both lengths.
    if min(len(password), len(text)) < MIN_LENGTH:
        problems.append(("password_too_short", f"Use at least {MIN_LENGTH} characters."))
    if max(len(password), len(text)) > MAX_LENGTH:
        problems.append(("password_too_long", f"Use at most {MAX_LENGTH} characters."))
    folded = text.casefold()
    local_part = unicodedata.normalize("NFKC", email or "").rpartition("@")[0].casefold()
    if len(local_part) >= MIN_LOCAL_PART and local_part in folded:
        message = "Choose a password that does not contain the name in your email address."
        problems.append(("password_contains_email", message))
    if len(text) >= MIN_LENGTH and _is_weak(folded):
        message = "Choose a password that is harder to guess, for example several unrelated words."
        problems.append(("password_too_weak", message))
    return problems


# Keyboard rows and the alphabet; wrapped around and reversed sequences count too.
_SEQUENCES: Final = (
    "0123456789",
    "1234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
)

# The most common passwords of ten or more characters, apart from sequences.
_COMMON_TEXT: Final = """
    123456789a a123456789 1234567891 12345678910 123456789q q123456789 0123456789a 123123123123 1234512345
    1231231231 1029384756 1357924680 147258369a 1472583690 1q2w3e4r5t 1q2w3e4r5t6y 1q2w3e4r5t6y7u8i9o0p
    q1w2e3r4t5 q1w2e3r4t5y6 1qaz2wsx3edc 1qaz2wsx3edc4rfv zaq12wsxcde3 qazwsxedcrfv qazwsxedc123 !qaz2wsx3edc
    1qazxsw23edc qweasdzxc123 qwerty1234 qwerty12345 qwerty123456 qwertyuiop1 qwertyuiop123 qwe123qwe123
    asdfghjkl1 asdfghjkl123 asdf1234asdf 123qweasdzxc password12 password123 password1234 password12345
    password1! password123! passw0rd12 passw0rd123 p@ssw0rd123 p@ssword123 p@ssw0rd1234 mypassword mypassword1
    passwordpassword abc1234567 abcd123456 abcd1234567 abcde12345 abcdef123456 abc123abc123 a1b2c3d4e5
    a1b2c3d4e5f6 administrator administrator1 admin12345 admin123456 admin123admin adminadmin rootroot123
    root123456 welcome123 welcome1234 welcome123! letmein123 letmein1234 changeme123 changeme123! iloveyou12
    iloveyou123 iloveyou1234 iloveyou2you princess123 sunshine123 football123 baseball123 basketball
    superman123 spiderman1 monkey12345 dragon12345 master12345 liverpool1 liverpool123 chelsea123 barcelona1
    pokemon123 minecraft1 minecraft123 starwars123 trustno1trustno1 test123456 test1234567 testtest123
    testpassword default123 secret1234 computer123 internet123 whatever123 correcthorsebatterystaple
"""
_COMMON: Final = frozenset(_COMMON_TEXT.split())


def _is_weak(folded: str) -> bool:
    if len(set(folded)) < 3:  # noqa: PLR2004 - one or two characters over and over
        return True
    rows = (row * (len(folded) // len(row) + 2) for row in _SEQUENCES)
    return folded in _COMMON or any(folded in row or folded[::-1] in row for row in rows)


def _normalized(password: str) -> bytes:
    # NIST SP 800-63B 5.1.1.2: keyboards may compose "é" differently or type full-width letters; NFKC maps
    # them to one password before hashing. Changing this would lock users out.
    return _encoded(_nfkc(password))


def _nfkc(password: str) -> str:
    """Return a password in NFKC, or as it is if it is far longer than any that a user may choose."""
    return password if len(password) > _MAX_NORMALIZED else unicodedata.normalize("NFKC", password)


def _encoded(password: str) -> bytes:
    # JSON may contain a lone surrogate; it is hashed like any other character instead of failing.
    return password.encode("utf-8", "surrogatepass")


def _parse_own(stored: str) -> Argon2Hash | None:
    try:
        return Argon2Hash.parse(stored)
    except MalformedHash:
        return None
