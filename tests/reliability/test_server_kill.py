"""A server that is killed during writes keeps every write that it acknowledged."""

import contextlib
import random
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.support import authenticator
from tests.support.server_process import Server, assert_no_surprise, fields

THREADS: Final = 16
SERVERS: Final = 2
ROUNDS: Final = 25  # per server; most of a round is the start, and two servers start in parallel
NIGHTLY_ROUNDS: Final = 100
# Reasons that mean that a code is spent or outside the window.
REFUSALS: Final = {"code_already_used", "clock_drift", "code_mismatch"}


@dataclass(frozen=True)
class Accepted:
    """A code that a server accepted."""

    factor_id: str
    challenge_id: str
    step_or_later: int
    code: str


@dataclass
class Observed:
    """What the server acknowledged before it was killed, and every unexpected response."""

    factors: dict[str, str] = field(default_factory=dict)
    """Factor id to user id, for every acknowledged enrollment."""
    accepted: list[Accepted] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    requests: int = 0


class Load:
    """Clients that enroll and verify as fast as they can until the server is killed or they are stopped."""

    def __init__(self, server: Server) -> None:
        self.observed = Observed()
        self._server = server
        self._stopping = threading.Event()
        self._connected = threading.Barrier(THREADS + 1)
        self._threads = [threading.Thread(target=self._client) for _ in range(THREADS)]

    def start(self) -> None:
        """Start the clients and return when all are connected."""
        for thread in self._threads:
            thread.start()
        self._connected.wait(timeout=60)

    def stop(self) -> Observed:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        return self.observed

    def _client(self) -> None:
        # Broken connections are expected: a request without a response was not acknowledged.
        with self._server.client() as client, contextlib.suppress(httpx.TransportError):
            client.get("/healthz")
            self._connected.wait(timeout=60)
            while not self._stopping.is_set():
                self._enroll_and_verify(client)

    def _enroll_and_verify(self, client: httpx.Client) -> None:
        user = self._post(client, "/user_management/users", {"email": f"{uuid.uuid4().hex}@example.org"})
        path = f"/user_management/users/{user['id']}/auth_factors"
        for _ in range(2):
            made = self._post(client, path, {"type": "totp"})
            factor, challenge_id = made["factor"], made["challenge"]["id"]
            self.observed.factors[factor["id"]] = user["id"]
            step = authenticator.current_step()
            code = authenticator.code_at(factor["totp"]["secret"], step)
            if self._post(client, f"/auth/challenges/{challenge_id}/verify", {"code": code})["valid"]:
                self.observed.accepted.append(Accepted(factor["id"], challenge_id, step, code))

    def _post(self, client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(path, json=body)
        self.observed.requests += 1
        if answer.status_code != 201:
            self.observed.unexpected.append(f"{path}: {answer.status_code} {answer.text}")
            raise httpx.TransportError("stop this client")
        return fields(answer, 201)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "data")
    started.start()
    yield started
    with contextlib.suppress(ProcessLookupError):
        started.kill()


def run_under_load(server: Server, seconds: float, end: Callable[[], None]) -> Observed:
    """Load the server for a while, stop it with `end`, and return what clients observed."""
    load = Load(server)
    load.start()
    try:
        time.sleep(seconds)
        end()
    finally:
        observed = load.stop()
    return observed


def assert_no_loss(server: Server, observed: Observed) -> None:
    """Check every acknowledged write, through the API and in the database."""
    assert observed.unexpected == []
    with server.client() as client:
        for factor_id, user_id in observed.factors.items():
            assert fields(client.get(f"/auth/factors/{factor_id}"), 200)["user_id"] == user_id
        for accepted in observed.accepted:
            verify = f"/auth/challenges/{accepted.challenge_id}/verify"
            again = client.post(verify, json={"code": accepted.code})
            if again.status_code == 201:  # the same response again, for 30 seconds
                assert again.json()["valid"] is True
            else:
                assert fields(again, 422)["code"] == "authentication_challenge_previously_verified"
            challenge = fields(client.post(f"/auth/factors/{accepted.factor_id}/challenge"), 201)
            repeated = client.post(f"/auth/challenges/{challenge['id']}/verify", json={"code": accepted.code})
            refused = fields(repeated, 201)
            assert refused["valid"] is False
            assert refused["reason"] in REFUSALS
    assert_stored(server, observed)


def assert_stored(server: Server, observed: Observed) -> None:
    with contextlib.closing(database(server)) as connection:
        factors = {
            factor_id: (user_id, last_step, activated_at)
            for factor_id, user_id, last_step, activated_at in connection.execute(
                "SELECT id, user_id, last_step, activated_at FROM factors"
            )
        }
        closed = {
            row[0] for row in connection.execute("SELECT id FROM challenges WHERE verified_at IS NOT NULL")
        }
    assert {factor_id: factors[factor_id][0] for factor_id in observed.factors} == observed.factors
    for accepted in observed.accepted:
        _, last_step, activated_at = factors[accepted.factor_id]
        assert last_step >= accepted.step_or_later - 1
        assert activated_at is not None
        assert accepted.challenge_id in closed


def database(server: Server) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{server.data / 'authfactor.db'}?mode=ro", uri=True, timeout=20)


def assert_consistent(server: Server) -> None:
    """Check that no transaction was applied partially, acknowledged or not."""
    with contextlib.closing(database(server)) as connection:

        def single(statement: str) -> object:
            return connection.execute(statement).fetchone()[0]

        assert single("PRAGMA integrity_check") == "ok"
        orphans = "SELECT count(*) FROM factors WHERE user_id NOT IN (SELECT id FROM users)"
        assert single(orphans) == 0
        without_challenge = "SELECT count(*) FROM factors WHERE id NOT IN (SELECT factor_id FROM challenges)"
        assert single(without_challenge) == 0
        half_spent = (
            "SELECT count(*) FROM factors WHERE (last_step > 0) <>"
            " (id IN (SELECT factor_id FROM challenges WHERE verified_at IS NOT NULL))"
        )
        assert single(half_spent) == 0
        enrolled_events = "SELECT count(*) FROM events WHERE name = 'authfactor.factor_enrolled'"
        assert single(enrolled_events) == single("SELECT count(*) FROM factors")


def kill_repeatedly(data: Path, seed: int, rounds: int) -> tuple[int, int]:
    """Kill a server in many rounds, check each, and count the acknowledged enrollments and codes."""
    chance = random.Random(seed)
    server = Server(data)
    server.start()
    factors, codes = 0, 0
    try:
        for _ in range(rounds):
            observed = run_under_load(server, chance.uniform(0.05, 0.4), server.kill)
            server.start()
            assert_no_loss(server, observed)
            factors += len(observed.factors)
            codes += len(observed.accepted)
        assert_consistent(server)
    except BaseException:
        server.kill()
        raise
    assert server.stop() == 0
    assert_no_surprise(server)
    return factors, codes


def kill_servers_in_parallel(folder: Path, rounds: int) -> None:
    with ThreadPoolExecutor(SERVERS) as pool:
        running = [
            pool.submit(kill_repeatedly, folder / str(number), number, rounds) for number in range(SERVERS)
        ]
        totals = [each.result() for each in running]

    # The load was high enough for the rounds to be meaningful.
    factors, codes = map(sum, zip(*totals, strict=True))
    assert factors > 2 * SERVERS * rounds
    assert codes > 2 * SERVERS * rounds
    print(f"{SERVERS * rounds} kills, {factors} enrollments and {codes} codes kept")  # noqa: T201 - for `make nightly`


@pytest.mark.timeout(400)
def test_fifty_kills_lose_no_acknowledged_write_and_reuse_no_code(
    tmp_path: Path,
) -> None:
    kill_servers_in_parallel(tmp_path, ROUNDS)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_two_hundred_kills_lose_no_acknowledged_write_and_reuse_no_code(tmp_path: Path) -> None:
    kill_servers_in_parallel(tmp_path, NIGHTLY_ROUNDS)


@pytest.mark.timeout(180)
def test_sigterm_under_load_loses_nothing_and_exits_with_0(server: Server) -> None:
    for _ in range(3):
        observed = run_under_load(server, 0.5, lambda: assert_clean_stop(server))
        server.start()
        assert_no_loss(server, observed)
        assert observed.factors

    assert_consistent(server)
    assert server.stop() == 0
    assert_no_surprise(server)


def assert_clean_stop(server: Server) -> None:
    assert server.stop() == 0, server.output()


def test_sigterm_finishes_requests_in_progress(server: Server) -> None:
    """A password takes a moment to hash: the stop arrives meanwhile, and the response is still sent."""
    answers: list[httpx.Response] = []

    def create(number: int) -> None:
        body = {"email": f"kim{number}@example.org", "password": "a long and rare passphrase 7!"}
        with server.client() as client:
            answers.append(client.post("/user_management/users", json=body))

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    # After the first response all eight requests have arrived: two hashes run at a time.
    while not answers:
        time.sleep(0.001)
    code = server.stop()
    for thread in threads:
        thread.join()

    assert code == 0
    assert [answer.status_code for answer in answers] == [201] * 8
    server.start()
    with server.client() as client:
        assert len(fields(client.get("/user_management/users", params={"limit": 100}), 200)["data"]) == 8
