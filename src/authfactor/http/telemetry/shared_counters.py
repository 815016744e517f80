"""Integer counters in shared memory, so any worker can report the totals.

Every series has a fixed offset, so counting is one addition in memory: no lock, no lookup by name, no file.
Each process writes to its own region, and a scrape adds up all regions. The supervisor allocates the memory
before it forks workers, and adds the region of an exited worker to the first region.
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from authfactor import errors
from authfactor.http1.connection_limits import REASONS
from authfactor.models.tenants import MessageKind

Kind = Literal["counter", "gauge", "histogram"]
WORD_BYTES: Final = 8
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
    *("429", "500", "501", "503", "other"),
)
RIGHT: Final = "right"
LOCKED: Final = "locked"
MALFORMED: Final = "malformed"
RECOVERED: Final = "recovered"
TRUSTED: Final = "trusted_device"
PASSKEY: Final = "passkey"
PASSKEY_REFUSED: Final = "passkey_refused"
WRONG: Final = "wrong"
VERDICTS: Final = (
    *(RIGHT, WRONG, "replay", "drift", MALFORMED, LOCKED, RECOVERED),
    *(TRUSTED, "device_not_trusted"),
    *(PASSKEY, PASSKEY_REFUSED),
)
# The verdict in the metrics, by the verification's reason; the others are those of passkeys.
VERDICT_BY_REASON: Final = {
    None: RIGHT,
    "code_mismatch": WRONG,
    "code_already_used": "replay",
    "clock_drift": "drift",
    "code_malformed": MALFORMED,
    "method_not_allowed": MALFORMED,
    "device_not_trusted": "device_not_trusted",
}
UNMATCHED: Final = "unmatched"
OTHER: Final = "other"
MICROSECONDS: Final = 1_000_000
DURATION_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# Powers of two minus one, so that the bucket of a batch is the bit length of its size.
BATCH_BOUNDS: Final = (1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0, 255.0)


@dataclass(frozen=True, slots=True, eq=False)
class MetricFamily:
    """A metric with the label values of each of its series."""

    name: str
    kind: Kind
    help_text: str
    labels: tuple[str, ...] = ()
    series: tuple[tuple[str, ...], ...] = ((),)
    bounds: tuple[float, ...] = ()
    # Factor from the stored integer to the unit in the metric's name.
    scale: float = 1

    @property
    def width(self) -> int:
        """Words per series: 1, or for a histogram one for each bucket, +Inf, and the sum."""
        return len(self.bounds) + 2 if self.bounds else 1


PER_PROCESS: Final = (
    MetricFamily(
        "authfactor_commit_batch_units",
        "histogram",
        "Units of work per commit (PostgreSQL: shared commits).",
        bounds=BATCH_BOUNDS,
    ),
    MetricFamily("authfactor_commit_failures_total", "counter", "Failed commits (PostgreSQL: shared)."),
    MetricFamily("authfactor_commit_queue", "gauge", "Units of work waiting for the next commit."),
    MetricFamily(
        "authfactor_pool_sessions",
        "gauge",
        "PostgreSQL sessions, by whether a unit of work uses them.",
        ("state",),
        (("busy",), ("idle",)),
    ),
    MetricFamily("authfactor_pool_waiting", "gauge", "Units of work waiting for a PostgreSQL session."),
    MetricFamily(
        "authfactor_log_lines_dropped_total",
        "counter",
        "Log lines dropped because their reader had stalled or the disk was full.",
    ),
    MetricFamily(
        "authfactor_webhook_deliveries_total",
        "counter",
        "Attempts to deliver a webhook.",
        ("outcome",),
        (("delivered",), ("failed",)),
    ),
    MetricFamily(
        "authfactor_messages_total",
        "counter",
        "Attempts to send a message to a user.",
        ("channel", "kind", "outcome"),
        tuple(("mail", kind, outcome) for kind in get_args(MessageKind) for outcome in ("sent", "failed")),
    ),
)


def _error_codes() -> tuple[str, ...]:
    """Return the codes of all error classes, and `other` for codes set by an instance."""
    codes: set[str] = set()
    classes: list[type[errors.AuthfactorError]] = [errors.AuthfactorError]
    while classes:
        error_class = classes.pop()
        codes.add(error_class.code)
        classes += error_class.__subclasses__()
    return (*sorted(codes), OTHER)


def families(routes: Sequence[str]) -> dict[str, MetricFamily]:
    """Return every metric family, by name; `routes` are route names such as `GET /events`."""
    names = (*routes, UNMATCHED)
    by_status = tuple((route, status) for route in names for status in STATUSES)
    codes = tuple((code,) for code in _error_codes())
    request_families = (
        MetricFamily(
            *("authfactor_requests_total", "counter", "Completed requests.", ("route", "status"), by_status)
        ),
        MetricFamily(
            "authfactor_request_duration_seconds",
            "histogram",
            "Time from receiving a request to handing over its response.",
            ("route",),
            tuple((route,) for route in names),
            bounds=DURATION_BOUNDS,
            scale=1 / MICROSECONDS,
        ),
        MetricFamily(
            *("authfactor_errors_total", "counter", "Responses with an error code.", ("code",), codes)
        ),
        MetricFamily(
            "authfactor_verifications_total",
            "counter",
            "Checked codes and passkeys by outcome: right, wrong, replay (right but already used),"
            " drift (too old), malformed (not a code, not counted), locked (not checked),"
            " recovered (a right recovery code), trusted_device and device_not_trusted (a device's token in"
            " place of a code), passkey and passkey_refused.",
            ("outcome",),
            tuple((verdict,) for verdict in VERDICTS),
        ),
        MetricFamily(
            "authfactor_rate_limited_total",
            "counter",
            "Requests rejected by a rate limit.",
            ("by",),
            (("key",), ("address",)),
        ),
        MetricFamily(
            "authfactor_connections_closed_total",
            "counter",
            "Connections refused or closed by the server: limit (refused, all in use), evicted (idle, for a"
            " new one), slow_reader, slow_request, invalid_request.",
            ("reason",),
            tuple((reason,) for reason in REASONS),
        ),
    )
    return {family.name: family for family in (*request_families, *PER_PROCESS)}


class CounterLayout:
    """The offset of each series within a region, in words."""

    def __init__(self, routes: Sequence[str]) -> None:
        """Assign an offset to every family; its series follow each other."""
        self.families: Final = families(routes)
        self.offsets: Final[dict[str, int]] = {}
        end = 0
        for name, family in self.families.items():
            self.offsets[name] = end
            end += len(family.series) * family.width
        self.words: Final = end

    def offset(self, name: str, *labels: str) -> int:
        """Return the first word of a series. Raises `ValueError` for an unknown series."""
        family = self.families[name]
        return self.offsets[name] + family.series.index(labels) * family.width

    def gauge_words(self) -> Iterator[range]:
        """Yield the words of the gauges, which do not outlive their process."""
        for name, family in self.families.items():
            if family.kind == "gauge":
                yield range(self.offsets[name], self.offsets[name] + len(family.series))


class SharedCounters:
    """The shared memory: region 0 for exited processes, and one region for each running process.

    Word 0 of the memory is a sequence number, odd while a region is being added to region 0.
    """

    def __init__(self, layout: CounterLayout, processes: int) -> None:
        """Allocate the memory, which processes forked later share."""
        self.layout: Final = layout
        self._memory = mmap.mmap(-1, (1 + layout.words * (processes + 1)) * WORD_BYTES)
        self._words = memoryview(self._memory).cast("q")
        self._free_regions = list(range(processes, 0, -1))

    def has_free_region(self) -> bool:
        """Return whether a region is free."""
        return bool(self._free_regions)

    def claim_region(self) -> int:
        """Claim a free region for a process about to start, and return its number."""
        return self._free_regions.pop()

    def region(self, number: int) -> "memoryview[int]":
        """Return the words of a region."""
        start = 1 + number * self.layout.words
        return self._words[start : start + self.layout.words]

    def absorb_exited_worker(self, number: int) -> None:
        """Add an exited process's counters to region 0 and free its region."""
        exited, base = self.region(number), self.region(0)
        for words in self.layout.gauge_words():
            for word in words:
                exited[word] = 0
        self._words[0] += 1
        for word in range(self.layout.words):
            if exited[word]:
                base[word] += exited[word]
                exited[word] = 0
        self._words[0] += 1
        self._free_regions.append(number)

    def totals(self) -> list[int]:
        """Return the sums over all regions."""
        while True:
            before = self._words[0]
            sums = self._sum_regions()
            if before % 2 == 0 and before == self._words[0]:
                return sums

    def _sum_regions(self) -> list[int]:
        count = (len(self._words) - 1) // self.layout.words
        return [sum(words) for words in zip(*(self.region(number) for number in range(count)), strict=True)]


class CounterWriter:
    """Counts in one process's region."""

    def __init__(self, layout: CounterLayout, region: "memoryview[int]") -> None:
        """Look up the offsets in advance."""
        self._words = region
        self._layout = layout
        self._status = {int(text): index for index, text in enumerate(STATUSES) if text.isdigit()}
        self._other_status = len(STATUSES) - 1
        routes = [labels[0] for labels in layout.families["authfactor_request_duration_seconds"].series]
        self._routes = {
            route: (
                layout.offset("authfactor_requests_total", route, STATUSES[0]),
                layout.offset("authfactor_request_duration_seconds", route),
            )
            for route in routes
        }
        self._bounds = [int(bound * MICROSECONDS) for bound in DURATION_BOUNDS]
        self._codes = {
            labels[0]: layout.offset("authfactor_errors_total", *labels)
            for labels in layout.families["authfactor_errors_total"].series
        }
        self._verdicts = {
            verdict: layout.offset("authfactor_verifications_total", verdict) for verdict in VERDICTS
        }

    def request(self, route: str, status: int, microseconds: int) -> None:
        """Count a completed request and its duration."""
        words = self._words
        counts, durations = self._routes[route]
        words[counts + self._status.get(status, self._other_status)] += 1
        words[durations + bisect_left(self._bounds, microseconds)] += 1
        words[durations + len(self._bounds) + 1] += microseconds

    def error(self, code: str) -> None:
        """Count a response with an error code."""
        self._words[self._codes.get(code, self._codes[OTHER])] += 1

    def verdict(self, verdict: str) -> None:
        """Count a checked one-time code."""
        self._words[self._verdicts[verdict]] += 1

    def add(self, name: str, *labels: str) -> None:
        """Add one to a series that is looked up by name; for rare events."""
        self._words[self._layout.offset(name, *labels)] += 1

    def set_series(self, name: str, values: Iterable[int], *labels: str) -> None:
        """Set the words of a series."""
        for word, value in enumerate(values, self._layout.offset(name, *labels)):
            self._words[word] = value
