"""Counts for the dashboard: events of the last day, week or month, counted cheaply and cached.

Counts use the index of events by name. The past does not change, so each finished bucket is counted once,
and no count goes beyond `MAX_COUNT`, so no page can overload the database.
"""

import asyncio
from typing import Final, Literal

import msgspec

from authfactor import ids
from authfactor.models import Clock, Environment
from authfactor.rules.events import event_log
from authfactor.store import Store

HOUR: Final = 3600 * 1000
MAX_COUNT: Final = 10_000
CACHE_TTL_MS: Final = 5_000
MAX_CACHED: Final = 50_000
# SQLite counts on the event loop: yield to other requests after this many buckets.
BUCKETS_PER_READ: Final = 6
Span = Literal["day", "week", "month"]
# Length of a bucket in milliseconds, and number of buckets.
SPANS: Final[dict[Span, tuple[int, int]]] = {
    "day": (HOUR, 24),
    "week": (6 * HOUR, 28),
    "month": (24 * HOUR, 30),
}
SERIES: Final[dict[str, tuple[str, ...]]] = {
    "sign_ins": (event_log.SESSION_CREATED,),
    "failures": (event_log.PASSWORD_FAILED, event_log.MFA_FAILED),
    "replays": (event_log.REPLAY_REFUSED,),
    "locks": (event_log.USER_LOCKED,),
    "users": (event_log.USER_CREATED,),
    "enrolled": (event_log.FACTOR_ENROLLED,),
    "activated": (event_log.FACTOR_ACTIVATED,),
}


class DashboardCounts(msgspec.Struct, frozen=True, gc=False):
    """Counts by bucket, each up to `MAX_COUNT`; `starts`, `length` and `at` in milliseconds."""

    starts: list[int]
    length: int
    series: dict[str, list[int]]
    users: int
    at: int

    def total(self, name: str) -> int:
        """Return the sum of a series."""
        return sum(self.series[name])

    def is_cut(self, name: str) -> bool:
        """Return whether a bucket of the series reached `MAX_COUNT`, so that its count may be too low."""
        return any(count >= MAX_COUNT for count in self.series[name])


class Dashboard:
    """Counts events and users, and caches the counts."""

    def __init__(self, clock: Clock) -> None:
        """Start with empty caches."""
        self._clock = clock
        self._past: dict[tuple[int, str, int, int], int] = {}
        self._latest: dict[tuple[int, Span], DashboardCounts] = {}

    async def counts(self, store: Store, environment: Environment, span: Span) -> DashboardCounts:
        """Return the counts of the last day, week or month, cached for some seconds."""
        now = self._clock()
        known = self._latest.get((environment.number, span))
        # `abs`: a clock that is set back must not keep old counts in the cache.
        if known is not None and abs(now - known.at) < CACHE_TTL_MS:
            return known
        length, buckets = SPANS[span]
        first = now // length - buckets + 1
        if len(self._past) > MAX_CACHED:
            self._past.clear()
        series = {}
        for name, kinds in SERIES.items():
            counts = [await self._counts(store, environment, kind, first, length, buckets) for kind in kinds]
            series[name] = [sum(column) for column in zip(*counts, strict=True)]
        users = await store.read(lambda tx: tx.users.count(environment.number, MAX_COUNT))
        starts = [(first + at) * length for at in range(buckets)]
        made = self._latest[environment.number, span] = DashboardCounts(starts, length, series, users, now)
        return made

    async def _counts(
        self, store: Store, environment: Environment, name: str, first: int, length: int, buckets: int
    ) -> list[int]:
        number = environment.number
        keys = [(number, name, length, first + at) for at in range(buckets)]
        # From the first bucket that is not cached to the last one, which still grows.
        at = next((index for index, key in enumerate(keys) if key not in self._past), buckets)
        at = min(at, buckets - 1)
        counted: list[int] = []
        for start in range(first + at, first + buckets, BUCKETS_PER_READ):
            end = min(start + BUCKETS_PER_READ, first + buckets)
            counted += await self._count(store, number, name, range(start, end + 1), length)
        # A slow writer may still add an event to the bucket before the last.
        for key, count in zip(keys[at:-2], counted[:-2], strict=True):
            self._past[key] = count
        return [self._past[key] for key in keys[:at]] + counted

    async def _count(self, store: Store, number: int, name: str, edges: range, length: int) -> list[int]:
        await asyncio.sleep(0)
        ends = [ids.first(ids.EVENT, edge * length) for edge in edges]
        return await store.read(lambda tx: tx.events.counts(number, name, ends, MAX_COUNT))
