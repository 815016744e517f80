"""The text format of `/metrics`, written by the prometheus_client library."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from authfactor.http.telemetry.metric_names import SCRAPED, SCRAPED_LABELS, ScrapedValues
from authfactor.http.telemetry.shared_counters import MetricFamily, SharedCounters


def exposition(counters: SharedCounters, scraped: ScrapedValues) -> bytes:
    """Return the shared counters and the scraped values in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_PrebuiltCollector([*counter_metrics(counters), *_scraped_metrics(scraped)]))
    return generate_latest(registry)


def _scraped_metrics(scraped: ScrapedValues) -> Iterator[Metric]:
    for name, _, help_text in SCRAPED:
        if name not in scraped:
            continue
        value = scraped[name]
        metric = GaugeMetricFamily(name, help_text, labels=SCRAPED_LABELS.get(name, ()))
        for label, each in value.items() if isinstance(value, Mapping) else (("", value),):
            metric.add_metric([label] if label else [], each)
        yield metric


class _PrebuiltCollector(Collector):
    """A collector that returns given metrics."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield from self._metrics


def counter_metrics(counters: SharedCounters) -> Iterator[Metric]:
    """Yield the totals of all processes. Large families leave out series that are still zero."""
    sums = counters.totals()
    for family in counters.layout.families.values():
        start = counters.layout.offsets[family.name]
        if family.kind == "histogram":
            yield _histogram(family, sums, start)
            continue
        kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
        metric = kind(family.name, family.help_text, labels=family.labels)
        show_zeros = len(family.series) < 20  # noqa: PLR2004 - few enough to list from the start
        for offset, labels in enumerate(family.series, start):
            if sums[offset] or show_zeros:
                metric.add_metric(labels, sums[offset])
        yield metric


def _histogram(family: MetricFamily, sums: list[int], start: int) -> Metric:
    metric = HistogramMetricFamily(family.name, family.help_text, labels=family.labels)
    for index, labels in enumerate(family.series):
        offset = start + index * family.width
        counts = sums[offset : offset + len(family.bounds) + 1]
        if not any(counts) and family.labels:
            continue
        cumulative, buckets = 0, []
        for bound, count in zip([*map(str, family.bounds), "+Inf"], counts, strict=True):
            cumulative += count
            buckets.append((bound, cumulative))
        metric.add_metric(labels, buckets, sums[offset + family.width - 1] * family.scale)
    return metric
