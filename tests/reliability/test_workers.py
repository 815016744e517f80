"""Several worker processes on one database behave as one server."""

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
    made = Server(tmp_path_factory.mktemp("workers") / "data")
    made.start("--workers", "2")
    try:
        yield made
    except BaseException:
        made.kill()
        raise
    assert made.stop() == 0, made.output()
    assert_no_surprise(made)


def test_of_fifty_requests_with_one_code_over_two_processes_exactly_one_is_valid(server: Server) -> None:
    outcomes = asyncio.run(rounds(server, ROUNDS, challenges=10))

    assert [counts["valid"] for counts in outcomes] == [1] * ROUNDS
    assert all(counts.total() == CONNECTIONS for counts in outcomes)


def test_one_idempotency_key_over_two_processes_has_one_effect(server: Server) -> None:
    with server.client() as client:
        body = {"email": f"{uuid.uuid4().hex}@example.org"}
        user = fields(client.post("/user_management/users", json=body), 201)
        path = f"/user_management/users/{user['id']}/auth_factors"
        headers, barrier = {"idempotency-key": str(uuid.uuid4())}, Barrier(16)

        def send(_: int) -> bytes:
            with server.client() as own:
                own.get("/healthz")
                barrier.wait(timeout=30)
                answer = own.post(path, json={"type": "totp"}, headers=headers)
            fields(answer, 201)
            return answer.content

        with ThreadPoolExecutor(16) as pool:
            answers = set(pool.map(send, range(16)))

        assert len(answers) == 1
        assert len(fields(client.get(path), 200)["data"]) == 1


def test_what_one_process_has_answered_every_other_knows(server: Server) -> None:
    for number in range(20):
        with server.client() as client:
            body = {"email": f"{number}.{uuid.uuid4().hex}@example.org"}
            user = fields(client.post("/user_management/users", json=body), 201)
        # Every client is a connection of its own, and any process may take it.
        for _ in range(3):
            with server.client() as client:
                assert fields(client.get(f"/user_management/users/{user['id']}"), 200) == user


def test_a_stop_with_several_processes_ends_with_0_and_the_data_is_there_again(tmp_path: Path) -> None:
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
