"""Several worker processes on one database behave like one server."""

import asyncio
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Final

import pytest

from tests.support.concurrent_requests import CONNECTIONS, rounds
from tests.support.server_process import Server, assert_no_surprise, fields

ROUNDS: Final = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("workers") / "data")
    started.start("--workers", "2")
    try:
        yield started
    except BaseException:
        started.kill()
        raise
    assert started.stop() == 0, started.output()
    assert_no_surprise(started)


def test_one_of_fifty_requests_with_a_code_on_two_workers_is_valid(server: Server) -> None:
    outcomes = asyncio.run(rounds(server, ROUNDS, challenges=10))

    assert [counts["valid"] for counts in outcomes] == [1] * ROUNDS
    assert all(counts.total() == CONNECTIONS for counts in outcomes)


def test_one_idempotency_key_on_two_workers_has_one_effect(server: Server) -> None:
    with server.client() as client:
        body = {"email": f"{uuid.uuid4().hex}@example.org"}
        user = fields(client.post("/user_management/users", json=body), 201)
        path = f"/user_management/users/{user['id']}/auth_factors"
        headers, barrier = {"idempotency-key": str(uuid.uuid4())}, Barrier(16)

        def send(_: int) -> bytes:
            with server.client() as own:
                own.get("/healthz")
                barrier.wait(timeout=30)
                response = own.post(path, json={"type": "totp"}, headers=headers)
            fields(response, 201)
            return response.content

        with ThreadPoolExecutor(16) as pool:
            bodies = set(pool.map(send, range(16)))

        assert len(bodies) == 1
        assert len(fields(client.get(path), 200)["data"]) == 1


def test_a_write_of_one_worker_is_visible_to_the_other(server: Server) -> None:
    for number in range(20):
        with server.client() as client:
            body = {"email": f"{number}.{uuid.uuid4().hex}@example.org"}
            user = fields(client.post("/user_management/users", json=body), 201)
        # Every client is a new connection, which any worker may accept.
        for _ in range(3):
            with server.client() as client:
                assert fields(client.get(f"/user_management/users/{user['id']}"), 200) == user


def test_stopping_two_workers_exits_with_0_and_keeps_the_data(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start("--workers", "2")
    with server.client() as client:
        user = fields(client.post("/user_management/users", json={"email": "kim@example.org"}), 201)
    assert server.stop() == 0, server.output()

    server.start()
    with server.client() as client:
        assert fields(client.get(f"/user_management/users/{user['id']}"), 200) == user
    assert server.stop() == 0
    assert_no_surprise(server)
