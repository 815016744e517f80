"""The warning and the metric that tell that this server's own clock is wrong."""

import random
from pathlib import Path

import pytest

from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.http.telemetry import metrics
from authfactor.http.telemetry.metrics import MetricsCollector
from authfactor.http.telemetry.shared_counters import CounterLayout, CounterWriter, SharedCounters
from authfactor.settings import Settings
from tests.support.clock import FakeClock

PHONES = 'authfactor_clock_drift_seconds{against="phones"}'


async def test_wrong_server_clock_is_logged_once_an_hour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, uptime = FakeClock(), [10_000.0]
    monkeypatch.setattr(metrics, "monotonic", lambda: uptime[0])
    af = await Authfactor.open(
        Settings(data=tmp_path),
        clock=clock,
        entropy=random.Random(7).randbytes,
        profile=passwords.CHEAPEST,
    )
    counters = SharedCounters(CounterLayout([]), 1)
    collector = MetricsCollector(af, counters, CounterWriter(counters.layout, counters.region(1)))
    try:
        assert PHONES not in (await collector.text()).decode()
        for _ in range(51):
            af.challenges.server_clock.add(clock.now // 1000, -1)
        for later in (0, 3599, 1):
            uptime[0] += later
            collector.publish()
        assert f"{PHONES} 30" in (await collector.text()).decode()
    finally:
        await af.close()
    warnings = [record.getMessage() for record in caplog.records if record.name == "authfactor.metrics"]
    text = "the clock of this server is probably wrong: most phones are about 30 s behind it"
    assert warnings == [text] * 2
