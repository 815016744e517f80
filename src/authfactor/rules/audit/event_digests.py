"""What a seal of events is made of: a digest over a range of them, as it stands in the audit list.

The digest covers every column of every event, in order of environment and id (decision 0023). It holds the
same whatever database the events are in.
"""

import hashlib
import zlib
from base64 import b64decode, b64encode
from typing import Final

import msgspec

from authfactor import ids
from authfactor.models import AuditEntry
from authfactor.store.db import Row

SEALED: Final = "events.sealed"
CLEANED: Final = "events.cleaned"
PARTS: Final = 32
_TAG_BYTES: Final = 4


class EventSeal(msgspec.Struct, frozen=True, gc=False):
    """What an entry says of the events with ids from `start` up to, and without, `end`.

    `tags` are the beginnings of the digests of the parts that events fall into by their id: they tell where
    something was changed. `ids` is the sum of all ids without carry: if one is missing, the difference is it.
    """

    entry: str
    start: str
    end: str
    count: int
    digest: bytes
    tags: tuple[bytes, ...]
    ids: int


class EventDigest:
    """Takes events in order of environment and id."""

    def __init__(self) -> None:
        """Begin with none."""
        self._parts = [hashlib.sha256() for _ in range(PARTS)]
        self.count = 0
        self.ids = 0

    def take(self, rows: list[Row]) -> None:
        """Add rows as `store.queries.event_ranges` gives them, every column, as JSON."""
        encode, parts, total = msgspec.json.encode, self._parts, 0
        for row in rows:
            parts[part_of(row[1])].update(encode(row))
            total ^= int.from_bytes(row[1].encode(), "big")
        self.ids ^= total
        self.count += len(rows)

    def value(self) -> bytes:
        """Return the digest: SHA-256 over the digests of all parts."""
        whole = b"".join(part.digest() for part in self._parts)
        return hashlib.sha256(b"authfactor events\0" + whole).digest()

    def tags(self) -> tuple[bytes, ...]:
        """Return the beginning of each part's digest."""
        return tuple(part.digest()[:_TAG_BYTES] for part in self._parts)


class _SealPayload(msgspec.Struct, frozen=True, gc=False):
    """The reason of an entry, as JSON; its target is where the range ends."""

    start: str = msgspec.field(name="from")
    count: int
    sha256: str
    parts: str
    ids: str


def told(start: str, found: EventDigest) -> str:
    """Write what an entry says."""
    tags = b64encode(b"".join(found.tags())).decode()
    return msgspec.json.encode(
        _SealPayload(start, found.count, found.value().hex(), tags, f"{found.ids:x}")
    ).decode()


def read(entry: AuditEntry) -> EventSeal | None:
    """Read a seal back out of its entry; None when it says something else."""
    try:
        said = msgspec.json.decode(entry.reason or "", type=_SealPayload)
        tags, digest = b64decode(said.parts, validate=True), bytes.fromhex(said.sha256)
        total = int(said.ids, 16)
    except (ValueError, msgspec.DecodeError):
        return None
    cut = tuple(tags[at : at + _TAG_BYTES] for at in range(0, len(tags), _TAG_BYTES))
    if len(cut) != PARTS:
        return None
    return EventSeal(entry.id, said.start, entry.target, said.count, digest, cut, total)


def why(entry: AuditEntry) -> str | None:
    """Say an entry's reason in words for people."""
    seal = read(entry) if entry.action == SEALED else None
    return entry.reason if seal is None else f"{seal.count} events from {seal.start}"


def part_of(event_id: str) -> int:
    """Say which part an event belongs to."""
    return zlib.crc32(event_id.encode()) % PARTS


def moment_of(event_id: str) -> int:
    """Read the time, in milliseconds, out of an id that may be anybody's; 0 when there is none in it."""
    try:
        return ids.milliseconds_of(event_id)
    except ValueError:
        return 0


class SealedRanges:
    """Takes the audit list's entries in their order, and keeps the seals of events that must be there."""

    def __init__(self) -> None:
        """Begin before the first entry."""
        self.seals: list[EventSeal] = []
        self.cleaned = ""
        self.upto = ""

    def step(self, entry: AuditEntry) -> str | None:
        """Take the next entry; say why it does not fit to those before it, None when it does."""
        if entry.action == CLEANED:
            self.cleaned = max(self.cleaned, entry.target)
            self.seals = [seal for seal in self.seals if seal.end > self.cleaned]
        if entry.action != SEALED:
            return None
        seal = read(entry)
        if seal is None:
            return "it seals events, and what it says of them cannot be read"
        if self.upto not in ("", seal.start):
            return f"it seals events from {seal.start} on, and the one before ended at {self.upto}"
        self.upto = seal.end
        self.seals.append(seal)
        return None
