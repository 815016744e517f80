"""Sealing events: entries of the audit log hold digests over ranges of events (decision 0023).

Requests are not slowed down. A background task reads ranges of ids to which no event can be added any more,
computes their digests, and appends them to the log, which is chained and signed. Each range starts where the
previous one ended, over all environments, so that changing, removing or inserting an event makes its range
differ from the seal.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from authfactor import ids
from authfactor.ids import IdGenerator
from authfactor.models import Clock
from authfactor.rules.audit.audit_log import SERVER, AuditLog
from authfactor.rules.audit.event_digests import (
    CLEANED,
    SEALED,
    EventDigest,
    decode_seal,
    encode_seal,
    time_of,
)
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.settings import Settings
from authfactor.store import Store
from authfactor.store.db import Row

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
# An id is generated when its unit starts. A unit ends within its request's time limit (seconds), and servers
# whose clocks differ by half a minute refuse valid codes: five minutes are far beyond both.
HORIZON: Final = 5 * MINUTE
# Longer than a minute, because the log is never cleaned.
INTERVAL: Final = 10 * MINUTE
MAX_PER_ENVIRONMENT: Final = 10_000
BATCH: Final = 500
# SQLite reads on the event loop: pause after each batch, so that requests can run.
PAUSE_SECONDS: Final = 0.01
LEASE: Final = "sealing events"
LEASE_MS: Final = 5 * MINUTE


async def batches(store: Store, start: str, end: str, pause: float | None = None) -> AsyncIterator[list[Row]]:
    """Yield the events of a range in batches, by environment, with `pause` seconds (if any) after each."""
    for number in await store.read(lambda tx: tx.event_ranges.environments()):
        rows = await store.read(lambda tx, n=number: tx.event_ranges.rows(n, start, end, BATCH))  # type: ignore[misc]  # bound per batch
        while rows:
            yield rows
            if pause is not None:
                await asyncio.sleep(pause)
            rows = await store.read(
                lambda tx, n=number, last=rows[-1][1]: tx.event_ranges.rows_after(n, last, end, BATCH)  # type: ignore[misc]  # bound per batch
            )


class EventSealing:
    """Seals events, and decides which may be deleted."""

    def __init__(self, clock: Clock, new_id: IdGenerator, audit: AuditLog, settings: Settings) -> None:
        """Keep the collaborators; a new id names this process as holder of the lease."""
        self._clock = clock
        self._audit = audit
        self._settings = settings
        self._holder = new_id("")
        self._renew_at = 0

    async def run(self, store: Store) -> int:
        """Seal the events that are old enough; return how many this process sealed.

        Writes nothing while nothing is due, and stops when the lease is lost. The lease only avoids duplicate
        work: that no event is in two seals is ensured by the unit that appends, which checks the log.
        """
        sealed = 0
        while (due := await store.read(self._due())) is not None and await self._acquire_lease(store):
            count = await self._seal(store, *due)
            if count is None:
                return sealed
            sealed += count
        return sealed

    async def unsealed_since(self, store: Store) -> int | None:
        """Return when the oldest unsealed event was created (milliseconds), None without one."""
        oldest = await store.read(self._oldest_unsealed())
        return None if oldest is None else time_of(oldest)

    @installation_unit
    async def _oldest_unsealed(self, scope: InstallationScope) -> str | None:
        return await scope.tx.event_ranges.first(await self._begin(scope))

    async def may_delete_before(self, store: Store, limit: str) -> str:
        """Return the id before which events may be deleted; it is not after `limit`.

        Sealed ranges are deleted as a whole, and only after an entry says so, because `audit verify` must not
        miss them. To save entries, that happens once an hour. Events from before the first seal need none.
        """
        now = self._clock()
        upto, is_new = await store.read(lambda tx: self._deletable(InstallationScope(tx, now), limit))
        return await store.write(self._record_deletion(limit)) if is_new else upto

    @installation_unit
    async def _record_deletion(self, scope: InstallationScope, limit: str) -> str:
        await self._audit.lock(scope.tx)
        upto, is_new = await self._deletable(scope, limit)
        if is_new:
            reason = f"older than {self._settings.event_life} s"
            await self._audit.append(scope.tx, SERVER, CLEANED, upto, reason=reason)
        return upto

    async def _deletable(self, scope: InstallationScope, limit: str) -> tuple[str, bool]:
        """Return the id before which events may be deleted, and whether the log must record it first."""
        audit = scope.tx.audit
        first = await audit.first_of(SEALED)
        seal = None if first is None else decode_seal(first)
        if seal is None or limit <= seal.start:
            return (limit if seal else min(limit, await self._begin(scope))), False
        last = await audit.newest_of(CLEANED)
        deleted = last.target if last is not None else seal.start
        sealed = await audit.greatest_target(SEALED, limit)
        if sealed is None or sealed <= deleted:
            return deleted, False
        is_due = last is None or scope.now - last.created_at >= HOUR
        return (sealed, True) if is_due else (deleted, False)

    async def _begin(self, scope: InstallationScope) -> str:
        """Return where the next seal starts: where the last one ended.

        The first seal leaves out events that are deleted within a day: until then a server of an older
        release, which deletes without a record, may still be running.
        """
        last = await scope.tx.audit.newest_of(SEALED)
        if last is not None:
            return last.target
        ttl = self._settings.event_life * 1000
        return ids.first(ids.EVENT, scope.now - max(ttl - DAY, ttl // 2, 2 * (HORIZON + INTERVAL)))

    @installation_unit
    async def _due(self, scope: InstallationScope) -> tuple[str, str] | None:
        """Return the next range, None while its oldest event is younger than the interval."""
        ranges, now = scope.tx.event_ranges, scope.now
        start, end = await self._begin(scope), ids.first(ids.EVENT, now - HORIZON)
        oldest = await ranges.first(start)
        if oldest is None or oldest >= ids.first(ids.EVENT, now - HORIZON - INTERVAL):
            return None
        for number in await ranges.environments():
            end = min(end, await ranges.nth(number, start, end, MAX_PER_ENVIRONMENT) or end)
        # End the range at its last event: the rest would delay the deletion of the range as a whole.
        last = await ranges.last(start, end) or ""
        close = ids.first(ids.EVENT, time_of(last) + 1)
        return start, close if last < close < end else end

    async def _seal(self, store: Store, start: str, end: str) -> int | None:
        """Seal a range; None when another process has done so, or the lease was lost."""
        found = EventDigest()
        async for rows in batches(store, start, end, PAUSE_SECONDS):
            found.update(rows)
            if not await self._acquire_lease(store):
                return None
        return found.count if await store.write(self._append_seal(start, end, found)) else None

    @installation_unit
    async def _append_seal(self, scope: InstallationScope, start: str, end: str, found: EventDigest) -> bool:
        """Append a seal; False unless it starts where the last one ended."""
        await self._audit.lock(scope.tx)
        last = await scope.tx.audit.newest_of(SEALED)
        if last is not None and last.target != start:
            return False
        await self._audit.append(scope.tx, SERVER, SEALED, end, reason=encode_seal(start, found))
        return True

    async def _acquire_lease(self, store: Store) -> bool:
        """Acquire the lease, or extend it after half of its time; False while another process holds it."""
        now = self._clock()
        if self._renew_at - LEASE_MS // 2 <= now < self._renew_at:
            return True
        until = now + LEASE_MS
        acquired = await store.write(lambda tx: tx.leases.acquire(LEASE, self._holder, now, until))
        self._renew_at = now + LEASE_MS // 2 if acquired else 0
        return acquired
