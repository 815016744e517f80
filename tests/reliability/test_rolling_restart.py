"""Processes are stopped, replaced and upgraded under load without losing a request."""

import http.client
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import pytest

from tests.support.server_process import API_KEY, Server, fields

CLIENTS: Final = 8


class Load:
    """Clients that send requests without a pause on persistent connections and record every outcome."""

    def __init__(self, port: int, paths: list[tuple[str, str, bytes | None]]) -> None:
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []
        self.closed = 0
        self._port = port
        self._paths = paths
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(seed,)) for seed in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, seed: int) -> None:
        chance = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.is_set():
            method, path, body = chance.choice(self._paths)
            try:
                connection.request(
                    method,
                    path,
                    body,
                    {"authorization": f"Bearer {API_KEY}", "content-type": "application/json"},
                )
                answer = connection.getresponse()
                answer.read()
                self.answers[answer.status] += 1
                if answer.getheader("connection") == "close":
                    self.closed += 1
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                # No retry: a request lost here is a request that an application loses.
                self.failures.append(f"{method} {path}: {error!r}")
                connection.close()
        connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "data", {"AUTHFACTOR_LOG_REQUESTS": "false"})
    started.start("--workers", "2")
    try:
        yield started
    finally:
        if started.is_running():
            assert started.stop() == 0, started.output()


def paths(server: Server) -> list[tuple[str, str, bytes | None]]:
    with server.client() as client:
        user = fields(client.post("/user_management/users", json={"email": "kim@example.org"}), 201)
        path = f"/user_management/users/{user['id']}"
        factor = fields(client.post(f"{path}/auth_factors", json={"type": "totp"}), 201)
    factor_id = factor["authentication_factor"]["id"]
    return [
        ("GET", path, None),
        ("GET", f"/auth/factors/{factor_id}", None),
        ("POST", f"/auth/factors/{factor_id}/challenge", b"{}"),
    ]


def restart_one(server: Server, chance: random.Random) -> None:
    """Stop one of the two workers and wait until two are running again, one of them new."""
    before = sorted(server.children())
    victim = chance.choice(before)
    os.kill(victim, signal.SIGTERM)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        now = server.children()
        if victim not in now and len(now) == 2:
            return
        time.sleep(0.01)
    raise AssertionError(f"no successor for {victim}: {server.children()}\n{server.output()}")


def restarts(server: Server, count: int) -> Load:
    chance = random.Random(count)
    with Load(server.port, paths(server)) as load:
        for _ in range(count):
            restart_one(server, chance)
    return load


def check(load: Load, min_closed: int) -> None:
    assert load.failures == [], f"{len(load.failures)} of {load.answers.total()}: {load.failures[:5]}"
    assert set(load.answers) == {200, 201}, load.answers
    assert load.answers.total() > 100
    assert load.closed >= min_closed, "an exiting process closes connections with a response"


@pytest.mark.timeout(180)
def test_25_worker_restarts_lose_no_request(server: Server) -> None:
    check(restarts(server, 25), min_closed=10)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_500_worker_restarts_lose_no_request(server: Server) -> None:
    check(restarts(server, 500), min_closed=200)


@pytest.mark.timeout(120)
def test_an_upgrade_under_load_loses_no_request(server: Server) -> None:
    before = set(server.children())
    with Load(server.port, paths(server)) as load:
        for _ in range(2):
            old = set(server.children())
            os.kill(server.pid, signal.SIGUSR2)
            end = time.monotonic() + 50
            while old & set(server.children()) and time.monotonic() < end:
                time.sleep(0.05)
            assert not old & set(server.children()), server.output()

    check(load, min_closed=4)
    assert len(server.children()) == 2
    assert not before & set(server.children())


@pytest.mark.timeout(120)
def test_a_failed_upgrade_keeps_the_old_processes(tmp_path: Path) -> None:
    file = tmp_path / "authfactor.toml"
    file.write_text("lock_after = 5\n")
    server = Server(tmp_path / "data", {"AUTHFACTOR_CONFIG": str(file)})
    server.start("--workers", "2")
    try:
        before = set(server.children())
        file.write_text("lock_aftr = 5\n")
        os.kill(server.pid, signal.SIGUSR2)
        server.wait_for_output("Did you mean AUTHFACTOR_LOCK_AFTER?")
        assert set(server.children()) >= before
        with server.client() as client:
            assert client.get("/readyz").status_code == 200
    finally:
        assert server.stop() == 0, server.output()


def test_a_killed_worker_is_replaced(server: Server) -> None:
    victim = server.children()[0]
    os.kill(victim, signal.SIGKILL)
    # "exited unexpectedly", or "failed to start" if it was not ready yet.
    server.wait_for_output("(SIGKILL); starting another")
    end = time.monotonic() + 20
    while time.monotonic() < end and len(set(server.children()) - {victim}) < 2:
        time.sleep(0.02)
    assert len(set(server.children()) - {victim}) == 2


def test_workers_do_not_outlive_their_supervisor(server: Server) -> None:
    left = server.children()
    server.kill()
    end = time.monotonic() + 20
    while time.monotonic() < end and any(Path(f"/proc/{pid}").exists() for pid in left):
        time.sleep(0.05)
    assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []


def test_a_request_in_progress_at_a_stop_is_answered(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("POST", "/user_management/users")
    body = b'{"email": "kim@example.org"}'
    for name, value in (("authorization", f"Bearer {API_KEY}"), ("content-length", str(len(body)))):
        connection.putheader(name, value)
    connection.endheaders(body[:5])
    time.sleep(0.2)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    time.sleep(0.5)
    connection.send(body[5:])
    answer = connection.getresponse()
    assert answer.status == 201
    assert answer.getheader("connection") == "close"
    stopping.join()


def test_a_draining_server_reports_not_ready(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"AUTHFACTOR_DRAIN_WAIT": "2"})
    server.start()
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    time.sleep(0.7)
    with server.client() as client:
        ready, alive = client.get("/readyz"), client.get("/healthz")
    stopping.join()
    assert (ready.status_code, alive.status_code) == (503, 200)
    assert ready.json()["code"] == "service_unavailable"
    assert ready.headers["connection"] == "close"
