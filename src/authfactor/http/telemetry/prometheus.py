"""The text of `/metrics`, written by Prometheus's own library, which a start does not wait for."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from authfactor.http.telemetry.metric_names import SCRAPED, SCRAPED_LABELS, ScrapedValues
from authfactor.http.telemetry.shared_counters import MetricFamily, SharedCounters


def write(board: SharedCounters, asked: ScrapedValues) -> bytes:
    """Write what the processes have counted, and what was asked."""
    registry = CollectorRegistry()
    registry.register(_PrebuiltCollector([*counted(board), *_asked(asked)]))
    return generate_latest(registry)


def _asked(asked: ScrapedValues) -> Iterator[Metric]:
    for name, _, about in SCRAPED:
        if name not in asked:
            continue
        value = asked[name]
        metric = GaugeMetricFamily(name, about, labels=SCRAPED_LABELS.get(name, ()))
        for label, each in value.items() if isinstance(value, Mapping) else (("", value),):
            metric.add_metric([label] if label else [], each)
        yield metric


class _PrebuiltCollector(Collector):
    """A collector over metrics that are there already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        yield from self._metrics


def counted(board: SharedCounters) -> Iterator[Metric]:
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


def _histogram(family: MetricFamily, sums: list[int], start: int) -> Metric:
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
