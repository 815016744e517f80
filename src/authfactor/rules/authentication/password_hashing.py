"""Password hashing on a few threads behind a bounded queue, so that code verification never waits for it.

A hash takes tens of milliseconds by design. When the queue is full, the next sign-in is refused at once
instead of making the queue longer.
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
    """Hashes and verifies passwords off the event loop."""

    def __init__(
        self, entropy: Entropy, settings: Settings, profile: passwords.Profile = passwords.PRODUCTION
    ) -> None:
        """Keep the collaborators; no thread starts before the first password."""
        self._entropy = entropy
        self._profile = profile
        self._limit = settings.password_queue + settings.password_threads
        self._threads = ThreadPoolExecutor(
            settings.password_threads, thread_name_prefix="authfactor-password", initializer=_lower_priority
        )
        self._in_progress = 0

    async def hash(self, password: str) -> str:
        """Hash a password with a fresh salt. Raises `Unavailable` when the queue is full."""
        salt = self._entropy(SALT_BYTES)
        return await self._run(lambda: passwords.hash_password(password, salt=salt, profile=self._profile))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Return whether a password is right. Without a stored hash, do the same work on a decoy: False.

        Raises `Unavailable` when the queue is full.
        """
        if stored is None:
            decoy = passwords.decoy_hash(self._profile)
            await self._run(lambda: passwords.verify_password(password, decoy))
            return False
        return await self._run(lambda: passwords.verify_password(password, stored, profile=self._profile))

    def needs_rehash(self, stored: str) -> bool:
        """Return whether a stored hash is imported or weaker than the current profile."""
        return passwords.needs_rehash(stored, self._profile)

    def close(self) -> None:
        """Stop the threads; queued work is canceled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._in_progress >= self._limit:
            raise errors.Unavailable("Too many sign-ins are waiting. Try again in a moment.")
        self._in_progress += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._in_progress -= 1


def _lower_priority() -> None:
    """Lower this thread's priority, so that hashing on every core does not delay code verification."""
    # Outside Linux niceness applies to the whole process.
    if sys.platform == "linux":
        os.nice(NICENESS)
