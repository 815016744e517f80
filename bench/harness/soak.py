"""Half the maximum load for a long time: memory growth, failures and latency."""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from harness import wrk
from harness.compare import MISSING_WRK
from harness.operations import OPERATIONS
from harness.rehearsal import Unequal, rehearse
from harness.servers import Server, ServerFailed, running
from harness.stock import Stock
from harness.wrk import Load, LoadFailed

MIB = 1 << 20
CONNECTIONS = 16
SLICE_SECONDS = 5
"""How long each operation runs before the next one."""
PROBE_SECONDS = 3
WARM_SHARE = 0.1
"""The part of the time after which pools and caches have their final size: growth counts from then on."""
LIMIT = 0.05

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Minute:
    """A line of the report: seconds and requests since the start, resident bytes, 99th percentile."""

    seconds: float
    requests: int
    errors: int
    resident_bytes: int
    p99_us: int


def pause_ms(rate: float) -> int:
    """Return the pause before each request with which 16 connections send half of a rate."""
    return max(round(CONNECTIONS / (rate / 2) * 1000), 1)


def slices(server: Server, seconds: float) -> Iterator[wrk.Report]:
    """Run the operations one after the other until the time is over, each at half its maximum rate."""
    stock = Stock(server)
    stock.enroll(1000)
    pauses: dict[str, int] = {}
    counts: dict[str, int] = {}
    for name, prepare in OPERATIONS.items():
        prepared = prepare(stock, 8000, PROBE_SECONDS)
        full = wrk.run(server, prepared.calls, Load(PROBE_SECONDS, CONNECTIONS, once=prepared.once))
        prepared.settle(full.issued)
        pauses[name] = pause_ms(full.rate)
        counts[name] = int(full.rate * SLICE_SECONDS)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, prepare in OPERATIONS.items():
            prepared = prepare(stock, counts[name], SLICE_SECONDS)
            load = Load(
                SLICE_SECONDS,
                CONNECTIONS,
                once=prepared.once,
                expect=prepared.expect,
                pause_ms=pauses[name],
            )
            report = wrk.run(server, prepared.calls, load)
            prepared.settle(report.issued)
            yield report
        # The stock is the load generator's memory, not the server's: keep it small.
        del stock.factors[:-20_000]


def soak(server: Server, seconds: float) -> list[Minute]:
    """Run the load and record a line per minute."""
    started, noted = time.monotonic(), 0.0
    requests = errors = 0
    slowest: list[int] = []
    minutes: list[Minute] = []
    console.print(f"{'minutes':>8} {'requests':>12} {'wrong':>6} {'resident MiB':>13} {'p99 ms':>8}")
    for report in slices(server, seconds):
        requests += report.requests
        errors += report.errors
        slowest.append(report.p99_us)
        passed = time.monotonic() - started
        if passed - noted < min(60.0, seconds / 10):
            continue
        noted = passed
        minute = Minute(
            passed, requests, errors, server.usage().resident_bytes, int(statistics.median(slowest))
        )
        slowest.clear()
        minutes.append(minute)
        console.print(
            f"{passed / 60:>8.1f} {requests:>12,} {errors:>6} {minute.resident_bytes / MIB:>13.1f}"
            f" {minute.p99_us / 1000:>8.1f}"
        )
    return minutes


def main(arguments: list[str] | None = None) -> int:
    """Run the soak test; the exit status is 1 when memory grew by 5 % or a response was wrong."""
    parser = argparse.ArgumentParser(prog="bench/soak.py", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="%(default)s")
    parser.add_argument("--workers", type=int, default=1, help="%(default)s")
    parser.add_argument("--json", action="store_true", help="print the lines as JSON at the end")
    given = parser.parse_args(arguments)
    if not wrk.installed():
        console.print(MISSING_WRK)
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        running("authfactor", folder=Path(name) / "installation", workers=given.workers) as server,
    ):
        rehearse(server)
        minutes = soak(server, given.minutes * 60)
    warm = next(line for line in minutes if line.seconds >= given.minutes * 60 * WARM_SHARE)
    growth = minutes[-1].resident_bytes / warm.resident_bytes - 1
    last = minutes[-1]
    if given.json:
        sys.stdout.write(json.dumps([asdict(line) for line in minutes]) + "\n")
    else:
        after = f"resident {warm.resident_bytes / MIB:.1f} MiB after {warm.seconds / 60:.0f} min"
        end = f"{last.resident_bytes / MIB:.1f} at the end: {growth:+.1%}"
        print(f"{last.requests:,} requests, {last.errors} wrong; {after}, {end}")
    return 1 if last.errors or growth >= LIMIT else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LoadFailed, ServerFailed, Unequal) as failure:
        sys.exit(f"soak: {failure}")
