"""One measurement: prepare the requests, load the server, and read what it used."""

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from harness import wrk
from harness.operations import Prepare
from harness.servers import Server
from harness.stock import Stock

FIRST_GUESS = 500
"""How many requests to prepare for an operation whose rate is unknown."""
HEADROOM = 1.3


@dataclass(frozen=True)
class Sample:
    """One operation on one server in one round; times in microseconds, memory in bytes."""

    server: str
    operation: str
    connections: int
    round: int
    requests: int
    seconds: float
    rate: float
    p50_us: int
    p99_us: int
    max_us: int
    cpu_us: float
    resident_bytes: int
    errors: int
    note: str


@dataclass
class Bench:
    """A server, its stock, and the measured rate of each operation."""

    server: Server
    stock: Stock
    operations: Mapping[str, Prepare]
    keyed: bool = False
    rates: dict[tuple[str, int], float] = field(default_factory=dict)
    _runs: int = 0

    def common(self, wanted: Sequence[str]) -> list[str]:
        """Return which of the wanted operations this server has."""
        return [operation for operation in wanted if operation in self.operations]

    def measure(
        self,
        operation: str,
        connections: int,
        seconds: int,
        number: int = 0,
        *,
        watch: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> Sample:
        """Load the server with one operation; `watch` wraps the load without its preparation."""
        key = (operation, connections)
        known = self.rates.get(key)
        count = FIRST_GUESS if known is None else int(known * seconds * HEADROOM) + connections
        prepared = self.operations[operation](self.stock, count, seconds)
        self._runs += 1
        keys = f"bench-{self._runs}-" if self.keyed else "-"
        load = wrk.Load(seconds, connections, once=prepared.once, expect=prepared.expect, keys=keys)
        before = self.server.usage()
        with watch():
            report = wrk.run(self.server, prepared.calls, load)
        after = self.server.usage()
        prepared.settle(report.issued)
        # A run that used up its requests was too short to be representative: prepare twice as many.
        self.rates[key] = report.rate * (2.0 if report.ran_out else 1.0)
        return Sample(
            server=self.server.name,
            operation=operation,
            connections=connections,
            round=number,
            requests=report.requests,
            seconds=report.duration_us / 1e6,
            rate=report.rate,
            p50_us=report.p50_us,
            p99_us=report.p99_us,
            max_us=report.max_us,
            cpu_us=(after.cpu_seconds - before.cpu_seconds) * 1e6 / max(report.requests, 1),
            resident_bytes=after.resident_bytes,
            errors=report.errors,
            note=report.samples.strip(),
        )


class Profiler:
    """Records a server and its workers with py-spy during a `with` block: a flame graph, or stacks (.txt)."""

    def __init__(self, server: Server, picture: Path) -> None:
        """Take the server and the path of the flame graph."""
        self._server, self._picture = server, picture

    def __enter__(self) -> None:
        """Start sampling."""
        py_spy = Path(sys.prefix) / "bin" / "py-spy"
        command = [str(py_spy), "record", "--subprocesses", "--rate", "200", "--nonblocking"]
        if self._picture.suffix == ".txt":
            command += ["--format", "raw"]
        command += ["--output", str(self._picture), "--pid", str(self._server.process.pid)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __exit__(self, *_unused: object) -> None:
        """Stop sampling; py-spy then writes its file. Its output is shown only if there is none."""
        self._process.send_signal(signal.SIGINT)
        output, _ = self._process.communicate(timeout=60)
        if not self._picture.exists():
            sys.exit(f"bench: py-spy wrote nothing: {output.decode(errors='replace')}")
