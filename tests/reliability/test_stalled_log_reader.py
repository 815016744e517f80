"""The reader of a server's output stops reading: a pipe without a reader, a hanging log collector."""

import contextlib
import fcntl
import io
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from authfactor.http.app import make_counters
from authfactor.http.telemetry import log_stream
from authfactor.server.supervisor import Supervisor
from tests.support.server_process import Server

TOKEN = "a token for scraping"
# More lines than the pipe and the queues of two workers hold.
REQUESTS = 16_000


class PipedServer(Server):
    """A server whose output is a pipe, read only by `read`."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, {"AUTHFACTOR_METRICS_TOKEN": TOKEN})
        self.log = data.with_suffix(".fifo")
        os.mkfifo(self.log)
        self._reading_end = os.open(self.log, os.O_RDONLY | os.O_NONBLOCK)
        self._received = b""

    def read(self) -> None:
        """Read what is in the pipe now."""
        while True:
            try:
                data = os.read(self._reading_end, 65536)
            except BlockingIOError:
                return
            if not data:
                return
            self._received += data

    def fill(self) -> None:
        """Fill what is left of the pipe with empty lines."""
        writing_end = os.open(self.log, os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing_end, b"\n")
        os.close(writing_end)

    def output(self) -> str:
        self.read()
        return self._received.decode()

    def lines(self) -> list[dict[str, Any]]:
        """Return the log lines received so far; one that is not whole raises `ValueError`."""
        return [json.loads(line) for line in self._received.decode().splitlines() if line.startswith("{")]

    def close(self) -> None:
        if self.is_running():
            self.kill()
        os.close(self._reading_end)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PipedServer]:
    made = PipedServer(tmp_path / "data")
    yield made
    made.close()


def request_ids(server: PipedServer, count: int, connections: int = 4) -> list[str]:
    """Send requests, each of which must be responded to, and return their ids."""
    ids = []
    for _ in range(connections):
        with server.client() as client:
            for _ in range(count // connections):
                response = client.get("/healthz")
                assert response.status_code == 200
                ids.append(response.headers["x-request-id"])
    return ids


def wait_for(met: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 40
    while not met():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def dropped_in_metrics(server: PipedServer) -> float:
    response = httpx.get(
        f"{server.url}/metrics", headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False
    )
    found = re.search(r"^authfactor_log_lines_dropped_total (\S+)$", response.text, re.MULTILINE)
    assert found
    return float(found[1])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_server_responds_while_its_log_is_not_read_and_counts_what_it_drops(
    server: PipedServer, workers: str
) -> None:
    server.start("--workers", workers)
    sent = request_ids(server, REQUESTS)
    wait_for(lambda: dropped_in_metrics(server), "no dropped line is counted")
    dropped = re.compile(r"the log could not be written: (\d+) lines were dropped")

    def every_worker_has_reported() -> bool:
        # Any worker that has dropped lines reports it after the last of those it had kept.
        return sum(map(int, dropped.findall(server.output()))) >= dropped_in_metrics(server) > 0

    wait_for(every_worker_has_reported, "the missing lines were not reported")
    assert server.stop() == 0
    server.read()
    logged = {line["request_id"] for line in server.lines() if line["event"] == "request"}
    missing = [request_id for request_id in sent if request_id not in logged]
    reported = sum(int(found[1]) for line in server.lines() if (found := dropped.match(line["event"])))
    # Requests of this test other than the counted ones, such as scrapes, may be among the dropped.
    assert 0 < len(missing) <= reported <= len(missing) + 100
    assert len(logged) >= REQUESTS - reported


@pytest.mark.timeout(120)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_ends_a_server_whose_log_is_not_read(server: PipedServer, workers: str) -> None:
    server.start("--workers", workers)
    request_ids(server, 1000)
    server.fill()
    assert server.stop() == 0


@pytest.mark.timeout(120)
def test_killed_worker_is_replaced_while_the_log_is_not_read(server: PipedServer) -> None:
    server.start("--workers", "2")
    request_ids(server, 1000)
    server.fill()
    victims = set(server.children())
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    wait_for(
        lambda: len(server.children()) == 2 and not victims & set(server.children()), "no worker was started"
    )
    request_ids(server, 8)
    wait_for(lambda: server.output().count("a worker exited unexpectedly") == 2, "the exits were not logged")
    assert server.stop() == 0


@pytest.mark.timeout(120)
def test_upgrade_works_while_the_log_is_not_read(server: PipedServer) -> None:
    server.start("--workers", "2")
    request_ids(server, 1000)
    server.fill()
    old = set(server.children())
    os.kill(server.pid, signal.SIGUSR2)
    wait_for(
        lambda: len(server.children()) == 2 and not old & set(server.children()), "the upgrade did not happen"
    )
    request_ids(server, 8)
    assert server.stop() == 0


@pytest.mark.timeout(60)
def test_last_lines_of_a_worker_are_written_before_it_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_stream, "DRAIN_SECONDS", 30)
    reading_end, writing_end = os.pipe()
    os.write(writing_end, b"." * fcntl.fcntl(writing_end, fcntl.F_GETPIPE_SZ))  # full

    def work(_region: int, _send_status: Callable[[bytes], None]) -> int:
        monkeypatch.setattr(
            sys, "stderr", log_stream.LogStream(io.TextIOWrapper(io.FileIO(writing_end, "wb")))
        )
        sys.stderr.write("the last line\n")
        return 0

    supervisor = Supervisor(1, make_counters(1), work)
    pid = os.fork()
    if pid == 0:
        supervisor._run_worker(1, *os.pipe())
    os.close(writing_end)
    # Without waiting for its reader the worker exits at once.
    for _ in range(20):
        if os.waitpid(pid, os.WNOHANG)[0]:
            break
        time.sleep(0.02)
    received = b""
    while data := os.read(reading_end, 65536):
        received += data
    os.close(reading_end)
    assert received.endswith(b"the last line\n")
