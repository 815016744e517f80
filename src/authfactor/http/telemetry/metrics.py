"""`/metrics`: the counters of all processes and values read from the database, in Prometheus' format."""

import logging
from collections.abc import Mapping
from time import monotonic
from typing import Final

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.http.telemetry import log_stream
from authfactor.http.telemetry.metric_names import DRIFT, INFO, SCRAPED, ScrapedValues
from authfactor.http.telemetry.shared_counters import CounterWriter, SharedCounters
from authfactor.models import OutboxBacklog
from authfactor.otp import totp
from authfactor.version import __version__

log = logging.getLogger("authfactor.metrics")
WARNING_SECONDS: Final = 3600


class MetricsCollector:
    """Collects the metrics of an installation; any worker can report those of all."""

    def __init__(self, af: Authfactor, counters: SharedCounters, writer: CounterWriter) -> None:
        """`writer` writes to this process's region of `counters`."""
        self._af = af
        self._counters = counters
        self._writer = writer
        self._initial_offset = af.clock() - monotonic() * 1000
        self._warn_not_before = 0.0

    def publish(self) -> None:
        """Copy this process's statistics to its region; called every second and before a scrape."""
        stats = self._af.store.stats()
        put = self._writer.set_series
        put("authfactor_commit_batch_units", [*stats.batches, stats.units])
        put("authfactor_commit_failures_total", [stats.failed])
        put("authfactor_commit_queue", [stats.queue])
        put("authfactor_pool_sessions", [stats.busy], "busy")
        put("authfactor_pool_sessions", [stats.idle], "idle")
        put("authfactor_pool_waiting", [stats.waiting])
        put("authfactor_log_lines_dropped_total", [log_stream.dropped_lines()])
        for outcome, count in self._af.deliveries.sent.items():
            put("authfactor_webhook_deliveries_total", [count], outcome)
        for key, count in self._af.messages_sent.items():
            put("authfactor_messages_total", [count], *key)
        self._warn_about_clock()

    def _warn_about_clock(self) -> None:
        """Warn once an hour while most phones are off to the same side, which is this server's clock."""
        offset, now = self._phones_ahead(), monotonic()
        if offset and now >= self._warn_not_before:
            self._warn_not_before = now + WARNING_SECONDS
            log.warning(
                "the clock of this server is probably wrong: most phones are about %d s %s it",
                abs(offset),
                "ahead of" if offset > 0 else "behind",
                extra={"offset_seconds": offset},
            )

    def _phones_ahead(self) -> int | None:
        """Return how far most phones are ahead of this clock, in seconds; None if too few tell."""
        steps = self._af.challenges.server_clock.median(self._af.clock() // 1000)
        return None if steps is None else steps * totp.PERIOD_SECONDS

    async def text(self) -> bytes:
        """Return all metrics as text. Values of an unavailable database are left out."""
        from authfactor.http.telemetry import prometheus  # noqa: PLC0415 - loaded by the first scrape

        self.publish()
        return prometheus.exposition(self._counters, await self._scrape())

    async def _scrape(self) -> ScrapedValues:
        now = self._af.clock()
        drift = {"uptime": (now - monotonic() * 1000 - self._initial_offset) / 1000}
        phones = self._phones_ahead()
        if phones is not None:
            drift["phones"] = -phones
        values: dict[str, float | Mapping[str, float]] = {DRIFT: drift, INFO: {__version__: 1}}
        try:
            backlog: OutboxBacklog = await self._af.read(self._af.deliveries.backlog())
            unsealed = await self._af.event_sealing.unsealed_since(self._af.store)
            database = await self._af.store.now()
        except errors.Unavailable as error:
            log.warning("the database metrics could not be read: %s", error.message)
            return values
        if database is not None:
            drift["database"] = (self._af.clock() - database) / 1000
        lags = (_age(now, backlog.oldest_due), _age(now, backlog.oldest_event))
        database_values = (backlog.pending, *lags, backlog.paused, _age(now, unsealed))
        # `SCRAPED` starts with these five.
        return values | {name: value for (name, *_), value in zip(SCRAPED, database_values, strict=False)}


def _age(now: int, since: int | None) -> float:
    """Return the seconds since a time in milliseconds; 0 for None."""
    return 0 if since is None else max(0, now - since) / 1000
