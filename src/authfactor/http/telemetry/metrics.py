"""`/metrics`: the numbers of all processes, and what the database says, in the format of Prometheus."""

import logging
from collections.abc import Mapping
from time import monotonic

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.http.telemetry.metric_names import DRIFT, INFO, SCRAPED, ScrapedValues
from authfactor.http.telemetry.shared_counters import CounterWriter, SharedCounters
from authfactor.models import OutboxBacklog
from authfactor.version import __version__

log = logging.getLogger("authfactor.metrics")


class MetricsCollector:
    """Puts together what one installation can be asked, from any of its processes."""

    def __init__(self, af: Authfactor, board: SharedCounters, meter: CounterWriter) -> None:
        """Remember when both clocks agreed."""
        self._af = af
        self._board = board
        self._meter = meter
        self._skew = af.clock() - monotonic() * 1000

    def publish(self) -> None:
        """Write this process's figures where the others find them; once a second, and before a scrape."""
        figures = self._af.store.stats()
        put = self._meter.set_series
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
        from authfactor.http.telemetry import prometheus  # noqa: PLC0415 - loaded when it is first asked for

        self.publish()
        return prometheus.write(self._board, await self._asked())

    async def _asked(self) -> ScrapedValues:
        now = self._af.clock()
        drift = {"uptime": (now - monotonic() * 1000 - self._skew) / 1000}
        asked: dict[str, float | Mapping[str, float]] = {DRIFT: drift, INFO: {__version__: 1}}
        try:
            backlog: OutboxBacklog = await self._af.read(self._af.deliveries.backlog())
            unsealed = await self._af.event_sealing.unsealed_since(self._af.store)
            database = await self._af.store.now()
        except errors.Unavailable as error:
            log.warning("the database did not tell its numbers: %s", error.message)
            return asked
        if database is not None:
            drift["database"] = (self._af.clock() - database) / 1000
        moments = (backlog.oldest_due, backlog.oldest_event, unsealed)
        values = (backlog.pending, *(_age(now, moment) for moment in moments))
        return asked | {name: value for (name, *_), value in zip(SCRAPED, values, strict=False)}


def _age(now: int, moment: int | None) -> float:
    """Seconds since a moment in milliseconds; nothing waits, nothing is late."""
    return 0 if moment is None else max(0, now - moment) / 1000
