"""Metrics that are read at each scrape, and the list of all metrics for the reference."""

from collections.abc import Mapping
from typing import Final

from authfactor.http.telemetry.shared_counters import CounterLayout

# What is asked of the database at each scrape, and what goes with the process: name, kind, help.
SCRAPED: Final = (
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


DRIFT: Final = "authfactor_clock_drift_seconds"


INFO: Final = "authfactor_info"


SCRAPED_LABELS: Final = {DRIFT: ("against",), INFO: ("version",)}


# By the name of the metric: a value, or a value for each label.
ScrapedValues = Mapping[str, float | Mapping[str, float]]


def described(routes: list[str]) -> list[tuple[str, str, tuple[str, ...], str]]:
    """List every metric for the reference: name, kind, labels, help."""
    own = [(one.name, one.kind, one.labels, one.about) for one in CounterLayout(routes).families.values()]
    return [*own, *((name, kind, SCRAPED_LABELS.get(name, ()), about) for name, kind, about in SCRAPED)]
