"""The audit list: who changed what, when and why, written with the change, chained and signed.

Each entry's hash covers the entry and the hash before it, and its signature covers the hash (decision 0016).
Entries cut off at the end leave no trace in the chain itself: keep the last id and hash elsewhere
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
from authfactor.store import Store, Tx, Unit

T = TypeVar("T")
BATCH: Final = 1000


class Actor(NamedTuple):
    """Who made a change."""

    kind: Literal["operator", "command_line", "api_key", "server"]
    id: str | None
    name: str


class Origin(NamedTuple):
    """Which request a change came in: the `X-Request-Id` of its answer, and the client's address."""

    request_id: str | None
    address: str | None


NO_ORIGIN: Final = Origin(None, None)
COMMAND_LINE: Final = Actor("command_line", None, "command line")
SERVER: Final = Actor("server", None, "server")
# What servers write by themselves, by the dozen a day: shown to whoever asks for it.
ROUTINE: Final = frozenset({SEALED, CLEANED})
Tell = Callable[[str, int, int], object]
"""Told what is looked through (`entries` or `events`), how many are done, of how many."""


class AuditLog:
    """Writes and reads the audit list."""

    def __init__(self, clock: Clock, entropy: Entropy, vault_: Vault) -> None:
        """Take the clock, and what makes and seals the keys that sign."""
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
        """Write one entry in the unit of its change. Raises `vault.CannotOpen` when its key does not open."""
        # Held before key and end of the list are read: with a key read earlier, an entry after a rotation
        # would be signed with the key of before, which is what a forger would do.
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
        """Wrap a unit so that it leaves its entry; `target` is an id or finds it in the unit's result."""

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
        """Make a new key for the entries from now on; return its id. Older keys stay, to check with."""
        await tx.audit.lock()
        return (await self._new_key(tx, await tx.audit.newest_key()))[0]

    async def lock(self, tx: Tx) -> None:
        """Let nobody else add an entry until the unit ends, so that what it reads of the list stays true."""
        await tx.audit.lock()
        if await tx.audit.newest_key() is None:
            # Nothing was there to wait for: of two that get here, one meets the other's key and runs again.
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

    def page(
        self, query: PageQuery, action: str | None = None, actor: str | None = None, target: str | None = None
    ) -> Unit[RecordPage[AuditEntry]]:
        """List entries, newest first; without a filter, those of `ROUTINE` are left out.

        The unit raises `InvalidRequest` for an unknown cursor.
        """

        async def run(tx: Tx) -> RecordPage[AuditEntry]:
            for field, cursor in (("before", query.before), ("after", query.after)):
                if cursor and await tx.audit.by_id(cursor) is None:
                    raise pagination.unknown_cursor(field, cursor)
            if action or actor or target:
                items, more_before, more_after = await tx.audit.page(query, action, actor, target)
            else:
                items, more_before, more_after = await tx.audit.page_without(query, ROUTINE)
            return pagination.page(items, query, more_before=more_before, more_after=more_after)

        return run

    async def keys(self, store: Store) -> dict[str, bytes]:
        """Open the keys that sign; one that does not open is left out."""
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
        """Follow the whole list; `expect` are hashes by id that must be in it."""
        walk = ChainVerifier(await self.keys(store), expect=expect, accept=accept)
        return await self.follow(store, walk) or walk.end()

    async def follow(self, store: Store, walk: ChainVerifier, tell: Tell | None = None) -> ChainResult | None:
        """Go on through the list from where the walk is, a batch at a time; say what does not fit, if so."""
        last = await store.read(lambda tx: tx.audit.last())
        total = 0
        # Whoever touched the list may have left any id there.
        with contextlib.suppress(ValueError):
            total = number_of(last.id) if last is not None else 0
        while entries := await store.read(lambda tx: tx.audit.following(walk.at, BATCH)):
            for entry in entries:
                if why := walk.step(entry):
                    return walk.stop(entry, why)
            if tell is not None:
                tell("entries", walk.count, total)
        return None


def _row(key_id: str) -> SealedLocation:
    return SealedLocation("audit_keys", "secret", 0, key_id)
