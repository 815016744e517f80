"""Codes of imported factors: SHA-256, SHA-512, eight digits, steps of 60 seconds."""

import hmac
import random
from typing import Final

import pytest

from authfactor.otp import totp
from authfactor.otp.totp import PROFILES, STANDARD, CodeProfile
from authfactor.rules.factors.clock_drift import LATE_STEPS, late_offset

# RFC 6238 appendix B, with the seeds of the length of each hash that its reference code uses.
SEEDS: Final = {
    "SHA1": b"12345678901234567890",
    "SHA256": b"12345678901234567890123456789012",
    "SHA512": b"1234567890123456789012345678901234567890123456789012345678901234",
}
VECTORS: Final = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]
NOW: Final = 1_700_000_040
SECRET: Final = bytes(range(20))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector[0]))
def test_published_codes_of_every_hash_are_matched(vector: tuple[int, str, str, str]) -> None:
    seconds, *codes = vector
    for (algorithm, seed), code in zip(SEEDS.items(), codes, strict=True):
        profile = CodeProfile(algorithm, 8, 30)
        assert totp.code_at(seed, totp.step_at(seconds), profile) == code
        assert totp.match_step(seed, code, seconds, 0, profile) == totp.step_at(seconds)
        assert totp.match_step(seed, code[-6:], seconds, 0, CodeProfile(algorithm, 6, 30)) == totp.step_at(
            seconds
        )
        # A code of another number of digits is no code of the factor.
        assert totp.match_step(seed, code[-6:], seconds, 0, profile) is None


def test_twelve_profiles_are_supported() -> None:
    assert len(PROFILES) == 12
    assert STANDARD in PROFILES
    assert {(profile.digits, profile.period) for profile in PROFILES} == {(6, 30), (6, 60), (8, 30), (8, 60)}


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_no_more_than_three_steps_or_two_long_ones_are_accepted(profile: CodeProfile) -> None:
    for window, steps in ((0, {0}), (1, {-1, 0, 1}), (2, {-2, -1, 0, 1, 2})):
        now = NOW // profile.period
        expected = steps if profile.period == 30 else {step for step in steps if -1 <= step <= 0}
        found = {
            distance
            for distance in range(-5, 6)
            if totp.match_step(SECRET, totp.code_at(SECRET, now + distance, profile), NOW, window, profile)
            == now + distance
        }
        assert found == expected


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_step_is_computed_and_compared_whatever_matches(
    monkeypatch: pytest.MonkeyPatch, profile: CodeProfile
) -> None:
    compared: list[bytes] = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for code in (totp.code_at(SECRET, NOW // profile.period - 1, profile), "0" * profile.digits):
        compared.clear()
        totp.match_step(SECRET, code, NOW, 1, profile)
        assert len(compared) == (3 if profile.period == 30 else 2)
        assert {len(each) for each in compared} == {profile.digits}


def test_two_codes_in_a_row_are_found_in_steps_of_each_length() -> None:
    for profile in PROFILES:
        now = NOW // profile.period
        first, second = (totp.code_at(SECRET, now + at, profile) for at in (-7, -6))
        assert totp.match_two_steps(SECRET, first, second, NOW, 20, profile) == now - 7
        assert totp.match_two_steps(SECRET, second, first, NOW, 20, profile) is None


def test_late_codes_of_long_steps_are_named_and_no_others() -> None:
    profile = CodeProfile("SHA1", 6, 60)
    now = NOW // 60
    for distance in range(-LATE_STEPS - 5, 4):
        code = totp.code_at(SECRET, now + distance, profile)
        expected = distance if -LATE_STEPS - 2 <= distance <= -2 else None
        assert late_offset(SECRET, code, NOW, 0, 1, profile) == expected


def test_secrets_that_hmac_takes_for_one_are_one_whatever_the_hash() -> None:
    drawn = random.Random(20_250_301)
    for algorithm, block in (("SHA1", 64), ("SHA256", 64), ("SHA512", 128)):
        profile = CodeProfile(algorithm, 8, 30)
        for length in (20, block - 1, block):
            secret = drawn.randbytes(length)
            padded = secret + bytes(block - length)
            assert totp.hmac_key(secret, algorithm) == totp.hmac_key(padded, algorithm)
            assert totp.code_at(secret, 7, profile) == totp.code_at(padded, 7, profile)
        longer = drawn.randbytes(block + 1)
        assert len(totp.hmac_key(longer, algorithm)) < block
        assert totp.code_at(longer, 7, profile) == totp.code_at(totp.hmac_key(longer, algorithm), 7, profile)


def test_typed_codes_have_exactly_the_digits_of_the_factor() -> None:
    assert totp.clean_code(" 1234-5678 ", 8) == "12345678"
    assert [totp.clean_code(text, 8) for text in ("123456", "1234567", "123456789", "\uff11" * 8)] == [
        None
    ] * 4
    assert totp.clean_code("12345678") is None
