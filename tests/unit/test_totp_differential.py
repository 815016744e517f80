"""TOTP compared with two independent implementations: the cryptography library and oathtool."""

import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from authfactor.otp import base32, totp

SEED: Final = 6238
PAIRS: Final = 5000


def _pairs(count: int) -> list[tuple[bytes, int]]:
    random_ = random.Random(SEED)
    return [
        (random_.randbytes(random_.randint(10, base32.MAX_BYTES)), random_.randint(200, 2**35))
        for _ in range(count)
    ]


def _totp(secret: bytes) -> TOTP:
    sha1 = SHA1()  # noqa: S303 - RFC 6238 fixes SHA-1
    return TOTP(secret, totp.DIGITS, sha1, totp.PERIOD_SECONDS, enforce_key_length=False)


def test_codes_equal_those_of_the_cryptography_library() -> None:
    differing = [
        (secret, at)
        for secret, at in _pairs(PAIRS)
        if _totp(secret).generate(at).decode() != totp.code_at(secret, totp.step_at(at))
    ]

    assert not differing


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_million_codes_equal_those_of_the_cryptography_library() -> None:
    random_ = random.Random(SEED)
    for _ in range(1_000_000):
        secret, at = random_.randbytes(random_.randint(10, base32.MAX_BYTES)), random_.randint(200, 2**35)
        ours = totp.code_at(secret, totp.step_at(at))
        assert _totp(secret).generate(at).decode() == ours, (secret.hex(), at)


def test_codes_of_64_bit_counters_equal_those_of_the_cryptography_library() -> None:
    random_ = random.Random(SEED)
    sha1 = SHA1()  # noqa: S303 - RFC 4226 fixes SHA-1
    for secret, _ in _pairs(500):
        counter = random_.getrandbits(64)
        other = HOTP(secret, totp.DIGITS, sha1, enforce_key_length=False)
        assert other.generate(counter).decode() == totp.code_at(secret, counter)


@pytest.mark.parametrize("distance", range(-3, 4))
def test_matching_agrees_with_verification_by_the_cryptography_library(distance: int) -> None:
    for secret, at in _pairs(300):
        code = _totp(secret).generate(at + distance * totp.PERIOD_SECONDS)
        found = totp.match_step(secret, code.decode(), at, 0)
        try:
            _totp(secret).verify(code, at)
        except InvalidToken:
            assert found is None
        else:
            assert found == totp.step_at(at)


def test_window_accepts_exactly_the_codes_of_its_steps() -> None:
    random_ = random.Random(SEED)
    for secret, at in _pairs(500):
        step, window = totp.step_at(at) + random_.randint(-4, 4), random_.randint(0, 2)
        code = _totp(secret).generate(step * totp.PERIOD_SECONDS)
        expected = step if abs(step - totp.step_at(at)) <= window else None
        assert totp.match_step(secret, code.decode(), at, window) == expected


def test_codes_equal_those_of_oathtool(needs: Callable[[str], Path]) -> None:
    oathtool = needs("oathtool")
    for secret, at in _pairs(24):
        command = [
            str(oathtool),
            "--totp=sha1",
            "--base32",
            f"--now=@{at}",
            "--window=9",
            base32.encode(secret),
        ]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        first = totp.step_at(at)
        assert printed == [totp.code_at(secret, step) for step in range(first, first + 10)]


def test_distance_of_a_match_equals_that_of_oathtool(needs: Callable[[str], Path]) -> None:
    oathtool = needs("oathtool")
    for distance, (secret, at) in zip([-2, -1, 0, 1, 2, 0], _pairs(6), strict=True):
        code = totp.code_at(secret, totp.step_at(at) + distance)
        command = [str(oathtool), "--totp=sha1", "--window=2", f"--now=@{at}", secret.hex(), code]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert int(printed) == abs(distance)
        assert totp.match_step(secret, code, at, 2) == totp.step_at(at) + distance
