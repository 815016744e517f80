"""Passwords are hashed outside the event loop, on few threads, behind a bounded queue."""

import asyncio
import random

import pytest

from authfactor import errors
from authfactor.crypto import passwords
from authfactor.rules.authentication.password_hashing import PasswordHasher
from authfactor.settings import Settings

PASSWORD = "several unrelated words"


def new_hasher(*, threads: int = 1, queue: int = 2) -> PasswordHasher:
    settings = Settings(password_threads=threads, password_queue=queue)
    return PasswordHasher(random.Random(7).randbytes, settings, passwords.CHEAPEST)


async def test_hashes_beyond_the_queue_are_refused_with_retry_after() -> None:
    hashing = new_hasher()
    outcomes = await asyncio.gather(*(hashing.hash(PASSWORD) for _ in range(5)), return_exceptions=True)
    assert [isinstance(each, str) for each in outcomes] == [True, True, True, False, False]
    for refused in outcomes[3:]:
        assert isinstance(refused, errors.Unavailable)
        assert refused.retry_after >= 1
    assert await hashing.verify(PASSWORD, await hashing.hash(PASSWORD))
    hashing.close()


async def test_verification_for_unknown_users_uses_the_same_queue() -> None:
    hashing = new_hasher(queue=1)
    stored = await hashing.hash(PASSWORD)
    outcomes = await asyncio.gather(
        hashing.verify(PASSWORD, stored),
        hashing.verify(PASSWORD, None),
        hashing.verify(PASSWORD, stored),
        return_exceptions=True,
    )
    assert outcomes[0] is True
    assert outcomes[1] is False
    assert isinstance(outcomes[2], errors.Unavailable)
    hashing.close()


async def test_queue_slot_is_released_after_an_error() -> None:
    hashing = new_hasher(queue=1)

    def fail() -> None:
        raise ZeroDivisionError

    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            await hashing._run(fail)
    assert await hashing.hash(PASSWORD)
    hashing.close()


async def test_every_hash_has_its_own_salt() -> None:
    hashing = new_hasher()
    assert await hashing.hash(PASSWORD) != await hashing.hash(PASSWORD)
    hashing.close()
