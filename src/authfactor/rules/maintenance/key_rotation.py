"""Rotation of vault keys: which are needed, sealing everything with the newest, retiring one."""

import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Final, NamedTuple, Protocol

from authfactor import errors
from authfactor.crypto import vault
from authfactor.crypto.vault import SealedLocation, Vault
from authfactor.models import Clock
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.store import SEALED_COLUMNS, SealedColumn, SealedValue, Store, Tx, Unit

BATCH: Final = 500
# Under load each pass finds values that were sealed since; more passes than this mean that a server has not
# loaded the new key.
PASSES: Final = 5
_KEY_ID: Final = re.compile("[0-9a-f]{6}")
LEASE: Final = "vault rotation"
LEASE_MS: Final = 10 * 60 * 1000


class RotationProgress(Protocol):
    """Called with the progress of a rotation."""

    def __call__(self, table: str, done: int) -> None:
        """`done` values of the table have been checked in this pass."""


class RotationResult(NamedTuple):
    """The result of a rotation: values sealed again, and the rows that no key of the ring can unseal."""

    values: int
    broken: tuple[str, ...]


class StillSealing(errors.Conflict):
    """A process still seals with an older key."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "key_not_taken_up",
            "A server still seals with an older key. Give every server the new key ring, restart it, and run"
            " authfactor vault rotate again.",
        )


class KeyInUse(errors.Conflict):
    """A key cannot be retired, or another rotation holds the lease."""

    def __init__(self, message: str) -> None:
        """`message` says why."""
        super().__init__("key_in_use", message)


class KeyRotation:
    """Manages the keys behind the sealed values of one database."""

    def __init__(self, clock: Clock, holder: str) -> None:
        """Keep the clock, and the name of this process as holder of the lease."""
        self._clock = clock
        self._holder = holder

    async def counts(self, store: Store) -> dict[str, int]:
        """Count sealed values by the key that sealed them. Reads every table with sealed values once."""
        found: Counter[str] = Counter()
        for column in SEALED_COLUMNS:
            found.update(await store.read(lambda tx, column=column: tx.sealed_values.count(column)))  # type: ignore[misc]  # bound per table
        return dict(found)

    async def recovery_codes(self, store: Store) -> dict[str, int]:
        """Count unused recovery codes by the key of their digests, which no rotation can replace."""
        return await store.read(lambda tx: tx.diagnostics.recovery_codes_by_key())

    async def missing_keys(self, store: Store, ring: tuple[str, ...]) -> list[str]:
        """Return the ids of keys that this database needs and the ring lacks.

        For a database of a release that did not record its keys, all sealed values are counted.
        """
        needed = await store.read(lambda tx: tx.vault_keys.ids()) or await self._found(store)
        return [key_id for key_id in needed if key_id not in ring]

    async def record_keys_in_use(self, store: Store, newest: str) -> None:
        """Record that the newest key is needed from now on, and which keys are needed already."""
        known = await store.read(lambda tx: tx.vault_keys.ids())
        if newest in known:
            return
        await store.write(self._record([newest] if known else [*await self._found(store), newest]))

    @installation_unit
    async def _record(self, scope: InstallationScope, key_ids: list[str]) -> None:
        for key_id in key_ids:
            await scope.tx.vault_keys.record(key_id, scope.now)

    async def _found(self, store: Store) -> list[str]:
        # A broken value names no key.
        return [key_id for key_id in await self.counts(store) if _KEY_ID.fullmatch(key_id)]

    @contextlib.asynccontextmanager
    async def lease(self, store: Store) -> AsyncIterator[None]:
        """Hold the lease on rotations. Raises `KeyInUse` while another rotation runs."""
        if not await self._acquire_lease(store, LEASE_MS):
            raise KeyInUse("Another rotation is running, or was killed less than ten minutes ago. Try later.")
        try:
            yield
        finally:
            await self._acquire_lease(store, -1)

    async def reseal(self, store: Store, vault_: Vault, report: RotationProgress) -> RotationResult:
        """Seal with the newest key all values that an older one sealed, in batches, while servers run.

        After an interruption it can be run again and skips finished values. Raises `StillSealing`, and
        `vault.UnknownKey` for a value whose key is not on the ring.
        """
        total = 0
        for _ in range(PASSES):
            count = 0
            broken: list[str] = []
            for column in SEALED_COLUMNS:
                done = await self._reseal_table(store, vault_, column, report)
                count += done.values
                broken += done.broken
            total += count
            if not count:
                return RotationResult(total, tuple(broken))
        raise StillSealing

    async def _reseal_table(
        self, store: Store, vault_: Vault, column: SealedColumn, report: RotationProgress
    ) -> RotationResult:
        after: SealedValue | None = None
        done = count = 0
        broken: list[str] = []
        while values := await store.read(_page_after(column, after)):
            after = values[-1]
            fresh: list[tuple[SealedValue, str]] = []
            for value in values:
                if vault_.is_stale(value.sealed):
                    where = _row(column, value)
                    try:
                        fresh.append((value, vault_.seal(vault_.unseal(value.sealed, where), where)))
                    except vault.UnknownKey:
                        raise
                    except vault.UnsealError:
                        broken.append(f"{column.table} {where.id}")
            if fresh:
                count += await store.write(lambda tx, fresh=fresh: _replace(tx, column, fresh))  # type: ignore[misc]  # bound per batch
                await self._acquire_lease(store, LEASE_MS)
            done += len(values)
            report(column.table, done)
        return RotationResult(count, tuple(broken))

    async def unopenable_rows(
        self, store: Store, vault_: Vault, columns: Iterable[SealedColumn] = SEALED_COLUMNS
    ) -> list[str]:
        """Return the rows whose sealed value cannot be unsealed. Reads and unseals all values."""
        found: list[str] = []
        for column in columns:
            after: SealedValue | None = None
            while values := await store.read(_page_after(column, after)):
                after = values[-1]
                for value in values:
                    where = _row(column, value)
                    try:
                        vault_.unseal(value.sealed, where)
                    except vault.UnsealError:
                        found.append(f"{column.table} {where.id}")
        return found

    async def retire_key(self, store: Store, key_id: str, audit: Unit[None] | None = None) -> None:
        """Record that a key is no longer needed; `audit` appends the audit entry in the same unit.

        Raises `KeyInUse` when values are sealed with it, or recovery codes need it.
        """
        count = (await self.counts(store)).get(key_id, 0)
        if count:
            raise KeyInUse(f"{count} values are sealed with the key '{key_id}'. Run: authfactor vault rotate")
        codes = (await self.recovery_codes(store)).get(key_id, 0)
        if codes:
            raise KeyInUse(
                f"{codes} unused recovery codes need the key '{key_id}'. Their users can make new ones; or"
                " delete them: authfactor recovery-codes delete USER"
            )

        await store.write(self._retire(key_id, audit))

    @installation_unit
    async def _retire(self, scope: InstallationScope, key_id: str, audit: Unit[None] | None) -> None:
        await scope.tx.vault_keys.forget(key_id)
        if audit is not None:
            await audit(scope.tx)

    async def _acquire_lease(self, store: Store, milliseconds: int) -> bool:
        now = self._clock()
        return await store.write(lambda tx: tx.leases.acquire(LEASE, self._holder, now, now + milliseconds))


async def _replace(tx: Tx, column: SealedColumn, fresh: list[tuple[SealedValue, str]]) -> int:
    count = 0
    for value, sealed in fresh:
        count += await tx.sealed_values.replace(column, value, sealed)
    return count


def _row(column: SealedColumn, value: SealedValue) -> SealedLocation:
    key = value.key.hex() if isinstance(value.key, bytes) else value.key
    return SealedLocation(column.table, column.column, value.environment, key)


def _page_after(column: SealedColumn, after: SealedValue | None) -> Unit[list[SealedValue]]:
    return lambda tx: tx.sealed_values.page_after(column, after, BATCH)
