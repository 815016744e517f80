"""Verification of events against their seals: which were changed, removed or inserted since."""

from typing import Final, Literal, NamedTuple

from authfactor import ids
from authfactor.models import Clock
from authfactor.rules.audit import event_digests
from authfactor.rules.audit.audit_log import AuditLog, ReportProgress
from authfactor.rules.audit.event_digests import EventDigest, EventSeal
from authfactor.rules.audit.event_sealing import DAY, batches
from authfactor.rules.audit.hash_chain import ChainResult, ChainVerifier
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.store import Store

MAX_SUSPECTS: Final = 10
_AFTER_ALL_IDS: Final = "\U0010ffff"


class EventFinding(NamedTuple):
    """A range of events that differs from its seal.

    `found` is how many events it has now; `suspects` are ids, at most `MAX_SUSPECTS` of `suspect_count`.
    """

    what: Literal["changed", "removed", "inserted"]
    seal: EventSeal | None
    found: int
    suspects: tuple[str, ...]
    suspect_count: int

    def __str__(self) -> str:
        """Return the finding as sentences."""
        more = self.suspect_count - MAX_SUSPECTS
        names = ", ".join(self.suspects) + (f" and {more} more" if more > 0 else "")
        if self.seal is None:
            return f"Inserted: {names}. No server has generated ids like these yet."
        named = {
            "changed": f"at least one of these: {names}" if self.suspect_count > 1 else names,
            "removed": names or f"{self.seal.count - self.found} of them",
            "inserted": f"among these: {names}" if self.suspect_count > 1 else names,
        }[self.what]
        return (
            f"{self.what.capitalize()}: {named}. {self.seal.entry} sealed {self.seal.count} events from"
            f" {self.seal.start} to {self.seal.end}; {self.found} exist."
        )


class VerifiedEvents(NamedTuple):
    """The result: how many seals and events were checked, up to which ids events are sealed and deleted."""

    seals: int
    events: int
    sealed_upto: str
    cleaned_upto: str
    findings: tuple[EventFinding, ...]


class EventVerification:
    """Verifies the events of one installation."""

    def __init__(self, clock: Clock, audit: AuditLog) -> None:
        """Keep the audit log, and the clock, which shows which ids are from the future."""
        self._clock = clock
        self._audit = audit

    async def check(
        self, store: Store, verifier: ChainVerifier, accept: frozenset[str], report: ReportProgress
    ) -> tuple[VerifiedEvents, ChainResult | None]:
        """Compute every sealed digest again, after `verifier` has followed the log.

        `accept` are ids of seals that need not match. The second value says where the log itself is broken,
        if that happened meanwhile.
        """
        seals = [seal for seal in verifier.ranges.seals if seal.entry not in accept]
        total = sum(seal.count for seal in seals)
        findings: list[EventFinding] = []
        done = 0
        for seal in seals:
            found = await _digest(store, seal)
            done += seal.count
            report("events", done, total)
            if found.value() == seal.digest:
                continue
            # If the range was deleted meanwhile, a new entry says so.
            if broken := await self._audit.follow(store, verifier):
                return _result(verifier, seals, done, findings), broken
            if seal.end > verifier.ranges.cleaned:
                findings.append(await _finding(store, seal, found))
        findings += await self._from_the_future(store)
        return _result(verifier, seals, done, findings), None

    async def _from_the_future(self, store: Store) -> list[EventFinding]:
        names = await store.read(self._future_ids())
        if not names:
            return []
        return [EventFinding("inserted", None, len(names), tuple(names[:MAX_SUSPECTS]), len(names))]

    @installation_unit
    async def _future_ids(self, scope: InstallationScope) -> list[str]:
        ranges, start = scope.tx.event_ranges, ids.first(ids.EVENT, scope.now + DAY)
        numbers = await ranges.environments()
        found = [await ranges.rows(number, start, _AFTER_ALL_IDS, MAX_SUSPECTS) for number in numbers]
        return [row[1] for rows in found for row in rows]


def _result(
    verifier: ChainVerifier, seals: list[EventSeal], done: int, findings: list[EventFinding]
) -> VerifiedEvents:
    ranges = verifier.ranges
    return VerifiedEvents(len(seals), done, ranges.upto, ranges.cleaned, tuple(findings))


async def _digest(store: Store, seal: EventSeal) -> EventDigest:
    found = EventDigest()
    async for rows in batches(store, seal.start, seal.end):
        found.update(rows)
    return found


async def _finding(store: Store, seal: EventSeal, found: EventDigest) -> EventFinding:
    """Return what happened to a range, and to which events if that can be determined."""
    parts = {part for part, tag in enumerate(found.tags()) if tag != seal.tags[part]}
    suspects: list[str] = []
    count = 0
    odd = _single_id(found.ids ^ seal.ids)
    odd_exists = False
    async for rows in batches(store, seal.start, seal.end):
        near = [row[1] for row in rows if event_digests.part_of(row[1]) in parts]
        count += len(near)
        suspects += near[: MAX_SUSPECTS - len(suspects)]
        odd_exists |= any(row[1] == odd for row in rows)
    if found.count < seal.count:
        one = (odd,) if found.count + 1 == seal.count and odd and not odd_exists else ()
        return EventFinding("removed", seal, found.count, one, len(one))
    if found.count == seal.count + 1 and odd_exists:
        return EventFinding("inserted", seal, found.count, (odd,), 1)
    what: Literal["changed", "inserted"] = "changed" if found.count == seal.count else "inserted"
    return EventFinding(what, seal, found.count, tuple(suspects), count)


def _single_id(difference: int) -> str:
    """Return the id that is in one XOR and not in the other; '' when they differ in more than one."""
    text = difference.to_bytes((difference.bit_length() + 7) // 8, "big")
    name = text.decode("ascii", "ignore")
    return name if name.startswith("event_") and ids.is_ulid(name.removeprefix("event_")) else ""
