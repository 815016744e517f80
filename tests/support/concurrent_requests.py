"""Many concurrent requests with one code, over connections that are already open."""

import asyncio
import json
import uuid
from collections import Counter
from typing import Any, Final

from tests.support import authenticator
from tests.support.server_process import API_KEY, Server

CONNECTIONS: Final = 50


class Connection:
    """A persistent connection that sends requests as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, server: Server) -> "Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    async def post(self, path: str, body: dict[str, Any], key: str = "") -> tuple[int, dict[str, Any]]:
        """Send a request, with an `Idempotency-Key` if one is given."""
        content = json.dumps(body).encode()
        more = f"idempotency-key: {key}\r\n" if key else ""
        head = (
            f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n"
            f"content-type: application/json\r\n{more}content-length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        length = next(int(line[16:]) for line in answer if line.startswith(b"content-length: "))
        return int(answer[0].split(b" ")[1]), json.loads(await self._reader.readexactly(length))

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def enroll(connection: Connection) -> tuple[str, str, str]:
    """Create a user with a factor; return the factor's id, its secret and its challenge's id."""
    email = f"kim.{uuid.uuid4().hex}@example.org"
    _, user = await connection.post("/user_management/users", {"email": email})
    status, made = await connection.post(
        f"/user_management/users/{user['id']}/auth_factors", {"type": "totp"}
    )
    assert status == 201, made
    factor = made["factor"]
    return factor["id"], factor["totp"]["secret"], made["challenge"]["id"]


async def race(connections: list[Connection], challenge_ids: list[str], code: str) -> Counter[str]:
    """Send the code on all connections concurrently, cycling through the challenges; count the outcomes.

    A challenge is `valid` once; the same response to the same challenge and code again is `repeated`.
    """
    answers = await asyncio.gather(
        *(
            connection.post(
                f"/auth/challenges/{challenge_ids[at % len(challenge_ids)]}/verify", {"code": code}
            )
            for at, connection in enumerate(connections)
        )
    )
    counts = Counter(outcome(status, body) for status, body in answers)
    verified = {json.dumps(body) for status, body in answers if outcome(status, body) == "valid"}
    counts["repeated"] = counts["valid"] - len(verified)
    counts["valid"] = len(verified)
    return counts


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


async def rounds(server: Server, number: int, challenges: int) -> list[Counter[str]]:
    """Run `number` races, each for a new factor's code over this many challenges; return their outcomes."""
    connections = [await Connection.open(server) for _ in range(CONNECTIONS)]
    try:
        outcomes = []
        for _ in range(number):
            factor_id, secret, challenge_id = await enroll(connections[0])
            path = f"/auth/factors/{factor_id}/challenge"
            more = await asyncio.gather(*(connections[at].post(path, {}) for at in range(1, challenges)))
            ids = [challenge_id, *(challenge["id"] for _, challenge in more)]
            outcomes.append(await race(connections, ids, authenticator.code(secret)))
        return outcomes
    finally:
        for connection in connections:
            await connection.close()
