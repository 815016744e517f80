"""Passwords hashed on a few threads behind a bounded queue: verifying codes must never wait for them.

A hash takes tens of milliseconds on purpose. When more sign-ins wait than the queue holds, the next one
is told to come back at once instead of joining a pile.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from authfactor import errors
from authfactor.crypto import passwords
from authfactor.models import Entropy
from authfactor.settings import Settings

T = TypeVar("T")
SALT_BYTES = 16
NICENESS: Final = 10


class PasswordHasher:
    """Hashes and verifies off the event loop."""

    def __init__(
        self, entropy: Entropy, settings: Settings, profile: passwords.Profile = passwords.PRODUCTION
    ) -> None:
        """Start no thread before the first password."""
        self._entropy = entropy
        self._profile = profile
        self._most = settings.password_queue + settings.password_threads
        self._threads = ThreadPoolExecutor(
            settings.password_threads, thread_name_prefix="authfactor-password", initializer=_give_way
        )
        self._under_way = 0

    async def hash(self, password: str) -> str:
        """Hash a password with a fresh salt. Raises `Unavailable` when the queue is full."""
        salt = self._entropy(SALT_BYTES)
        return await self._run(lambda: passwords.hash_password(password, salt=salt, profile=self._profile))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Check a password. Without a stored hash the same work is done on a decoy, and the answer is no."""
        if stored is None:
            decoy = passwords.decoy_hash(self._profile)
            await self._run(lambda: passwords.verify_password(password, decoy))
            return False
        return await self._run(lambda: passwords.verify_password(password, stored, profile=self._profile))

    def needs_rehash(self, stored: str) -> bool:
        """Tell whether a stored hash is imported or weaker than today's."""
        return passwords.needs_rehash(stored, self._profile)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._most:
            raise errors.Unavailable("Too many sign-ins are waiting. Try again in a moment.")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._under_way -= 1


def _give_way() -> None:
    """Put this thread behind all others: hashing may take every core, but not from who verifies a code."""
    # Elsewhere niceness belongs to the whole process.
    if sys.platform == "linux":
        os.nice(NICENESS)
