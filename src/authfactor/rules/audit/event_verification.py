"""Holding events against their seals: which were changed, removed or put in since."""

from typing import Final, Literal, NamedTuple

from authfactor import ids
from authfactor.models import Clock
from authfactor.rules.audit import event_digests
from authfactor.rules.audit.audit_log import AuditLog, Tell
from authfactor.rules.audit.event_digests import EventDigest, EventSeal
from authfactor.rules.audit.event_sealing import DAY, batches
from authfactor.rules.audit.hash_chain import ChainResult, ChainVerifier
from authfactor.store import Store, Tx

NAMED: Final = 10
_BEYOND: Final = "\U0010ffff"


class EventFinding(NamedTuple):
    """A range of events that is not as it was sealed; `suspects` are up to `NAMED` ids, of `of` in all."""

    what: Literal["changed", "removed", "inserted"]
    seal: EventSeal | None
    there: int
    suspects: tuple[str, ...]
    of: int

    def __str__(self) -> str:
        """Say it in a sentence."""
        names = ", ".join(self.suspects) + (f" and {self.of - NAMED} more" if self.of > NAMED else "")
        if self.seal is None:
            return f"Inserted: {names}. No server has made ids like these yet."
        named = {
            "changed": f"one of these at least: {names}" if self.of > 1 else names,
            "removed": names or f"{self.seal.count - self.there} of them",
            "inserted": f"among these: {names}" if self.of > 1 else names,
        }[self.what]
        return (
            f"{self.what.capitalize()}: {named}. {self.seal.entry} sealed {self.seal.count} events from"
            f" {self.seal.start} to {self.seal.end}, {self.there} are there."
        )


class VerifiedEvents(NamedTuple):
    """What was found: seals and events that were checked, and where sealing and removal have come to."""

    seals: int
    events: int
    sealed_upto: str
    cleaned_upto: str
    findings: tuple[EventFinding, ...]


class EventVerification:
    """Checks the events of one installation."""

    def __init__(self, clock: Clock, audit: AuditLog) -> None:
        """Take the clock, which tells which ids are from the future."""
        self._clock = clock
        self._audit = audit

    async def check(
        self, store: Store, walk: ChainVerifier, accept: frozenset[str], tell: Tell
    ) -> tuple[VerifiedEvents, ChainResult | None]:
        """Digest every sealed range again, after `walk` has been through the list.

        `accept` are ids of seals that need not fit. The second value says where the list itself is broken, if
        it became so meanwhile.
        """
        seals = [seal for seal in walk.ranges.seals if seal.entry not in accept]
        total = sum(seal.count for seal in seals)
        findings: list[EventFinding] = []
        done = 0
        for seal in seals:
            found = await _digest(store, seal)
            done += seal.count
            tell("events", done, total)
            if found.value() == seal.digest:
                continue
            # Cleaning may have come by meanwhile; then the list says so.
            if broken := await self._audit.follow(store, walk):
                return _checked(walk, seals, done, findings), broken
            if seal.end > walk.ranges.cleaned:
                findings.append(await _finding(store, seal, found))
        findings += await self._from_the_future(store)
        return _checked(walk, seals, done, findings), None

    async def _from_the_future(self, store: Store) -> list[EventFinding]:
        start = ids.first(ids.EVENT, self._clock() + DAY)

        async def look(tx: Tx) -> list[str]:
            numbers = await tx.event_ranges.environments()
            found = [await tx.event_ranges.rows(number, start, _BEYOND, NAMED) for number in numbers]
            return [row[1] for rows in found for row in rows]

        names = await store.read(look)
        return [EventFinding("inserted", None, len(names), tuple(names[:NAMED]), len(names))] if names else []


def _checked(
    walk: ChainVerifier, seals: list[EventSeal], done: int, findings: list[EventFinding]
) -> VerifiedEvents:
    return VerifiedEvents(len(seals), done, walk.ranges.upto, walk.ranges.cleaned, tuple(findings))


async def _digest(store: Store, seal: EventSeal) -> EventDigest:
    found = EventDigest()
    async for rows in batches(store, seal.start, seal.end):
        found.take(rows)
    return found


async def _finding(store: Store, seal: EventSeal, found: EventDigest) -> EventFinding:
    """Say what happened to a range, and to which events if that can be told."""
    parts = {part for part, tag in enumerate(found.tags()) if tag != seal.tags[part]}
    there: list[str] = []
    of = 0
    odd = _written(found.ids ^ seal.ids)
    is_there = False
    async for rows in batches(store, seal.start, seal.end):
        near = [row[1] for row in rows if event_digests.part_of(row[1]) in parts]
        of += len(near)
        there += near[: NAMED - len(there)]
        is_there |= any(row[1] == odd for row in rows)
    if found.count < seal.count:
        one = (odd,) if found.count + 1 == seal.count and odd and not is_there else ()
        return EventFinding("removed", seal, found.count, one, len(one))
    if found.count == seal.count + 1 and is_there:
        return EventFinding("inserted", seal, found.count, (odd,), 1)
    what: Literal["changed", "inserted"] = "changed" if found.count == seal.count else "inserted"
    return EventFinding(what, seal, found.count, tuple(there), of)


def _written(difference: int) -> str:
    """Read the id that is in one sum and not in the other; '' when it is no single id."""
    text = difference.to_bytes((difference.bit_length() + 7) // 8, "big")
    name = text.decode("ascii", "ignore")
    return name if name.startswith("event_") and ids.is_ulid(name.removeprefix("event_")) else ""
