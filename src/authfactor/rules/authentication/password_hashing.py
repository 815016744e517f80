"""Password hashing off the event loop, in separate pools, so that nothing else waits for it.

A hash takes tens of milliseconds by design, so a client that causes many keeps others waiting. There is a
pool for the API, one for strangers at the console, one for operators who have signed in on their device
before, and one for imported hashes that cost more than an import may cost today (decision 0034). Each has its
own threads and its own bounded queue.
"""

import math
from typing import Final, Literal, NamedTuple

from authfactor.crypto import passwords
from authfactor.models import Entropy
from authfactor.rules.authentication.hashing_pool import HashingCaller, HashingPool
from authfactor.settings import Settings

SALT_BYTES: Final = 16
# Half a second of work at the console; strangers beyond it are refused.
CONSOLE_QUEUE: Final = 16
COSTLY_QUEUE: Final = 16

PoolName = Literal["api", "console", "known_operators"]


class HashingShare(NamedTuple):
    """Which pool a hash is computed in, and on whose account."""

    pool: PoolName
    requester: HashingCaller


KNOWN_OPERATORS: Final = HashingShare("known_operators", HashingCaller(0, ""))


def api_share(environment: int, network: str | None = None) -> HashingShare:
    """Return an environment's share of the API's pool; `network` is that of its client, if known."""
    return HashingShare("api", HashingCaller(environment, network or ""))


def console_share(network: str | None) -> HashingShare:
    """Return the share of a stranger at the console."""
    return HashingShare("console", HashingCaller(0, network or ""))


class PasswordHasher:
    """Hashes and verifies passwords off the event loop."""

    def __init__(
        self, entropy: Entropy, settings: Settings, profile: passwords.Profile = passwords.PRODUCTION
    ) -> None:
        """Keep the collaborators; no thread starts before the first password."""
        self._entropy = entropy
        self._profile = profile
        self._pools: dict[PoolName, HashingPool] = {
            "api": HashingPool("password", settings.password_threads, settings.password_queue),
            "console": HashingPool("console", 1, CONSOLE_QUEUE),
            "known_operators": HashingPool("operators", 1, CONSOLE_QUEUE),
        }
        self._costly = HashingPool("costly", 1, COSTLY_QUEUE)

    async def hash(self, password: str, share: HashingShare) -> str:
        """Hash a password with a fresh salt. Raises `Unavailable` when the queue is full."""
        salt = self._entropy(SALT_BYTES)
        return await self._pools[share.pool].run(
            share.requester, 1, lambda: passwords.hash_password(password, salt=salt, profile=self._profile)
        )

    async def verify(self, password: str, stored: str | None, share: HashingShare) -> bool:
        """Return whether a password is right. Without a stored hash, do the same work on a decoy: False.

        Raises `Unavailable` when the queue is full.
        """
        if stored is None:
            decoy = passwords.decoy_hash(self._profile)
            await self._pools[share.pool].run(
                share.requester, 1, lambda: passwords.verify_password(password, decoy)
            )
            return False
        load = passwords.import_load(stored)
        pool = self._costly if load > 1 else self._pools[share.pool]
        weight = max(1, math.ceil(load * passwords.OWN_HASHES_PER_IMPORT_LIMIT))
        return await pool.run(
            share.requester,
            weight,
            lambda: passwords.verify_password(password, stored, profile=self._profile),
        )

    def needs_rehash(self, stored: str) -> bool:
        """Return whether a stored hash is imported or weaker than the current profile."""
        return passwords.needs_rehash(stored, self._profile)

    def close(self) -> None:
        """Stop the threads; queued work is canceled."""
        for pool in (*self._pools.values(), self._costly):
            pool.close()
