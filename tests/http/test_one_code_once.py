"""One code, fifty requests at the same moment: exactly one of them is told that it is valid."""

import asyncio
import json
import uuid
from collections import Counter
from typing import Any, Final

import httpx
import pytest

from tests import authenticator
from tests.servers import API_KEY, Server, fields

CONNECTIONS: Final = 50
ROUNDS: Final = 200


class Connection:
    """One kept-open connection that sends requests as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, server: Server) -> "Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        length = next(int(line[16:]) for line in answer if line.startswith(b"content-length: "))
        return int(answer[0].split(b" ")[1]), json.loads(await self._reader.readexactly(length))

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def enroll(connection: Connection) -> tuple[str, str, str]:
    """Make a user with a factor; return the factor's id, its secret and its challenge's id."""
    email = f"kim.{uuid.uuid4().hex}@example.org"
    _, user = await connection.post("/user_management/users", {"email": email})
    status, made = await connection.post(
        f"/user_management/users/{user['id']}/auth_factors", {"type": "totp"}
    )
    assert status == 201, made
    factor = made["factor"]
    return factor["id"], factor["totp"]["secret"], made["challenge"]["id"]


async def race(connections: list[Connection], challenge_ids: list[str], code: str) -> Counter[str]:
    """Send the code on all connections at once, over these challenges in turn, and count the outcomes."""
    answers = await asyncio.gather(
        *(
            connection.post(
                f"/auth/challenges/{challenge_ids[at % len(challenge_ids)]}/verify", {"code": code}
            )
            for at, connection in enumerate(connections)
        )
    )
    return Counter(outcome(status, body) for status, body in answers)


def outcome(status: int, body: dict[str, Any]) -> str:
    if status == 201 and body["valid"]:
        return "valid"
    allowed = {
        (201, "code_already_used"),
        (422, "authentication_challenge_previously_verified"),
        (400, "one_time_code_too_many_attempts"),
    }
    reason = body.get("reason") or body["code"]
    assert (status, reason) in allowed, body
    return str(reason)


async def rounds(server: Server, challenges: int) -> list[Counter[str]]:
    connections = [await Connection.open(server) for _ in range(CONNECTIONS)]
    try:
        outcomes = []
        for _ in range(ROUNDS // 2):
            factor_id, secret, challenge_id = await enroll(connections[0])
            path = f"/auth/factors/{factor_id}/challenge"
            more = await asyncio.gather(*(connections[at].post(path, {}) for at in range(1, challenges)))
            ids = [challenge_id, *(challenge["id"] for _, challenge in more)]
            outcomes.append(await race(connections, ids, authenticator.code(secret)))
        return outcomes
    finally:
        for connection in connections:
            await connection.close()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("challenges", [1, 10], ids=["one challenge", "ten challenges"])
def test_of_fifty_simultaneous_requests_with_one_code_exactly_one_is_valid(
    server: Server, challenges: int
) -> None:
    outcomes = asyncio.run(rounds(server, challenges))

    assert [counts["valid"] for counts in outcomes] == [1] * (ROUNDS // 2)
    assert all(counts.total() == CONNECTIONS for counts in outcomes)


def test_two_factors_with_the_same_secret_spend_their_own_codes(api: httpx.Client, factors_path: str) -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    made = [
        fields(api.post(factors_path, json={"type": "totp", "totp_secret": secret}), 201) for _ in range(2)
    ]
    code = {"code": authenticator.code(secret)}

    answers = [
        fields(api.post(f"/auth/challenges/{item['challenge']['id']}/verify", json=code), 201)
        for item in made
    ]

    assert [answer["valid"] for answer in answers] == [True, True]
