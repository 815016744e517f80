"""Signing keys of environments, and signing access tokens off the event loop."""

import asyncio
import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from authfactor import ids
from authfactor.crypto import jwt_rs256
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.ids import IdGenerator
from authfactor.models import Clock, Entropy, Environment, PublicKey, SigningKey
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Store, Unit

T = TypeVar("T")
# A new key is published this many seconds before it signs, so that applications' cached key sets have it.
PUBLISH_AHEAD: Final = 60
# Another process may rotate keys, so a cached signer is checked again after this many milliseconds.
SIGNER_TTL_MS: Final = 5000


def private_key_row(environment: int, key_id: str) -> SealedLocation:
    """Return where a sealed private key is stored."""
    return SealedLocation("signing_keys", "private_key", environment, key_id)


class TokenSigning:
    """Signs tokens and publishes keys."""

    def __init__(
        self, clock: Clock, entropy: Entropy, new_id: IdGenerator, vault: Vault, settings: Settings
    ) -> None:
        """Keep the collaborators. A signature takes most of a millisecond, so threads compute it."""
        self._clock = clock
        self._entropy = entropy
        self._new_id = new_id
        self._vault = vault
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.signing_threads, thread_name_prefix="authfactor-signing")
        self._signers: dict[int, tuple[jwt_rs256.Signer, int]] = {}

    async def sign(self, store: Store, environment: Environment, claims: dict[str, Any]) -> str:
        """Sign claims with the environment's current key; the first token creates the first key."""
        signer = await self._signer(store, environment)
        return await self._on_thread(lambda: jwt_rs256.sign(signer, claims))

    async def list_public_keys(self, store: Store, environment: Environment) -> list[tuple[str, PublicKey]]:
        """List the public keys that may still verify a token, by id; create the first key if needed."""
        await self._signer(store, environment)
        keys = await store.read(lambda tx: tx.signing_keys.published(environment.number, self._clock()))
        return [(key.id, jwt_rs256.public_key(base64.b64decode(key.certificate))) for key in keys]

    async def prepare_rotation(self, environment: Environment) -> Unit[SigningKey]:
        """Prepare a new key.

        It is published at once and signs a minute later; older keys stay published until the last token
        that they signed has expired.
        """
        now = self._clock()
        key = await self._new_key(environment, now, signs_from=now + PUBLISH_AHEAD * 1000)
        return self._rotate(environment, key)

    @unit
    async def _rotate(self, scope: Scope, key: SigningKey) -> SigningKey:
        retired_at = key.signs_from + (self._settings.access_token_life + PUBLISH_AHEAD) * 1000
        await scope.tx.signing_keys.insert(scope.number, key)
        await scope.tx.signing_keys.retire_others(scope.number, key.id, retired_at)
        return key

    def close(self) -> None:
        """Stop the threads; queued work is canceled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _signer(self, store: Store, environment: Environment) -> jwt_rs256.Signer:
        now = self._clock()
        known = self._signers.get(environment.number)
        # `abs`: a clock that is set back must not keep a signer in the cache.
        if known is not None and abs(now - known[1]) <= SIGNER_TTL_MS:
            return known[0]
        key = _current(await store.read(lambda tx: tx.signing_keys.published(environment.number, now)), now)
        if key is None:
            made = await self._new_key(environment, now, signs_from=now)
            key = await store.write(lambda tx: self._insert_first(Scope(tx, environment, now), made))
        if known is not None and known[0].key_id == key.id:
            signer = known[0]
        else:
            secret = self._vault.unseal(key.private_key, private_key_row(environment.number, key.id))
            signer = await self._on_thread(lambda: jwt_rs256.load_signer(key.id, secret))
        self._signers[environment.number] = signer, now
        return signer

    async def _insert_first(self, scope: Scope, made: SigningKey) -> SigningKey:
        """Insert the first key, unless another request has: two keys would work, but one is enough."""
        await scope.tx.environments.lock(scope.number)
        known = _current(await scope.tx.signing_keys.published(scope.number, scope.now), scope.now)
        if known is None:
            await scope.tx.signing_keys.insert(scope.number, made)
        return known or made

    async def _new_key(self, environment: Environment, now: int, *, signs_from: int) -> SigningKey:
        serial = int.from_bytes(self._entropy(19), "big") | 1
        pair = await self._on_thread(
            lambda: jwt_rs256.new_key_pair(environment.client_id, not_before=now // 1000, serial=serial)
        )
        key_id = self._new_id(ids.SIGNING_KEY)
        sealed = self._vault.seal(pair.private_key, private_key_row(environment.number, key_id))
        certificate = base64.b64encode(pair.certificate).decode("ascii")
        return SigningKey(key_id, sealed, certificate, now, signs_from, None)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _current(keys: list[SigningKey], now: int) -> SigningKey | None:
    """Return the newest key that may sign already."""
    ready = [key for key in keys if key.signs_from <= now]
    return max(ready, key=lambda key: (key.signs_from, key.id), default=None)
