"""Clients that enroll and verify continuously and record what the service acknowledged."""

import asyncio
import json
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from tests.support import authenticator

# The service aims at two seconds; the rest is tolerance for a busy machine.
ANSWER_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Spent:
    """An accepted code."""

    factor_id: str
    secret: str
    step: int
    at: float


@dataclass
class Observed:
    """What clients observed."""

    factors: dict[str, str] = field(default_factory=dict)
    """Factor id to user id, for every acknowledged enrollment."""
    spent: list[Spent] = field(default_factory=list)
    reused: list[Spent] = field(default_factory=list)
    """Codes that were accepted more than once: there must be none."""
    statuses: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    slowest: float = 0.0
    successes: list[tuple[float, float]] = field(default_factory=list)
    """When a write was sent and when its 201 arrived, by the monotonic clock (seconds)."""

    def first_success_after(self, moment: float) -> float | None:
        """Return when the first write sent after `moment` succeeded, or None."""
        return min((answered for sent, answered in self.successes if sent > moment), default=None)


class Refused(Exception):
    """The request did not succeed and may be sent again."""


class Client:
    """A connection to the service, reopened whenever it is lost."""

    def __init__(self, url: str, key: str, observed: Observed) -> None:
        parts = urlsplit(url)
        self._where = (parts.hostname, parts.port)
        self._key = key
        self._observed = observed
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Enroll and verify until `stopping` is set."""
        while not stopping.is_set():
            try:
                await self._life_of_a_factor()
            except Refused:
                await asyncio.sleep(PAUSE_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)
        self.close()

    async def verify_again(self, spent: Spent) -> bool | None:
        """Send a spent code again on a new challenge; return None without a clear outcome."""
        try:
            challenge = await self.post(f"/auth/factors/{spent.factor_id}/challenge", {})
            code = authenticator.code_at(spent.secret, spent.step)
            answer = await self.post(f"/auth/challenges/{challenge['id']}/verify", {"code": code})
        except Refused:
            return None
        return bool(answer["valid"])

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request once. Raises `Refused` for any response but a 201, and for none."""
        sent = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, head, content = await self._exchange(path, body)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            self._observed.statuses[type(error).__name__] += 1
            raise Refused from error
        answered = time.monotonic()
        self._observed.slowest = max(self._observed.slowest, answered - sent)
        self._observed.statuses[str(status)] += 1
        if status == 201:
            self._observed.successes.append((sent, answered))
            return dict(json.loads(content))
        if status != 503 or b"\r\nretry-after: 1\r\n" not in head.lower() or b'"code"' not in content:
            self._observed.unexpected.append(f"{path}: {status} {content[:300]!r}")
        raise Refused

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _life_of_a_factor(self) -> None:
        user = await self.post("/user_management/users", {"email": f"{uuid.uuid4().hex}@example.org"})
        path = f"/user_management/users/{user['id']}/auth_factors"
        made = await self.post(path, {"type": "totp"})
        factor = made["authentication_factor"]
        self._observed.factors[factor["id"]] = user["id"]
        # Of the codes accepted now, the next step's stays valid longest if its use were lost.
        step = authenticator.current_step() + 1
        code = authenticator.code_at(factor["totp"]["secret"], step)
        valid = 0
        for attempt in range(3):
            # Without a response to the first attempt its outcome is unknown; the next attempt shows it.
            try:
                if attempt == 0:
                    challenge = made["authentication_challenge"]
                else:
                    challenge = await self.post(f"/auth/factors/{factor['id']}/challenge", {})
                answer = await self.post(f"/auth/challenges/{challenge['id']}/verify", {"code": code})
            except Refused:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if answer["valid"]:
                valid += 1
                spent = Spent(factor["id"], factor["totp"]["secret"], step, time.monotonic())
                (self._observed.spent if valid == 1 else self._observed.reused).append(spent)
            elif answer["reason"] != "code_already_used":
                self._observed.unexpected.append(f"a right code: {answer['reason']}")

    async def _exchange(self, path: str, body: dict[str, Any]) -> tuple[int, bytes, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._where)
        reader, writer = self._streams
        content = json.dumps(body).encode()
        writer.write(
            f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self._key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode()
            + content
        )
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        answer = await reader.readexactly(int(lengths[0][15:])) if lengths else await reader.read()
        if b"\r\nconnection: close" in head.lower() or not lengths:
            self.close()
        return int(head.split(b" ")[1]), head, answer
