"""Passwords: hashing, verification, rehashing, and strength checks."""

import unicodedata
from typing import Any, Final

import argon2
import pytest
from argon2.low_level import hash_secret_raw

from authfactor.crypto import phc
from authfactor.crypto.imported_hashes import parse_imported
from authfactor.crypto.passwords import (
    CHEAPEST,
    PRODUCTION,
    Profile,
    check_strength,
    decoy_hash,
    hash_password,
    needs_rehash,
    verify_password,
)

SALT: Final = bytes(range(16))
SSHA: Final = parse_imported("{SSHA}JFZFs0oHzxbMwkSJmYVeI8MnTDy/276a", "ssha")
ARGON2: Final = parse_imported(
    "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", "argon2"
)


def _codes(password: str, email: str | None = None) -> list[str]:
    return [code for code, _ in check_strength(password, email=email)]


def test_production_profile_is_argon2id_with_19_mib_and_two_passes() -> None:
    stored = hash_password("correct horse", salt=SALT, profile=PRODUCTION)

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$")
    assert argon2.PasswordHasher().verify(stored, "correct horse")
    assert verify_password("correct horse", stored)
    assert not verify_password("correct hors", stored)


def test_a_hash_made_by_the_argon2_library_is_verified() -> None:
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

    assert verify_password("correct horse", hasher.hash("correct horse", salt=SALT))


def test_hash_depends_only_on_password_and_salt() -> None:
    first = hash_password("correct horse", salt=SALT, profile=CHEAPEST)

    assert hash_password("correct horse", salt=SALT, profile=CHEAPEST) == first
    assert hash_password("correct horse", salt=SALT[::-1], profile=CHEAPEST) != first


@pytest.mark.parametrize("size", [0, 15, 17])
def test_salt_that_is_not_16_bytes_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        hash_password("correct horse", salt=bytes(size), profile=CHEAPEST)


@pytest.mark.parametrize(
    "costs", [(19 * 1024, 0, 1), (19 * 1024, 11, 1), (7, 1, 1), (2**19, 1, 1), (2048, 1, 17)]
)
def test_profile_with_costs_out_of_bounds_is_refused(costs: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        Profile(*costs)


@pytest.mark.parametrize(
    ("stored_as", "typed_as"),
    [
        ("\u00e9clairs for two", "e\u0301clairs for two"),
        ("\uff30\uff41\uff53\uff53 phrase", "Pass phrase"),
        ("\u212bngstr\u00f6m unit", "\u00c5ngstro\u0308m unit"),
    ],
)
def test_unicode_equivalent_spelling_of_a_password_verifies(stored_as: str, typed_as: str) -> None:
    assert stored_as != typed_as
    assert verify_password(typed_as, hash_password(stored_as, salt=SALT, profile=CHEAPEST))


@pytest.mark.parametrize(
    "password", ["nul \0 inside", "nul \0", "\U0001f511" * 10, "\ud800 half a pair", "", " " * 12]
)
def test_nul_and_unusual_characters_of_a_password_are_hashed(password: str) -> None:
    stored = hash_password(password, salt=SALT, profile=CHEAPEST)

    assert verify_password(password, stored)
    assert not verify_password(password.partition("\0")[0] + "?", stored)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "$",
        "argon2",
        "$argon2id$",
        "$argon2id$v=19$m=8,t=1,p=1$$",
        "$2b$10$x",
        "{bcrypt}$2b$10$x",
        "\ud800",
        "\0",
    ],
)
def test_damaged_stored_hash_never_verifies_and_needs_a_rehash(stored: str) -> None:
    assert not verify_password("correct horse", stored)
    assert needs_rehash(stored, CHEAPEST)


def test_stored_hash_with_excessive_costs_is_not_computed() -> None:
    stored = hash_password("correct horse", salt=SALT, profile=CHEAPEST).replace("m=8,", "m=99999999,")

    assert not verify_password("correct horse", stored)


def test_imported_hash_verifies_and_needs_a_rehash() -> None:
    assert verify_password("test123", SSHA)
    assert not verify_password("test124", SSHA, profile=CHEAPEST)
    assert needs_rehash(SSHA, CHEAPEST)


def test_imported_argon2_hash_always_needs_a_rehash() -> None:
    assert verify_password("password", ARGON2)
    assert needs_rehash(ARGON2, CHEAPEST)


@pytest.mark.parametrize("hashed_as", ["e\u0301clair", "\u00e9clair"])
def test_imported_hash_verifies_the_raw_or_normalized_password(hashed_as: str) -> None:
    text = argon2.PasswordHasher(1, 8, 1).hash(hashed_as, salt=SALT)

    assert verify_password("e\u0301clair", parse_imported(text, "argon2"))


def test_wrong_password_for_a_fast_import_costs_a_decoy_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory_kib: list[int] = []

    def counting(secret: bytes, salt: bytes, **costs: Any) -> bytes:  # noqa: ANN401 - numbers and a variant
        memory_kib.append(costs["memory_cost"])
        return hash_secret_raw(secret, salt, **costs)

    monkeypatch.setattr(phc, "hash_secret_raw", counting)

    assert not verify_password("wrong", SSHA, profile=CHEAPEST)
    assert not verify_password("wrong", decoy_hash(CHEAPEST))
    assert verify_password("test123", SSHA)

    assert memory_kib == [CHEAPEST.memory_kib] * 2


@pytest.mark.parametrize(
    ("made_with", "wanted", "expected"),
    [
        (CHEAPEST, CHEAPEST, False),
        (CHEAPEST, PRODUCTION, True),
        (Profile(16, 1, 1), CHEAPEST, False),
        (CHEAPEST, Profile(16, 1, 1), True),
        (CHEAPEST, Profile(8, 2, 1), True),
        (Profile(16, 1, 1), Profile(16, 1, 2), True),
    ],
)
def test_hash_cheaper_than_the_profile_needs_a_rehash(
    made_with: Profile, wanted: Profile, *, expected: bool
) -> None:
    assert needs_rehash(hash_password("correct horse", salt=SALT, profile=made_with), wanted) is expected


@pytest.mark.parametrize(
    "stored",
    [
        f"$argon2i$v=19$m=8,t=1,p=1$AAECAwQFBgcICQoLDA0ODw${'A' * 43}",
        f"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ${'A' * 43}",
    ],
)
def test_other_argon2_variant_or_short_salt_needs_a_rehash(stored: str) -> None:
    assert needs_rehash(stored, CHEAPEST)


@pytest.mark.parametrize("profile", [CHEAPEST, PRODUCTION])
def test_decoy_hash_costs_as_much_as_a_real_one_and_never_verifies(profile: Profile) -> None:
    decoy = decoy_hash(profile)
    real = hash_password("correct horse", salt=SALT, profile=profile)

    assert decoy.split("$")[:4] == real.split("$")[:4]
    assert len(decoy) == len(real)
    assert not any(verify_password(password, decoy) for password in ("", "correct horse", "\0" * 16))


@pytest.mark.parametrize(
    "password",
    [
        "correct horse",
        "ten chars!",
        "日本語のパスワードです",
        "x" * 250 + "abcdef",
        "1234567890 and more",
        "qwertyuiop, not alone",
    ],
)
def test_strong_password_is_accepted(password: str) -> None:
    assert check_strength(password, email="kim.doe@example.org") == []


@pytest.mark.parametrize("password", ["", "short", "nine char", "\ufdfa", "e\u0301" * 5])
def test_password_under_ten_characters_raw_or_normalized_is_refused(password: str) -> None:
    assert _codes(password) == ["password_too_short"]


@pytest.mark.parametrize("password", ["correct horse " * 19, "\ufdfa horse " * 15])
def test_password_over_256_characters_raw_or_normalized_is_refused(password: str) -> None:
    assert _codes(password) == ["password_too_long"]


def test_a_password_far_longer_than_any_allowed_is_not_normalized() -> None:
    """Normalizing a run of combining marks is quadratic: 32,000 of them would stop all requests for 0.8 s."""
    for marks, same in (("\u0315\u0300" * 512, True), ("\u0315\u0300" * 16_000, False)):
        stored = hash_password(marks, salt=SALT, profile=CHEAPEST)
        assert verify_password(marks, stored)
        assert verify_password(unicodedata.normalize("NFKC", marks), stored) is same
        assert _codes(marks) == ["password_too_long", "password_too_weak"]


def test_passwords_of_ten_and_of_256_characters_are_accepted() -> None:
    assert _codes("tenletters") == []
    assert _codes("horse,bat," * 25 + "staple") == []


@pytest.mark.parametrize(
    ("password", "email", "expected"),
    [
        ("my kim.doe password", "kim.doe@example.org", True),
        ("my KIM.DOE password", "Kim.Doe@example.org", True),
        ("my \uff4b\uff49\uff4d\uff4d password", "kimm@example.org", True),
        ("my kim password", "kim@example.org", False),
        ("my example.org password", "kim.doe@example.org", False),
        ("my kim.doe password", None, False),
        ("my kim.doe password", "", False),
        ("my kim.doe password", "kim.doe", False),
    ],
)
def test_password_that_contains_the_email_local_part_is_refused(
    password: str, email: str | None, *, expected: bool
) -> None:
    assert ("password_contains_email" in _codes(password, email)) is expected


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaa",
        "ababababab",
        "0123456789",
        "1234567890",
        "9876543210",
        "12345678901234567890",
        "abcdefghij",
        "ABCDEFGHIJ",
        "jihgfedcba",
        "uvwxyzabcd",
        "qwertyuiop",
        "poiuytrewq",
        "asdfghjklzxcv",
        "Password123",
        "iloveyou123",
        "correcthorsebatterystaple",
        "\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff10",
    ],
)
def test_sequences_repetitions_and_common_passwords_are_refused(password: str) -> None:
    assert _codes(password) == ["password_too_weak"]


def test_all_strength_problems_are_returned_with_advice() -> None:
    problems = check_strength("kim.doe", email="kim.doe@example.org")

    assert [code for code, _ in problems] == ["password_too_short", "password_contains_email"]
    assert all(
        message.startswith(("Use ", "Choose ")) and "kim.doe" not in message for _, message in problems
    )
