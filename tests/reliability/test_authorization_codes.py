"""An authorization code gives one session: over two servers with two workers each, and across kill -9."""

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.models.hosted_sign_in import AuthenticationProof, FlowRequest
from authfactor.rules.authentication.step_up import password_mark
from authfactor.rules.unit import Scope
from authfactor.settings import Settings
from authfactor.store import Tx, migrations
from authfactor.wire.requests import CreateUser
from tests.support.concurrent_requests import Connection
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import CLIENT_ID, Server, assert_no_surprise

REQUESTS: Final = 50
ROUNDS: Final = 5
AUTHENTICATE: Final = "/user_management/authenticate"
VERIFIER: Final = "v" * 43
CHALLENGE: Final = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


async def codes_of(settings: Settings, count: int) -> list[str]:
    """Make codes beside the running servers, as their pages do."""
    af = await Authfactor.open(settings, profile=passwords.CHEAPEST, create=False)
    try:
        environment = await af.read(lambda tx: tx.environments.by_client_id(CLIENT_ID))
        assert environment is not None
        codes = []
        for number in range(count):
            body = CreateUser(email=f"kim{number}@example.org")
            user = await af.run(await af.users.prepare_create(environment, body))
            now = af.clock()
            proof = AuthenticationProof(user.id, password_mark(None), "password", "pwd", now)

            async def issue(tx: Tx, proof: AuthenticationProof = proof, now: int = now) -> str:
                scope = Scope(tx, environment, now)
                renewed = await af.browser_sessions.authenticated(scope, None, proof)
                asked = FlowRequest("https://app.example.org/", code_challenge=CHALLENGE)
                return await af.authorization_codes.issue(scope, asked, proof, renewed.session)

            codes.append((await af.run(issue)).rpartition("code=")[2])
        return codes
    finally:
        await af.close()


def body_of(code: str, verifier: str = VERIFIER) -> dict[str, Any]:
    return {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": code,
        "code_verifier": verifier,
    }


async def sessions(settings: Settings) -> int:
    af = await Authfactor.open(settings, create=False)
    try:
        rows = await af.read(lambda tx: tx.db.all("SELECT count(*) FROM sessions WHERE ended_at IS NULL"))
        return int(rows[0][0])
    finally:
        await af.close()


@pytest.fixture
def cluster(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[tuple[list[Server], Settings]]:
    name = postgres_server.create_database()
    postgres_server.sql(migrations.script("postgresql"), name)
    url, keys = postgres_server.url(name), tmp_path / "keys"
    variables = {
        "AUTHFACTOR_DATABASE_URL": url,
        "AUTHFACTOR_KEYS": str(keys),
        "AUTHFACTOR_POOL_WAIT": "20000",
    }
    servers = [Server(tmp_path / str(number), variables) for number in range(2)]
    started: list[Server] = []
    try:
        for server in servers:
            server.start("--workers", "2")
            started.append(server)
        yield servers, Settings(data=tmp_path, database_url=url, keys=str(keys), pool_wait=20_000)
    finally:
        for server in started:
            assert server.stop() == 0, server.output()
            assert_no_surprise(server)


def test_one_of_fifty_concurrent_requests_gets_the_session(cluster: tuple[list[Server], Settings]) -> None:
    servers, settings = cluster

    async def race(code: str) -> list[int]:
        connections = [await Connection.open(servers[number % 2]) for number in range(REQUESTS)]
        try:
            sent = (each.post(AUTHENTICATE, body_of(code)) for each in connections)
            return sorted(status for status, _ in await asyncio.gather(*sent))
        finally:
            for each in connections:
                await each.close()

    async def run() -> list[list[int]]:
        return [await race(code) for code in await codes_of(settings, ROUNDS)]

    assert asyncio.run(run()) == [[200] + [400] * 49] * ROUNDS
    assert asyncio.run(sessions(settings)) == ROUNDS


def test_code_that_was_used_before_kill_9_is_not_used_after_it(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    settings = Settings(data=tmp_path / "data")
    server.start()
    server.kill()
    codes = asyncio.run(codes_of(settings, ROUNDS))
    for number, code in enumerate(codes):
        server.start()
        with httpx.Client(base_url=server.url) as client:
            assert client.post(AUTHENTICATE, json=body_of(code)).status_code == 200
            server.kill()
        server.start()
        with httpx.Client(base_url=server.url) as client:
            again = client.post(AUTHENTICATE, json=body_of(code))
            assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
            if number == 0:
                # Also the revocation by a second use in wrong hands outlives the kill.
                client.post(AUTHENTICATE, json=body_of(code, "w" * 43))
        server.kill()
    assert asyncio.run(sessions(settings)) == ROUNDS - 1
    # The refusal names the code to who sent it; the log does not.
    assert not [secret for secret in (*codes, VERIFIER) if secret in server.output()]


def test_request_line_of_more_than_16_kilobytes_is_accepted(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    with httpx.Client(base_url=server.url) as client:
        response = client.get(
            "/user_management/authorize",
            params={
                "client_id": CLIENT_ID,
                "redirect_uri": "http://localhost:3000/callback",
                "response_type": "code",
                "provider": "authkit",
                "state": "x" * 40_000,
            },
        )
        assert response.status_code == 302
        assert response.headers["location"].startswith("/sign-in/")
    assert server.stop() == 0
