"""`/metrics`: the numbers of all processes, and what the database says, in the format of Prometheus."""

import logging
from collections.abc import Iterator
from time import monotonic
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from authfactor import __version__, errors
from authfactor.core import Authfactor
from authfactor.http.measures import Board, Family, Layout, Meter
from authfactor.models import Backlog

# What is asked of the database at each scrape, and what goes with the process: name, kind, help.
ASKED: Final = (
    ("authfactor_webhooks_pending", "gauge", "Webhook deliveries that wait, counted up to 10,000."),
    ("authfactor_webhook_lag_seconds", "gauge", "How late the delivery is that has been due for longest."),
    ("authfactor_event_lag_seconds", "gauge", "Age of the oldest event that a webhook has yet to tell."),
    ("authfactor_events_unsealed_seconds", "gauge", "Age of the oldest event that no seal covers yet."),
    (
        "authfactor_clock_drift_seconds",
        "gauge",
        "This clock less another: the database server's, or (uptime) this process's own steady clock.",
    ),
    ("authfactor_info", "gauge", "Always 1; the release is in the label."),
)

log = logging.getLogger("authfactor.metrics")


class Observatory:
    """Puts together what one installation can be asked, from any of its processes."""

    def __init__(self, af: Authfactor, board: Board, meter: Meter) -> None:
        """Remember when both clocks agreed."""
        self._af = af
        self._board = board
        self._meter = meter
        self._skew = af.clock() - monotonic() * 1000

    def publish(self) -> None:
        """Write this process's figures where the others find them; once a second, and before a scrape."""
        figures = self._af.store.figures()
        put = self._meter.put
        put("authfactor_commit_batch_units", [*figures.batches, figures.units])
        put("authfactor_commit_failures_total", [figures.failed])
        put("authfactor_commit_queue", [figures.queue])
        put("authfactor_pool_sessions", [figures.busy], "busy")
        put("authfactor_pool_sessions", [figures.idle], "idle")
        put("authfactor_pool_waiting", [figures.waiting])
        for outcome, count in self._af.deliveries.sent.items():
            put("authfactor_webhook_deliveries_total", [count], outcome)

    async def text(self) -> bytes:
        """Write everything; what the database cannot tell now is left out."""
        self.publish()
        registry = CollectorRegistry()
        registry.register(_Given([*counted(self._board), *await self._asked()]))
        return generate_latest(registry)

    async def _asked(self) -> list[Metric]:
        now = self._af.clock()
        drift = GaugeMetricFamily(ASKED[4][0], ASKED[4][2], labels=["against"])
        drift.add_metric(["uptime"], (now - monotonic() * 1000 - self._skew) / 1000)
        found: list[Metric] = [drift]
        try:
            backlog: Backlog = await self._af.read(self._af.deliveries.backlog())
            unsealed = await self._af.event_seals.unsealed_since(self._af.store)
            database = await self._af.store.now()
        except errors.Unavailable as error:
            log.warning("the database did not tell its numbers: %s", error.message)
        else:
            moments = (backlog.oldest_due, backlog.oldest_event, unsealed)
            values = (backlog.pending, *(_age(now, moment) for moment in moments))
            found += [
                GaugeMetricFamily(name, about, value=value)
                for (name, _, about), value in zip(ASKED, values, strict=False)
            ]
            if database is not None:
                drift.add_metric(["database"], (self._af.clock() - database) / 1000)
        info = GaugeMetricFamily(ASKED[5][0], ASKED[5][2], labels=["version"])
        info.add_metric([__version__], 1)
        return [*found, info]


class _Given(Collector):
    """A collector over metrics that are there already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        yield from self._metrics


def counted(board: Board) -> Iterator[Metric]:
    """Yield what the processes have counted, added up. A series that never moved is left out."""
    sums = board.totals()
    for family in board.layout.families.values():
        start = board.layout.starts[family.name]
        if family.kind == "histogram":
            yield _histogram(family, sums, start)
            continue
        kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
        metric = kind(family.name, family.about, labels=family.labels)
        few = len(family.series) < 20  # noqa: PLR2004 - what can be listed is there from the start
        for place, labels in enumerate(family.series, start):
            if sums[place] or few:
                metric.add_metric(labels, sums[place])
        yield metric


def _histogram(family: Family, sums: list[int], start: int) -> Metric:
    metric = HistogramMetricFamily(family.name, family.about, labels=family.labels)
    for number, labels in enumerate(family.series):
        at = start + number * family.width
        counts = sums[at : at + len(family.bounds) + 1]
        if not any(counts) and family.labels:
            continue
        running, buckets = 0, []
        for bound, count in zip([*map(str, family.bounds), "+Inf"], counts, strict=True):
            running += count
            buckets.append((bound, running))
        metric.add_metric(labels, buckets, sums[at + family.width - 1] * family.scale)
    return metric


def described(routes: list[str]) -> list[tuple[str, str, tuple[str, ...], str]]:
    """List every metric for the reference: name, kind, labels, help."""
    labelled = {"authfactor_clock_drift_seconds": ("against",), "authfactor_info": ("version",)}
    own = [(one.name, one.kind, one.labels, one.about) for one in Layout(routes).families.values()]
    return [*own, *((name, kind, labelled.get(name, ()), about) for name, kind, about in ASKED)]


def _age(now: int, moment: int | None) -> float:
    """Seconds since a moment in milliseconds; nothing waits, nothing is late."""
    return 0 if moment is None else max(0, now - moment) / 1000
