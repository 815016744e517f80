"""A server that dies in the middle of writes has kept everything it had answered."""

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
ROUNDS: Final = 25  # of each server; starting is most of a round, and two may start side by side
NIGHTLY_ROUNDS: Final = 100
# Refusals that mean "this code is spent or too old", by status and code or reason.
REFUSALS: Final = {"code_already_used", "clock_drift", "code_mismatch"}


@dataclass(frozen=True)
class Accepted:
    """A code that a server has answered `valid: true` to."""

    factor_id: str
    challenge_id: str
    step_or_later: int
    code: str


@dataclass
class Promises:
    """What clients were told before the server died, and every answer that was no success."""

    factors: dict[str, str] = field(default_factory=dict)
    """Factor id to user id, for every enrolment answered 201."""
    accepted: list[Accepted] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    requests: int = 0


class Load:
    """Clients that enrol and verify as fast as they can until the server is gone."""

    def __init__(self, server: Server) -> None:
        self.promises = Promises()
        self._server = server
        self._stopping = threading.Event()
        self._connected = threading.Barrier(THREADS + 1)
        self._threads = [threading.Thread(target=self._client) for _ in range(THREADS)]

    def start(self) -> None:
        """Return when every client is connected and begins to write."""
        for thread in self._threads:
            thread.start()
        self._connected.wait(timeout=60)

    def stop(self) -> Promises:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        return self.promises

    def _client(self) -> None:
        # A connection that breaks is what this is about: no answer is no promise.
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
            self.promises.factors[factor["id"]] = user["id"]
            step = authenticator.current_step()
            code = authenticator.code_at(factor["totp"]["secret"], step)
            if self._post(client, f"/auth/challenges/{challenge_id}/verify", {"code": code})["valid"]:
                self.promises.accepted.append(Accepted(factor["id"], challenge_id, step, code))

    def _post(self, client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(path, json=body)
        self.promises.requests += 1
        if answer.status_code != 201:
            self.promises.strange.append(f"{path}: {answer.status_code} {answer.text}")
            raise httpx.TransportError("stop this client")
        return fields(answer, 201)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "data")
    made.start()
    yield made
    with contextlib.suppress(ProcessLookupError):
        made.kill()


def under_load(server: Server, seconds: float, end: Callable[[], None]) -> Promises:
    """Load the server for a while, end it by `end`, and return what clients were told."""
    load = Load(server)
    load.start()
    try:
        time.sleep(seconds)
        end()
    finally:
        promises = load.stop()
    return promises


def assert_kept(server: Server, promises: Promises) -> None:
    """Check every promise: through the API and in the database itself."""
    assert promises.strange == []
    with server.client() as client:
        for factor_id, user_id in promises.factors.items():
            assert fields(client.get(f"/auth/factors/{factor_id}"), 200)["user_id"] == user_id
        for accepted in promises.accepted:
            spent = fields(
                client.post(f"/auth/challenges/{accepted.challenge_id}/verify", json={"code": accepted.code}),
                422,
            )
            assert spent["code"] == "authentication_challenge_previously_verified"
            challenge = fields(client.post(f"/auth/factors/{accepted.factor_id}/challenge"), 201)
            again = client.post(f"/auth/challenges/{challenge['id']}/verify", json={"code": accepted.code})
            refused = fields(again, 201)
            assert refused["valid"] is False
            assert refused["reason"] in REFUSALS
    assert_stored(server, promises)


def assert_stored(server: Server, promises: Promises) -> None:
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
    assert {factor_id: factors[factor_id][0] for factor_id in promises.factors} == promises.factors
    for accepted in promises.accepted:
        _, last_step, activated_at = factors[accepted.factor_id]
        assert last_step >= accepted.step_or_later - 1
        assert activated_at is not None
        assert accepted.challenge_id in closed


def database(server: Server) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{server.data / 'authfactor.db'}?mode=ro", uri=True, timeout=20)


def assert_whole(server: Server) -> None:
    """Check that no transaction is half there, whatever was answered."""
    with contextlib.closing(database(server)) as connection:

        def single(statement: str) -> object:
            return connection.execute(statement).fetchone()[0]

        assert single("PRAGMA integrity_check") == "ok"
        orphans = "SELECT count(*) FROM factors WHERE user_id NOT IN (SELECT id FROM users)"
        assert single(orphans) == 0
        unasked = "SELECT count(*) FROM factors WHERE id NOT IN (SELECT factor_id FROM challenges)"
        assert single(unasked) == 0
        half_spent = (
            "SELECT count(*) FROM factors WHERE (last_step > 0) <>"
            " (id IN (SELECT factor_id FROM challenges WHERE verified_at IS NOT NULL))"
        )
        assert single(half_spent) == 0
        told = "SELECT count(*) FROM events WHERE name = 'authfactor.factor_enrolled'"
        assert single(told) == single("SELECT count(*) FROM factors")


def die_and_return(data: Path, seed: int, rounds: int) -> tuple[int, int]:
    """Kill a server in many rounds, check each, and return how many promises it had made and kept."""
    chance = random.Random(seed)
    server = Server(data)
    server.start()
    factors, codes = 0, 0
    try:
        for _ in range(rounds):
            promises = under_load(server, chance.uniform(0.05, 0.4), server.kill)
            server.start()
            assert_kept(server, promises)
            factors += len(promises.factors)
            codes += len(promises.accepted)
        assert_whole(server)
    except BaseException:
        server.kill()
        raise
    assert server.stop() == 0
    assert_no_surprise(server)
    return factors, codes


def die_side_by_side(folder: Path, rounds: int) -> None:
    with ThreadPoolExecutor(SERVERS) as pool:
        dying = [
            pool.submit(die_and_return, folder / str(number), number, rounds) for number in range(SERVERS)
        ]
        kept = [each.result() for each in dying]

    # Enough happened for the rounds to mean something.
    factors, codes = map(sum, zip(*kept, strict=True))
    assert factors > 2 * SERVERS * rounds
    assert codes > 2 * SERVERS * rounds
    print(f"{SERVERS * rounds} kills, {factors} enrolments and {codes} codes kept")  # noqa: T201 - for `make nightly`


@pytest.mark.timeout(400)
def test_kill_9_during_writes_loses_nothing_that_was_answered_and_no_code_is_good_twice(
    tmp_path: Path,
) -> None:
    die_side_by_side(tmp_path, ROUNDS)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_two_hundred_kills_lose_nothing_that_was_answered_and_no_code_is_good_twice(tmp_path: Path) -> None:
    die_side_by_side(tmp_path, NIGHTLY_ROUNDS)


@pytest.mark.timeout(180)
def test_sigterm_under_load_answers_what_was_begun_loses_nothing_and_exits_with_0(server: Server) -> None:
    for _ in range(3):
        promises = under_load(server, 0.5, lambda: stopped_well(server))
        server.start()
        assert_kept(server, promises)
        assert promises.factors

    assert_whole(server)
    assert server.stop() == 0
    assert_no_surprise(server)


def stopped_well(server: Server) -> None:
    assert server.stop() == 0, server.output()


def test_sigterm_finishes_the_request_that_is_under_way(server: Server) -> None:
    """A password takes a moment to hash: the stop comes in between, the answer still arrives."""
    answers: list[httpx.Response] = []

    def create(number: int) -> None:
        body = {"email": f"kim{number}@example.org", "password": "a long and rare passphrase 7!"}
        with server.client() as client:
            answers.append(client.post("/user_management/users", json=body))

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    # All eight have been sent once the first is answered: two hashes run at a time.
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
