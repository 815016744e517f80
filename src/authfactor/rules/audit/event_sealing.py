"""Sealing events: an entry of the audit list holds a digest over a range of them (decision 0023).

Requests pay nothing for it. In the background, ranges of ids that nobody can write to any more are read,
digested, and written into the list that is chained and signed. Each range begins where the one before ended,
over all environments, so that an event that was changed, removed or put in is in a range that does not fit.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from authfactor import ids
from authfactor.ids import IdGenerator
from authfactor.models import Clock
from authfactor.rules.audit.audit_log import SERVER, AuditLog
from authfactor.rules.audit.event_digests import CLEANED, SEALED, EventDigest, moment_of, read, told
from authfactor.settings import Settings
from authfactor.store import Store, Tx
from authfactor.store.db import Row

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
# An id is made when its unit begins. A unit ends within its request's time limit (seconds), and servers whose
# clocks differ by half a minute refuse right codes: five minutes are far beyond both.
HORIZON: Final = 5 * MINUTE
# Not an entry a minute for ever: the list is never cleaned.
INTERVAL: Final = 10 * MINUTE
MOST: Final = 10_000
BATCH: Final = 500
# The embedded database reads on the event loop: then others get their turn.
PAUSE_SECONDS: Final = 0.01
LEASE: Final = "sealing events"
LEASE_MS: Final = 5 * MINUTE


async def batches(store: Store, start: str, end: str, pause: float | None = None) -> AsyncIterator[list[Row]]:
    """Read a range, environment by environment, with a pause in seconds (if any) after each batch."""
    for number in await store.read(lambda tx: tx.event_ranges.environments()):
        rows = await store.read(lambda tx, n=number: tx.event_ranges.rows(n, start, end, BATCH))  # type: ignore[misc]  # bound now
        while rows:
            yield rows
            if pause is not None:
                await asyncio.sleep(pause)
            rows = await store.read(
                lambda tx, n=number, last=rows[-1][1]: tx.event_ranges.rows_after(n, last, end, BATCH)  # type: ignore[misc]  # bound now
            )


class EventSealing:
    """Seals events, and says which may be removed."""

    def __init__(self, clock: Clock, new_id: IdGenerator, audit: AuditLog, settings: Settings) -> None:
        """Take what the rules may use; the holder of a turn is this process."""
        self._clock = clock
        self._audit = audit
        self._settings = settings
        self._holder = new_id("")
        self._renew_at = 0

    async def run(self, store: Store) -> int:
        """Seal what is old enough; return how many events were sealed by this process.

        Nothing is written while nothing is due. Whoever loses the turn stops; that no event is in two seals
        does not rest on turns but on the look at the list within the unit that adds to it.
        """
        sealed = 0
        while (due := await store.read(self._due)) is not None and await self._acquire_lease(store):
            count = await self._seal(store, *due)
            if count is None:
                return sealed
            sealed += count
        return sealed

    async def unsealed_since(self, store: Store) -> int | None:
        """Tell when the oldest event was made that no seal covers (milliseconds), None without one."""

        async def look(tx: Tx) -> str | None:
            return await tx.event_ranges.first(await self._begin(tx))

        oldest = await store.read(look)
        return None if oldest is None else moment_of(oldest)

    async def may_delete_before(self, store: Store, limit: str) -> str:
        """Return the id before which events may be removed, none of them younger than `limit`.

        Sealed ranges go as a whole, and the list says so first: `audit verify` must not miss them. That needs
        an entry, so they go by the hour. What is from before sealing began is in no seal and just goes.
        """
        upto, is_news = await store.read(lambda tx: self._may_go(tx, limit))
        return await store.write(lambda tx: self._record(tx, limit)) if is_news else upto

    async def _record(self, tx: Tx, limit: str) -> str:
        await self._audit.lock(tx)
        upto, is_news = await self._may_go(tx, limit)
        if is_news:
            reason = f"older than {self._settings.event_life} s"
            await self._audit.append(tx, SERVER, CLEANED, upto, reason=reason)
        return upto

    async def _may_go(self, tx: Tx, limit: str) -> tuple[str, bool]:
        """Return the id before which events may go, and whether the list has yet to say so."""
        first = await tx.audit.first_of(SEALED)
        seal = None if first is None else read(first)
        if seal is None or limit <= seal.start:
            return (limit if seal else min(limit, await self._begin(tx))), False
        last = await tx.audit.newest_of(CLEANED)
        gone = last.target if last is not None else seal.start
        sealed = await tx.audit.greatest_target(SEALED, limit)
        if sealed is None or sealed <= gone:
            return gone, False
        return (sealed, True) if last is None or self._clock() - last.created_at >= HOUR else (gone, False)

    async def _begin(self, tx: Tx) -> str:
        """Find where the next seal begins: where the last one ended.

        The first leaves out what is removed within a day: until then a server of a release that knows no
        seals may be at work beside this one, and removes without a word.
        """
        last = await tx.audit.newest_of(SEALED)
        if last is not None:
            return last.target
        life = self._settings.event_life * 1000
        return ids.first(ids.EVENT, self._clock() - max(life - DAY, life // 2, 2 * (HORIZON + INTERVAL)))

    async def _due(self, tx: Tx) -> tuple[str, str] | None:
        """Find the next range, None when its oldest event can wait."""
        now = self._clock()
        start, end = await self._begin(tx), ids.first(ids.EVENT, now - HORIZON)
        oldest = await tx.event_ranges.first(start)
        if oldest is None or oldest >= ids.first(ids.EVENT, now - HORIZON - INTERVAL):
            return None
        for number in await tx.event_ranges.environments():
            end = min(end, await tx.event_ranges.nth(number, start, end, MOST) or end)
        # Not far beyond its last event, which would have to wait for the range to be old enough as a whole.
        last = await tx.event_ranges.last(start, end) or ""
        close = ids.first(ids.EVENT, moment_of(last) + 1)
        return start, close if last < close < end else end

    async def _seal(self, store: Store, start: str, end: str) -> int | None:
        """Seal a range; None when somebody else has meanwhile, or the turn was lost."""
        found = EventDigest()
        async for rows in batches(store, start, end, PAUSE_SECONDS):
            found.take(rows)
            if not await self._acquire_lease(store):
                return None

        async def run(tx: Tx) -> bool:
            await self._audit.lock(tx)
            last = await tx.audit.newest_of(SEALED)
            if last is not None and last.target != start:
                return False
            await self._audit.append(tx, SERVER, SEALED, end, reason=told(start, found))
            return True

        return found.count if await store.write(run) else None

    async def _acquire_lease(self, store: Store) -> bool:
        """Take the turn, or lengthen it when half of it is over."""
        now = self._clock()
        if self._renew_at - LEASE_MS // 2 <= now < self._renew_at:
            return True
        until = now + LEASE_MS
        taken = await store.write(lambda tx: tx.leases.acquire(LEASE, self._holder, now, until))
        self._renew_at = now + LEASE_MS // 2 if taken else 0
        return taken
