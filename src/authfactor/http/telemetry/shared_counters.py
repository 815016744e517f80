"""What a server counts: whole numbers in memory that its processes share, so that any of them can tell all.

Every series has a fixed place, so counting is one addition in memory: no lock, no name to look up, no
file. A process writes to a region of its own; whoever is asked adds the regions up. The supervisor makes
the memory before it starts processes and folds the region of one that has ended into the first.
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from authfactor import errors

Kind = Literal["counter", "gauge", "histogram"]
WORD: Final = 8
STATUSES: Final = (
    *(
        "200",
        "201",
        "202",
        "204",
        "302",
        "303",
        "304",
        "400",
        "401",
        "403",
        "404",
        "405",
        "409",
        "413",
        "422",
    ),
    *("429", "500", "503", "other"),
)
RIGHT: Final = "right"
LOCKED: Final = "locked"
VERDICTS: Final = (RIGHT, "wrong", "replay", "drift", LOCKED)
# What a verification's reason is called in the metrics.
VERDICT_BY_REASON: Final = {
    None: RIGHT,
    "code_mismatch": "wrong",
    "code_already_used": "replay",
    "clock_drift": "drift",
}
UNMATCHED: Final = "unmatched"
OTHER: Final = "other"
MICROSECONDS: Final = 1_000_000
_DURATIONS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# A batch falls into the bucket of its size's bit length: that is one operation.
BATCHES: Final = (1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0, 255.0)


@dataclass(frozen=True, slots=True, eq=False)
class MetricFamily:
    """One metric: its name, its labels, and the label values of each of its series."""

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    series: tuple[tuple[str, ...], ...] = ((),)
    bounds: tuple[float, ...] = ()
    # What a unit of the stored whole number is worth in the unit of the metric's name.
    scale: float = 1

    @property
    def width(self) -> int:
        """Words that one series takes: a histogram has one for each bucket, one above all, and the sum."""
        return len(self.bounds) + 2 if self.bounds else 1


PER_PROCESS: Final = (
    MetricFamily(
        "authfactor_commit_batch_units",
        "histogram",
        "Units of work that shared one commit (embedded database).",
        bounds=BATCHES,
    ),
    MetricFamily(
        "authfactor_commit_failures_total", "counter", "Commits that kept nothing (embedded database)."
    ),
    MetricFamily("authfactor_commit_queue", "gauge", "Units of work waiting for the next commit."),
    MetricFamily(
        "authfactor_pool_sessions",
        "gauge",
        "PostgreSQL sessions, by whether a unit of work has them.",
        ("state",),
        (("busy",), ("idle",)),
    ),
    MetricFamily("authfactor_pool_waiting", "gauge", "Units of work waiting for a PostgreSQL session."),
    MetricFamily(
        "authfactor_webhook_deliveries_total",
        "counter",
        "Attempts to deliver a webhook.",
        ("outcome",),
        (("delivered",), ("failed",)),
    ),
)


def _codes() -> tuple[str, ...]:
    """Every code of the error family that a class fixes; the others count as `other`."""
    found: set[str] = set()
    waiting: list[type[errors.AuthfactorError]] = [errors.AuthfactorError]
    while waiting:
        kind = waiting.pop()
        found.add(kind.code)
        waiting += kind.__subclasses__()
    return (*sorted(found), OTHER)


def families(routes: Sequence[str]) -> dict[str, MetricFamily]:
    """Make every family; `routes` are the names of the routes, such as `GET /events`."""
    named = (*routes, UNMATCHED)
    by_status = tuple((route, status) for route in named for status in STATUSES)
    codes = tuple((code,) for code in _codes())
    of_requests = (
        MetricFamily(
            *("authfactor_requests_total", "counter", "Requests answered.", ("route", "status"), by_status)
        ),
        MetricFamily(
            "authfactor_request_duration_seconds",
            "histogram",
            "From the arrival of a request to the hand-over of its answer.",
            ("route",),
            tuple((route,) for route in named),
            bounds=_DURATIONS,
            scale=1 / MICROSECONDS,
        ),
        MetricFamily(
            *("authfactor_errors_total", "counter", "Answers with an error code.", ("code",), codes)
        ),
        MetricFamily(
            "authfactor_verifications_total",
            "counter",
            "Codes that were checked, by what became of them: right, wrong, replay (right but used before),"
            " drift (of a moment too long ago), locked (not looked at).",
            ("outcome",),
            tuple((verdict,) for verdict in VERDICTS),
        ),
        MetricFamily(
            "authfactor_rate_limited_total",
            "counter",
            "Requests told to slow down.",
            ("by",),
            (("key",), ("address",)),
        ),
    )
    return {family.name: family for family in (*of_requests, *PER_PROCESS)}


class CounterLayout:
    """Where each series of each family lies within a region."""

    def __init__(self, routes: Sequence[str]) -> None:
        """Give every series its place."""
        self.families: Final = families(routes)
        self.starts: Final[dict[str, int]] = {}
        place = 0
        for name, family in self.families.items():
            self.starts[name] = place
            place += len(family.series) * family.width
        self.words: Final = place

    def place(self, name: str, *labels: str) -> int:
        """Return the first word of a series. Raises `ValueError` for one that does not exist."""
        family = self.families[name]
        return self.starts[name] + family.series.index(labels) * family.width

    def gauges(self) -> Iterator[range]:
        """Yield the words of the families that go up and down: they end with their process."""
        for name, family in self.families.items():
            if family.kind == "gauge":
                yield range(self.starts[name], self.starts[name] + len(family.series))


class SharedCounters:
    """The shared memory: one region for those that have ended, and one for each process."""

    def __init__(self, layout: CounterLayout, processes: int) -> None:
        """Take the memory; a process that is forked later shares it."""
        self.layout: Final = layout
        self._memory = mmap.mmap(-1, (1 + layout.words * (processes + 1)) * WORD)
        self._words = memoryview(self._memory).cast("q")
        self._free = list(range(processes, 0, -1))

    def has_free_region(self) -> bool:
        """Tell whether another process can have a region."""
        return bool(self._free)

    def claim_region(self) -> int:
        """Take a free region for a process that is about to start."""
        return self._free.pop()

    def region(self, number: int) -> "memoryview[int]":
        """Return the words of a region."""
        start = 1 + number * self.layout.words
        return self._words[start : start + self.layout.words]

    def absorb_exited_worker(self, number: int) -> None:
        """Keep what an ended process has counted, and free its region. Odd first word: do not read now."""
        ended, kept = self.region(number), self.region(0)
        for words in self.layout.gauges():
            for word in words:
                ended[word] = 0
        self._words[0] += 1
        for word in range(self.layout.words):
            if ended[word]:
                kept[word] += ended[word]
                ended[word] = 0
        self._words[0] += 1
        self._free.append(number)

    def totals(self) -> list[int]:
        """Add up all regions."""
        while True:
            before = self._words[0]
            sums = self._summed()
            if before % 2 == 0 and before == self._words[0]:
                return sums

    def _summed(self) -> list[int]:
        count = (len(self._words) - 1) // self.layout.words
        return [sum(words) for words in zip(*(self.region(number) for number in range(count)), strict=True)]


class CounterWriter:
    """One process's hand on its region."""

    def __init__(self, layout: CounterLayout, region: "memoryview[int]") -> None:
        """Look every place up once."""
        self._words = region
        self._layout = layout
        self._status = {int(text): place for place, text in enumerate(STATUSES) if text.isdigit()}
        self._other_status = len(STATUSES) - 1
        routes = [labels[0] for labels in layout.families["authfactor_request_duration_seconds"].series]
        self._routes = {
            route: (
                layout.place("authfactor_requests_total", route, STATUSES[0]),
                layout.place("authfactor_request_duration_seconds", route),
            )
            for route in routes
        }
        self._bounds = [int(bound * MICROSECONDS) for bound in _DURATIONS]
        self._codes = {
            labels[0]: layout.place("authfactor_errors_total", *labels)
            for labels in layout.families["authfactor_errors_total"].series
        }
        self._verdicts = {
            verdict: layout.place("authfactor_verifications_total", verdict) for verdict in VERDICTS
        }

    def request(self, route: str, status: int, microseconds: int) -> None:
        """Count a request that was answered."""
        words = self._words
        counts, durations = self._routes[route]
        words[counts + self._status.get(status, self._other_status)] += 1
        words[durations + bisect_left(self._bounds, microseconds)] += 1
        words[durations + len(self._bounds) + 1] += microseconds

    def error(self, code: str) -> None:
        """Count an answer with an error code."""
        self._words[self._codes.get(code, self._codes[OTHER])] += 1

    def verdict(self, verdict: str) -> None:
        """Count a code that was checked."""
        self._words[self._verdicts[verdict]] += 1

    def add(self, name: str, *labels: str) -> None:
        """Count something that is rare enough to be looked up."""
        self._words[self._layout.place(name, *labels)] += 1

    def set_series(self, name: str, values: Iterable[int], *labels: str) -> None:
        """Write the words of a series as they are now."""
        for word, value in enumerate(values, self._layout.place(name, *labels)):
            self._words[word] = value
