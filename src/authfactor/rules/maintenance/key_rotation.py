"""Keys of the ring over time: which are needed, sealing everything again with the newest, letting one go."""

import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Final, NamedTuple, Protocol

from authfactor import errors
from authfactor.crypto import vault
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.models import Clock
from authfactor.store import PLACES, SealedColumn, SealedValue, Store, Tx, Unit

BATCH: Final = 500
# A rotation under load finds values that were sealed meanwhile; more passes than this mean that a server
# never took the new key up.
PASSES: Final = 5
_KEY_ID: Final = re.compile("[0-9a-f]{6}")
LEASE: Final = "vault rotation"
LEASE_MS: Final = 10 * 60 * 1000


class RotationProgress(Protocol):
    """Told how far it is."""

    def __call__(self, table: str, done: int) -> None:
        """`done` values of this table have been looked at in this pass."""


class RotationResult(NamedTuple):
    """What a rotation did: values sealed again, and those that do not open with any key of the ring."""

    values: int
    broken: tuple[str, ...]


class StillSealing(errors.Conflict):
    """Some process goes on sealing with an older key."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "key_not_taken_up",
            "Some server goes on sealing with an older key. Give every server the new key ring, restart"
            " it, and run authfactor vault rotate again.",
        )


class KeyInUse(errors.Conflict):
    """A key cannot be let go of."""

    def __init__(self, message: str) -> None:
        """Say why."""
        super().__init__("key_in_use", message)


class KeyRotation:
    """Looks after the keys behind the sealed values of one database."""

    def __init__(self, clock: Clock, holder: str) -> None:
        """Take the clock; `holder` is this process, as the holder of a turn."""
        self._clock = clock
        self._holder = holder

    async def counts(self, store: Store) -> dict[str, int]:
        """Count sealed values by the key that sealed them. Reads every such table once."""
        found: Counter[str] = Counter()
        for place in PLACES:
            found.update(await store.read(lambda tx, place=place: tx.sealed_values.count(place)))  # type: ignore[misc]  # bound per table
        return dict(found)

    async def missing_keys(self, store: Store, ring: tuple[str, ...]) -> list[str]:
        """List the ids of keys that this database needs and the ring lacks.

        A database from before the list of keys was kept is counted once.
        """
        needed = await store.read(lambda tx: tx.vault_keys.ids()) or await self._found(store)
        return [key_id for key_id in needed if key_id not in ring]

    async def record_keys_in_use(self, store: Store, newest: str) -> None:
        """Write down that the newest key is needed from now on, and which are needed already."""
        known = await store.read(lambda tx: tx.vault_keys.ids())
        if newest in known:
            return
        fresh = [newest] if known else [*await self._found(store), newest]
        now = self._clock()

        async def run(tx: Tx) -> None:
            for key_id in fresh:
                await tx.vault_keys.record(key_id, now)

        await store.write(run)

    async def _found(self, store: Store) -> list[str]:
        # What is no sealed value names no key.
        return [key_id for key_id in await self.counts(store) if _KEY_ID.fullmatch(key_id)]

    @contextlib.asynccontextmanager
    async def lease(self, store: Store) -> AsyncIterator[None]:
        """Keep other rotations out. Raises `KeyInUse` while another one runs."""
        if not await self._take(store, LEASE_MS):
            raise KeyInUse("Another rotation is running, or ended abruptly within ten minutes. Try later.")
        try:
            yield
        finally:
            await self._take(store, -1)

    async def reseal(self, store: Store, vault_: Vault, tell: RotationProgress) -> RotationResult:
        """Seal with the newest key whatever an older one sealed, in batches, while servers run.

        Interrupted it can be run again: what is done is passed over. Raises `StillSealing`.
        """
        total = 0
        for _ in range(PASSES):
            count = 0
            broken: list[str] = []
            for place in PLACES:
                done = await self._reseal_table(store, vault_, place, tell)
                count += done.values
                broken += done.broken
            total += count
            if not count:
                return RotationResult(total, tuple(broken))
        raise StillSealing

    async def _reseal_table(
        self, store: Store, vault_: Vault, place: SealedColumn, tell: RotationProgress
    ) -> RotationResult:
        after: SealedValue | None = None
        done = count = 0
        broken: list[str] = []
        while values := await store.read(
            lambda tx, after=after: tx.sealed_values.following(place, after, BATCH)  # type: ignore[misc]  # bound per batch
        ):
            after = values[-1]
            fresh: list[tuple[SealedValue, str]] = []
            for value in values:
                if vault_.is_stale(value.sealed):
                    where = _row(place, value)
                    try:
                        fresh.append((value, vault_.seal(vault_.unseal(value.sealed, where), where)))
                    except vault.UnknownKey:
                        raise
                    except vault.UnsealError:
                        broken.append(f"{place.table} {where.id}")
            if fresh:
                count += await store.write(lambda tx, fresh=fresh: _replace(tx, place, fresh))  # type: ignore[misc]  # bound per batch
                await self._take(store, LEASE_MS)
            done += len(values)
            tell(place.table, done)
        return RotationResult(count, tuple(broken))

    async def unopenable_rows(
        self, store: Store, vault_: Vault, places: Iterable[SealedColumn] = PLACES
    ) -> list[str]:
        """List the rows whose sealed value does not open. Reads and opens everything."""
        found: list[str] = []
        for place in places:
            after: SealedValue | None = None
            while values := await store.read(
                lambda tx, after=after, place=place: tx.sealed_values.following(place, after, BATCH)  # type: ignore[misc]  # bound per batch
            ):
                after = values[-1]
                for value in values:
                    where = _row(place, value)
                    try:
                        vault_.unseal(value.sealed, where)
                    except vault.UnsealError:
                        found.append(f"{place.table} {where.id}")
        return found

    async def retire_key(self, store: Store, key_id: str, note: Unit[None] | None = None) -> None:
        """Write down that a key is needed no more, with its entry in the audit list, that `note` writes.

        Raises `KeyInUse` when values are sealed with it.
        """
        count = (await self.counts(store)).get(key_id, 0)
        if count:
            raise KeyInUse(f"{count} values are sealed with the key '{key_id}'. Run: authfactor vault rotate")

        async def run(tx: Tx) -> None:
            await tx.vault_keys.forget(key_id)
            if note is not None:
                await note(tx)

        await store.write(run)

    async def _take(self, store: Store, milliseconds: int) -> bool:
        now = self._clock()
        return await store.write(lambda tx: tx.leases.acquire(LEASE, self._holder, now, now + milliseconds))


async def _replace(tx: Tx, place: SealedColumn, fresh: list[tuple[SealedValue, str]]) -> int:
    count = 0
    for value, sealed in fresh:
        count += await tx.sealed_values.replace(place, value, sealed)
    return count


def _row(place: SealedColumn, value: SealedValue) -> SealedLocation:
    key = value.key.hex() if isinstance(value.key, bytes) else value.key
    return SealedLocation(place.table, place.column, value.environment, key)
