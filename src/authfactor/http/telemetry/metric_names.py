"""Metrics computed at each scrape, and the list of all metrics for the reference."""

from collections.abc import Mapping
from typing import Final

from authfactor.http.telemetry.shared_counters import CounterLayout

# Read from the database or the process at each scrape: name, kind, help.
SCRAPED: Final = (
    ("authfactor_webhooks_pending", "gauge", "Pending webhook deliveries, counted up to 10,000."),
    (
        "authfactor_webhook_lag_seconds",
        "gauge",
        "How long the oldest due delivery is overdue, paused endpoints left out.",
    ),
    ("authfactor_event_lag_seconds", "gauge", "Age of the oldest event not yet delivered to a webhook."),
    ("authfactor_webhook_endpoints_paused", "gauge", "Webhook endpoints paused because they kept failing."),
    ("authfactor_events_unsealed_seconds", "gauge", "Age of the oldest event that no seal covers yet."),
    (
        "authfactor_clock_drift_seconds",
        "gauge",
        "This clock minus another: the database server's, this process's monotonic one (uptime), or phones'.",
    ),
    ("authfactor_info", "gauge", "Always 1; the label has the release."),
)
DRIFT: Final = "authfactor_clock_drift_seconds"
INFO: Final = "authfactor_info"
SCRAPED_LABELS: Final = {DRIFT: ("against",), INFO: ("version",)}

# By metric name: a value, or a value for each label.
ScrapedValues = Mapping[str, float | Mapping[str, float]]


def described(routes: list[str]) -> list[tuple[str, str, tuple[str, ...], str]]:
    """Return every metric's name, kind, labels and help."""
    families = CounterLayout(routes).families.values()
    counted = [(family.name, family.kind, family.labels, family.help_text) for family in families]
    return [*counted, *((name, kind, SCRAPED_LABELS.get(name, ()), help_) for name, kind, help_ in SCRAPED)]
