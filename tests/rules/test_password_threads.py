"""Hashing threads run at a low priority where the system can lower that of one thread."""

import os
import random
import sys

import pytest

from authfactor.crypto import passwords
from authfactor.rules.authentication.hashing_pool import NICENESS
from authfactor.rules.authentication.password_hashing import PasswordHasher, api_share
from authfactor.settings import Settings


@pytest.mark.parametrize(("platform", "expected"), [("linux", [NICENESS]), ("darwin", [])])
async def test_threads_lower_their_priority_on_linux_alone(
    monkeypatch: pytest.MonkeyPatch, platform: str, expected: list[int]
) -> None:
    lowered: list[int] = []
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os, "nice", lowered.append)
    hasher = PasswordHasher(
        random.Random(7).randbytes, Settings(password_threads=1, password_queue=1), passwords.CHEAPEST
    )
    try:
        await hasher.hash("seven green bottles", api_share(1))
    finally:
        hasher.close()
    assert lowered == expected
