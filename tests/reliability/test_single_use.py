"""Single-use guarantees over two servers with two workers each on one PostgreSQL."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from authfactor.store import migrations
from tests.support import authenticator, concurrent_requests
from tests.support.concurrent_requests import Connection
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import API_KEY, CLIENT_ID, Server, assert_no_surprise

REQUESTS: Final = 64
PASSWORD: Final = "seven green bottles"
SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ROUNDS: Final = pytest.mark.parametrize(
    "rounds", [15, pytest.param(200, marks=[pytest.mark.cluster, pytest.mark.timeout(600)])]
)


@pytest.fixture(scope="module")
def servers(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    folder = tmp_path_factory.mktemp("one-use")
    name = postgres_server.create_database()
    postgres_server.sql(migrations.script("postgresql"), name)
    settings = {
        "AUTHFACTOR_DATABASE_URL": postgres_server.url(name),
        "AUTHFACTOR_KEYS": str(folder / "keys"),
        # No time limit on connections, which other tests cover: a busy machine must not fail this one.
        "AUTHFACTOR_POOL_WAIT": "20000",
        # For four workers, as many connections as this PostgreSQL allows.
        "AUTHFACTOR_POOL_SIZE": "20",
    }
    created = [Server(folder / str(number), settings) for number in range(2)]
    started: list[Server] = []
    try:
        for server in created:
            server.start("--workers", "2")
            started.append(server)
        yield created
    except BaseException:
        for server in started:
            server.kill()
        raise
    for server in created:
        assert server.stop() == 0, server.output()
        assert_no_surprise(server)


@asynccontextmanager
async def connected(servers: list[Server], count: int = REQUESTS) -> AsyncIterator[list[Connection]]:
    connections = [await Connection.open(servers[number % len(servers)]) for number in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            await connection.close()


@ROUNDS
def test_one_of_64_concurrent_requests_with_a_code_is_valid(servers: list[Server], rounds: int) -> None:
    async def run() -> list[Counter[str]]:
        async with connected(servers) as connections:
            outcomes = []
            for number in range(rounds):
                factor_id, secret, challenge_id = await concurrent_requests.enroll(connections[0])
                # One challenge for all requests, or one for every four: a challenge allows five attempts.
                path = f"/auth/factors/{factor_id}/challenge"
                more = range(0 if number % 2 else REQUESTS // 4)
                opened = await asyncio.gather(*(connections[at].post(path, {}) for at in more))
                ids = [challenge["id"] for _, challenge in opened] or [challenge_id]
                outcomes.append(await concurrent_requests.race(connections, ids, authenticator.code(secret)))
            return outcomes

    outcomes = asyncio.run(run())
    assert [counts["valid"] for counts in outcomes] == [1] * rounds
    assert all(counts.total() == REQUESTS for counts in outcomes)


@ROUNDS
def test_64_enrollments_with_one_idempotency_key_make_one_factor(servers: list[Server], rounds: int) -> None:
    async def run() -> list[tuple[int, int]]:
        found = []
        for _ in range(rounds):
            async with connected(servers) as connections:
                email = f"kim.{uuid.uuid4().hex}@example.org"
                _, user = await connections[0].post("/user_management/users", {"email": email})
                path, key = f"/user_management/users/{user['id']}/auth_factors", str(uuid.uuid4())
                answers = await asyncio.gather(
                    *(connection.post(path, {"type": "totp"}, key) for connection in connections)
                )
                assert {status for status, _ in answers} == {201}
                ids = {body["authentication_factor"]["id"] for _, body in answers}
                found.append((len({repr(body) for _, body in answers}), len(ids)))
            await _assert_only_factor(servers[1], user["id"], ids)
        return found

    assert asyncio.run(run()) == [(1, 1)] * rounds


@ROUNDS
def test_one_of_64_uses_of_a_pending_token_signs_in(servers: list[Server], rounds: int) -> None:
    async def run() -> list[tuple[set[int], int]]:
        found = []
        for _ in range(rounds):
            async with connected(servers, 1) as connections:
                grant = await _start_sign_in(connections[0])
            async with connected(servers) as connections:
                answers = await asyncio.gather(
                    *(connection.post("/user_management/authenticate", grant) for connection in connections)
                )
            tokens = {body.get("refresh_token") for _, body in answers}
            found.append(({status for status, _ in answers}, len(tokens)))
        return found

    # One session: to the same request, the same response.
    assert asyncio.run(run()) == [({200}, 1)] * rounds


async def _start_sign_in(connection: Connection) -> dict[str, Any]:
    """Sign a new user in up to the second step and return the grant that completes it."""
    email = f"kim.{uuid.uuid4().hex}@example.org"
    status, user = await connection.post("/user_management/users", {"email": email, "password": PASSWORD})
    assert status == 201, user
    path = f"/user_management/users/{user['id']}/auth_factors"
    await connection.post(path, {"type": "totp", "totp_secret": SECRET})
    client = {"client_id": CLIENT_ID, "client_secret": API_KEY}
    status, pending = await connection.post(
        "/user_management/authenticate",
        {**client, "grant_type": "password", "email": email, "password": PASSWORD},
    )
    assert status == 403, pending
    return {
        **client,
        "grant_type": "urn:workos:oauth:grant-type:mfa-totp",
        "code": authenticator.code(SECRET),
        "pending_authentication_token": pending["pending_authentication_token"],
        "authentication_challenge_id": pending["authentication_challenge"]["id"],
    }


async def _assert_only_factor(server: Server, user_id: str, ids: set[str]) -> None:
    def listed() -> set[str]:
        with server.client() as client:
            page = client.get(f"/user_management/users/{user_id}/auth_factors").json()["data"]
        return {factor["id"] for factor in page}

    assert await asyncio.to_thread(listed) == ids
