"""The audit list: who changed what, when and why, written with the change and chained by hashes.

Each entry's hash covers the entry and the hash before it, so whoever changes, removes or inserts one later
breaks every hash that follows. Entries cut off at the end leave no trace in the chain itself: keep the last
id and hash elsewhere (`authfactor audit verify` prints them).
"""

import hashlib
from typing import Final, Literal, NamedTuple

import msgspec

from authfactor import ids
from authfactor.models import AuditEntry, Clock, Page, PageQuery
from authfactor.rules import paging
from authfactor.store import Store, Tx, Unit

BATCH: Final = 1000
BEGINNING: Final = bytes(32)
_DIGITS: Final = 15


class Actor(NamedTuple):
    """Who made a change."""

    kind: Literal["operator", "command_line"]
    id: str | None
    name: str


COMMAND_LINE: Final = Actor("command_line", None, "command line")


class Chain(NamedTuple):
    """What a check of the chain found; `broken` is the first entry that does not fit, None when all do."""

    entries: int
    last: AuditEntry | None
    broken: AuditEntry | None


class Audit:
    """Writes and reads the audit list."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock."""
        self._clock = clock

    async def note(
        self,
        tx: Tx,
        actor: Actor,
        action: str,
        target: str,
        *,
        environment: int | None = None,
        reason: str | None = None,
        request_id: str | None = None,
    ) -> None:
        """Write one entry in the unit of its change."""
        last = await tx.audit.last()
        number = int(last.id.removeprefix(ids.AUDIT)) + 1 if last else 1
        entry = AuditEntry(
            _id(number),
            actor.kind,
            actor.id,
            actor.name,
            action,
            environment,
            target,
            reason,
            request_id,
            self._clock(),
            b"",
        )
        hashed = hash_of(entry, last.hash if last else BEGINNING)
        await tx.audit.append(msgspec.structs.replace(entry, hash=hashed))

    def page(
        self, query: PageQuery, action: str | None = None, actor: str | None = None, target: str | None = None
    ) -> Unit[Page[AuditEntry]]:
        """List entries, newest first. The unit raises `InvalidRequest` for an unknown cursor."""

        async def run(tx: Tx) -> Page[AuditEntry]:
            for field, cursor in (("before", query.before), ("after", query.after)):
                if cursor and await tx.audit.by_id(cursor) is None:
                    raise paging.unknown_cursor(field, cursor)
            items, more_before, more_after = await tx.audit.page(query, action, actor, target)
            return paging.page(items, query, more_before=more_before, more_after=more_after)

        return run

    async def check(self, store: Store) -> Chain:
        """Walk the whole chain, a batch at a time."""
        count, last = 0, None
        while True:
            after = last.id if last else ""
            entries = await store.read(lambda tx, after=after: tx.audit.following(after, BATCH))  # type: ignore[misc]  # bound per batch
            if not entries:
                return Chain(count, last, None)
            for entry in entries:
                count += 1
                if entry.id != _id(count) or entry.hash != hash_of(entry, last.hash if last else BEGINNING):
                    return Chain(count, last, entry)
                last = entry


def hash_of(entry: AuditEntry, before: bytes) -> bytes:
    """Hash an entry and the hash before it: SHA-256 over JSON with the fields in their order."""
    values = [getattr(entry, name) for name in AuditEntry.__struct_fields__[:-1]]
    return hashlib.sha256(before + msgspec.json.encode(values)).digest()


def _id(number: int) -> str:
    return f"{ids.AUDIT}{number:0{_DIGITS}d}"
