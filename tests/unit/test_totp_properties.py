"""TOTP: for any secret and time, exactly the codes of the window are accepted."""

import hashlib
import hmac
import re
from typing import Final

from hypothesis import assume, given
from hypothesis import strategies as st

from authfactor.otp import totp

SECRETS: Final = st.binary(min_size=10, max_size=128)
SECONDS: Final = st.integers(0, 2**40)
WINDOWS: Final = st.integers(0, 2)


@given(SECRETS, SECONDS)
def test_generated_code_is_six_ascii_digits(secret: bytes, at: int) -> None:
    code = totp.code_at(secret, totp.step_at(at))

    assert totp.clean_code(code) == code
    assert int(code) == totp.code_number(secret, totp.step_at(at))


@given(SECRETS, SECONDS, WINDOWS, st.integers(-2, 2))
def test_code_of_the_window_matches_its_step_or_a_later_equal_one(
    secret: bytes, at: int, window: int, distance: int
) -> None:
    step = totp.step_at(at) + distance
    assume(step >= 0)
    assume(abs(distance) <= window)
    code = totp.code_at(secret, step)
    found = totp.match_step(secret, code, at, window)

    assert found is not None
    assert step <= found <= totp.step_at(at) + window
    assert totp.code_at(secret, found) == code


@given(SECRETS, SECONDS, WINDOWS, st.integers(0, 999_999))
def test_only_codes_of_the_window_match(secret: bytes, at: int, window: int, guess: int) -> None:
    now = totp.step_at(at)
    steps = range(max(now - window, 0), now + window + 1)
    matching = [step for step in steps if totp.code_at(secret, step) == f"{guess:06d}"]

    assert totp.match_step(secret, f"{guess:06d}", at, window) == (matching[-1] if matching else None)


@given(SECRETS, SECONDS, WINDOWS, st.text(max_size=12))
def test_matching_any_text_never_raises(secret: bytes, at: int, window: int, text: str) -> None:
    found = totp.match_step(secret, text, at, window)

    assert found is None or totp.code_at(secret, found) == text


@given(st.text(max_size=12))
def test_cleaning_returns_six_ascii_digits_or_none(text: str) -> None:
    code = totp.clean_code(text)

    assert code is None or (re.fullmatch("[0-9]{6}", code) and code == re.sub("[ -]", "", text))


@given(st.integers(0, 999_999), st.lists(st.integers(0, 6), max_size=8))
def test_spaces_anywhere_in_a_code_are_removed(number: int, places: list[int]) -> None:
    code = f"{number:06d}"
    typed = code
    for place in places:
        typed = f"{typed[:place]} {typed[place:]}"

    assert totp.clean_code(typed) == code


@given(SECRETS, st.integers(1, 128), SECONDS)
def test_spellings_of_a_secret_with_the_same_codes_are_recognized(secret: bytes, size: int, at: int) -> None:
    padded = secret.ljust(size, b"\0")
    assume(len(padded) <= 64 or len(secret) > 64)
    assume(len(secret) <= 64 or padded == secret)
    digest = hashlib.sha1(secret).digest() if len(secret) > 64 else secret  # noqa: S324 - RFC 2104

    for other in (padded, digest):
        assert totp.is_same_secret(secret, other)
        assert totp.code_number(secret, at) == totp.code_number(other, at)


@given(SECRETS, SECRETS)
def test_secrets_with_other_keys_are_not_the_same(one: bytes, other: bytes) -> None:
    same = hmac.digest(one, b"", "sha1") == hmac.digest(other, b"", "sha1")

    assert totp.is_same_secret(one, other) == same
