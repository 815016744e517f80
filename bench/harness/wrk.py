"""Run wrk over prepared requests (`lua/walk.lua`)."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.environment import BENCH
from harness.servers import Server

SCRIPT = BENCH / "lua" / "walk.lua"
COLLECT_SECONDS = 3600
COLLECT_CONNECTIONS = 16


class LoadFailed(Exception):
    """wrk failed, or returned responses that the preparation cannot use."""


@dataclass(frozen=True)
class Call:
    """One prepared request."""

    method: Literal["GET", "POST"]
    path: str
    body: str = ""


@dataclass(frozen=True)
class Report:
    """What wrk measured in one run; times in microseconds."""

    requests: int
    duration_us: int
    issued: int
    ran_out: bool
    answers: int
    wrong: int
    status_errors: int
    socket_errors: int
    timeouts: int
    p50_us: int
    p90_us: int
    p99_us: int
    max_us: int
    samples: str

    @property
    def errors(self) -> int:
        """The number of wrong or missing responses."""
        return max(self.wrong, self.status_errors) + self.socket_errors + self.timeouts

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / (self.duration_us / 1e6)


@dataclass(frozen=True)
class Load:
    """How to drive a run: seconds, number of connections, and the text that each response must contain.

    `pause_ms`: milliseconds that each connection waits before each request.
    """

    seconds: int
    connections: int
    once: bool = False
    expect: str = "-"
    keys: str = "-"
    pause_ms: int = 0


def installed() -> bool:
    """Return whether wrk is installed."""
    return shutil.which("wrk") is not None


def write_items(path: Path, calls: Iterable[Call]) -> None:
    """Write the requests as walk.lua reads them."""
    with path.open("w") as items:
        items.writelines(f"{call.method}\t{call.path}\t{call.body}\n" for call in calls)


def start(server: Server, folder: Path, load: Load, mode: str) -> subprocess.Popen[str]:
    """Start wrk on the items in a folder."""
    command = [
        "wrk",
        "-t1",
        f"-c{load.connections}",
        f"-d{load.seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(SCRIPT),
    ]
    command += ["-H", f"Authorization: {server.authorization}", server.url, "--"]
    command += [
        str(folder / "items"),
        str(folder / "report"),
        mode,
        load.expect,
        str(folder / "answers"),
        load.keys,
        server.ready,
        str(load.pause_ms),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str], folder: Path) -> Report:
    """Wait for wrk and read its report.

    Raises:
        LoadFailed: wrk ended without a report.
    """
    output, _ = process.communicate()
    report = folder / "report"
    if process.returncode != 0 or not report.is_file():
        raise LoadFailed(output)
    return Report(**json.loads(report.read_text()))


def run(server: Server, calls: Sequence[Call], load: Load) -> Report:
    """Send the prepared requests for some seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_items(folder / "items", calls)
        return finish(start(server, folder, load, "once" if load.once else "loop"), folder)


def collect(server: Server, calls: Sequence[Call], connections: int = COLLECT_CONNECTIONS) -> Iterator[str]:
    """Send every request once and yield the bodies of the answers, in no order.

    Raises:
        LoadFailed: an answer was not a success.
    """
    if not calls:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_items(folder / "items", calls)
        load = Load(COLLECT_SECONDS, min(connections, len(calls)))
        report = finish(start(server, folder, load, "collect"), folder)
        if report.errors or report.answers != len(calls):
            message = (
                f"{server.name}: {report.answers} answers to {len(calls)} requests, wrong:\n{report.samples}"
            )
            raise LoadFailed(message)
        with (folder / "answers").open() as answers:
            yield from answers
