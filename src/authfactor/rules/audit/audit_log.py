"""The audit log: who changed what, when and why, written with the change, chained and signed.

Each entry's hash covers the entry and the previous hash, and its signature covers the hash (decision 0016).
The chain itself cannot show that entries were cut off at its end: keep the last id and hash elsewhere
(`authfactor audit verify` prints them).
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec

from authfactor.crypto import vault
from authfactor.crypto.vault import KEY_BYTES, SealedLocation, Vault
from authfactor.models import AuditEntry, Clock, Entropy, PageQuery, RecordPage
from authfactor.rules import pagination
from authfactor.rules.audit.event_digests import CLEANED, SEALED
from authfactor.rules.audit.hash_chain import (
    BEGINNING,
    ChainResult,
    ChainVerifier,
    hash_of,
    mac_of,
    number_of,
    numbered,
)
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.store import Store, Tx, Unit

T = TypeVar("T")
BATCH: Final = 1000


class Actor(NamedTuple):
    """The operator, process or API key that makes a change."""

    kind: Literal["operator", "command_line", "api_key", "server"]
    id: str | None
    name: str


class Origin(NamedTuple):
    """The request that makes a change: the `X-Request-Id` of its response, and the client's IP address."""

    request_id: str | None
    address: str | None


NO_ORIGIN: Final = Origin(None, None)
COMMAND_LINE: Final = Actor("command_line", None, "command line")
SERVER: Final = Actor("server", None, "server")
# Servers write dozens of these a day, so they are listed only by filter.
ROUTINE: Final = frozenset({SEALED, CLEANED})
ReportProgress = Callable[[str, int, int], object]
"""Called with what is being checked (`entries` or `events`), how many are done, and how many there are."""


class AuditLog:
    """Writes, lists and verifies the audit log.

    Its steps take a transaction rather than a scope: an entry's time is read under the lock of the log, so
    that entries are in order of time.
    """

    def __init__(self, clock: Clock, entropy: Entropy, vault_: Vault) -> None:
        """Keep the clock, and the entropy and vault that create and seal the signing keys."""
        self._clock = clock
        self._entropy = entropy
        self._vault = vault_

    async def append(
        self,
        tx: Tx,
        actor: Actor,
        action: str,
        target: str,
        *,
        environment: int | None = None,
        reason: str | None = None,
        origin: Origin = NO_ORIGIN,
    ) -> None:
        """Write an entry in the unit of its change. Raises `vault.UnsealError` for the signing key."""
        # Locked before the key and the last entry are read: with a key read earlier, an entry after a
        # rotation would be signed with the old key, as by a forger.
        await tx.audit.lock()
        key_id, key = await self._key(tx)
        last = await tx.audit.last()
        number = number_of(last.id) + 1 if last else 1
        entry = AuditEntry(
            numbered(number),
            actor.kind,
            actor.id,
            actor.name,
            action,
            environment,
            target,
            reason,
            origin.request_id,
            self._clock(),
            b"",
            None,
            key_id,
            origin.address,
        )
        hashed = hash_of(entry, last.hash if last else BEGINNING)
        await tx.audit.append(msgspec.structs.replace(entry, hash=hashed, mac=mac_of(hashed, key)))

    def audited(
        self,
        unit: Unit[T],
        actor: Actor,
        action: str,
        target: str | Callable[[T], str],
        *,
        environment: int | None = None,
        reason: str | None = None,
        origin: Origin = NO_ORIGIN,
    ) -> Unit[T]:
        """Wrap a unit so that it appends an entry; `target` is an id, or finds it in the unit's result."""

        async def run(tx: Tx) -> T:
            result = await unit(tx)
            found = target if isinstance(target, str) else target(result)
            await self.append(
                tx,
                actor,
                action,
                found,
                environment=environment,
                reason=reason,
                origin=origin,
            )
            return result

        return run

    async def renew_key(self, tx: Tx) -> str:
        """Create a key for all later entries and return its id. Older keys stay for verification."""
        await tx.audit.lock()
        return (await self._new_key(tx, await tx.audit.newest_key()))[0]

    async def lock(self, tx: Tx) -> None:
        """Keep others from appending until the unit ends, so that what it reads of the log stays true."""
        await tx.audit.lock()
        if await tx.audit.newest_key() is None:
            # There was no key to lock. Of two concurrent units, one conflicts here and runs again.
            await self._new_key(tx, None)

    async def _key(self, tx: Tx) -> tuple[str, bytes]:
        newest = await tx.audit.newest_key()
        if newest is None:
            return await self._new_key(tx, None)
        return newest[0], self._vault.unseal(newest[1], _row(newest[0]))

    async def _new_key(self, tx: Tx, newest: tuple[str, str] | None) -> tuple[str, bytes]:
        key_id = f"{int(newest[0]) + 1 if newest else 1:06d}"
        secret = self._entropy(KEY_BYTES)
        await tx.audit.add_key(key_id, self._vault.seal(secret, _row(key_id)), self._clock())
        return key_id, secret

    @installation_unit
    async def page(
        self,
        scope: InstallationScope,
        query: PageQuery,
        action: str | None = None,
        actor: str | None = None,
        target: str | None = None,
    ) -> RecordPage[AuditEntry]:
        """List entries, newest first; without a filter, actions in `ROUTINE` are left out.

        Raises `InvalidRequest` for an unknown cursor.
        """
        audit = scope.tx.audit
        for field, cursor in (("before", query.before), ("after", query.after)):
            if cursor and await audit.by_id(cursor) is None:
                raise pagination.unknown_cursor(field, cursor)
        if action or actor or target:
            items, more_before, more_after = await audit.page(query, action, actor, target)
        else:
            items, more_before, more_after = await audit.page_without(query, ROUTINE)
        return pagination.page(items, query, more_before=more_before, more_after=more_after)

    async def keys(self, store: Store) -> dict[str, bytes]:
        """Unseal the signing keys, by id; keys that cannot be unsealed are left out."""
        found: dict[str, bytes] = {}
        for key_id, sealed in await store.read(lambda tx: tx.audit.keys()):
            try:
                found[key_id] = self._vault.unseal(sealed, _row(key_id))
            except vault.UnsealError:
                continue
        return found

    async def check(
        self,
        store: Store,
        *,
        expect: Mapping[str, bytes] | None = None,
        accept: frozenset[str] = frozenset(),
    ) -> ChainResult:
        """Verify the whole log.

        `expect` are hashes by id that it must contain; `accept` are ids of entries that need no signature.
        """
        verifier = ChainVerifier(await self.keys(store), expect=expect, accept=accept)
        return await self.follow(store, verifier) or verifier.end()

    async def follow(
        self, store: Store, verifier: ChainVerifier, report: ReportProgress | None = None
    ) -> ChainResult | None:
        """Verify the rest of the log, a batch at a time; return the result if an entry does not fit."""
        last = await store.read(lambda tx: tx.audit.last())
        total = 0
        # A forger may have left any id there.
        with contextlib.suppress(ValueError):
            total = number_of(last.id) if last is not None else 0
        while entries := await store.read(lambda tx: tx.audit.entries_after(verifier.at, BATCH)):
            for entry in entries:
                if mismatch := verifier.step(entry):
                    return verifier.stop(entry, mismatch)
            if report is not None:
                report("entries", verifier.count, total)
        return None


def _row(key_id: str) -> SealedLocation:
    return SealedLocation("audit_keys", "secret", 0, key_id)
