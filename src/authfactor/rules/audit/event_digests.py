"""Seals of events: digests over ranges of them, as the audit log stores them.

A digest covers every column of every event, in order of environment and id (decision 0023). It does not
depend on the kind of database.
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
    """The content of an audit entry that seals the events with ids from `start` up to `end`, exclusive.

    Events are divided into parts by a hash of their id; `tags` are prefixes of the parts' digests and show
    which part was changed. `ids` is the XOR of all ids: if one event is missing, the difference is its id.
    """

    entry: str
    start: str
    end: str
    count: int
    digest: bytes
    tags: tuple[bytes, ...]
    ids: int


class EventDigest:
    """A digest over events, which must be added in order of environment and id."""

    def __init__(self) -> None:
        """Start without events."""
        self._parts = [hashlib.sha256() for _ in range(PARTS)]
        self.count = 0
        self.ids = 0

    def update(self, rows: list[Row]) -> None:
        """Add rows as `store.queries.event_ranges` returns them, every column, encoded as JSON."""
        encode, parts, total = msgspec.json.encode, self._parts, 0
        for row in rows:
            parts[part_of(row[1])].update(encode(row))
            total ^= int.from_bytes(row[1].encode(), "big")
        self.ids ^= total
        self.count += len(rows)

    def value(self) -> bytes:
        """Return the digest: SHA-256 over the digests of all parts, 32 bytes."""
        whole = b"".join(part.digest() for part in self._parts)
        return hashlib.sha256(b"authfactor events\0" + whole).digest()

    def tags(self) -> tuple[bytes, ...]:
        """Return a prefix of each part's digest."""
        return tuple(part.digest()[:_TAG_BYTES] for part in self._parts)


class _SealPayload(msgspec.Struct, frozen=True, gc=False):
    """The reason of an audit entry, as JSON; the entry's target is the end of the range."""

    start: str = msgspec.field(name="from")
    count: int
    sha256: str
    parts: str
    ids: str


def encode_seal(start: str, found: EventDigest) -> str:
    """Return the reason of the entry that seals a range."""
    tags = b64encode(b"".join(found.tags())).decode()
    return msgspec.json.encode(
        _SealPayload(start, found.count, found.value().hex(), tags, f"{found.ids:x}")
    ).decode()


def decode_seal(entry: AuditEntry) -> EventSeal | None:
    """Return the seal in an entry; None when its reason cannot be decoded."""
    try:
        payload = msgspec.json.decode(entry.reason or "", type=_SealPayload)
        tags, digest = b64decode(payload.parts, validate=True), bytes.fromhex(payload.sha256)
        total = int(payload.ids, 16)
    except (ValueError, msgspec.DecodeError):
        return None
    split = tuple(tags[at : at + _TAG_BYTES] for at in range(0, len(tags), _TAG_BYTES))
    if len(split) != PARTS:
        return None
    return EventSeal(entry.id, payload.start, entry.target, payload.count, digest, split, total)


def reason_text(entry: AuditEntry) -> str | None:
    """Return an entry's reason as text for people."""
    seal = decode_seal(entry) if entry.action == SEALED else None
    return entry.reason if seal is None else f"{seal.count} events from {seal.start}"


def part_of(event_id: str) -> int:
    """Return the number of the part that an event belongs to."""
    return zlib.crc32(event_id.encode()) % PARTS


def time_of(event_id: str) -> int:
    """Return the time in an event's id, in milliseconds; 0 for a forged id without one."""
    try:
        return ids.milliseconds_of(event_id)
    except ValueError:
        return 0


class SealedRanges:
    """Follows the audit log's entries in order and collects the seals whose events must still exist."""

    def __init__(self) -> None:
        """Start before the first entry."""
        self.seals: list[EventSeal] = []
        self.cleaned = ""
        self.upto = ""

    def step(self, entry: AuditEntry) -> str | None:
        """Add the next entry; return why it does not fit the earlier ones, None when it does."""
        if entry.action == CLEANED:
            self.cleaned = max(self.cleaned, entry.target)
            self.seals = [seal for seal in self.seals if seal.end > self.cleaned]
        if entry.action != SEALED:
            return None
        seal = decode_seal(entry)
        if seal is None:
            return "it seals events, but its seal cannot be read"
        if self.upto not in ("", seal.start):
            return f"it seals events from {seal.start}, but the previous seal ended at {self.upto}"
        self.upto = seal.end
        self.seals.append(seal)
        return None
