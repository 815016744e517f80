"""Clients that enroll and verify until they are stopped, regardless of errors."""

import contextlib
import threading
import uuid
from collections import Counter
from typing import Any, Final, Self

import httpx

from tests.support import authenticator
from tests.support.fault_invariants import Acknowledged
from tests.support.server_process import Server

THREADS: Final = 8


class Clients:
    """A few client threads; `acknowledged` holds acknowledged writes, `answers` counts every status."""

    def __init__(self, server: Server) -> None:
        self.acknowledged = Acknowledged()
        self.answers: Counter[int] = Counter()
        self._server = server
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(THREADS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Neither a missing response nor a 503 acknowledges a write.
            with contextlib.suppress(httpx.TransportError), self._server.client() as client:
                while not self._stopping.is_set() and self._once(client):
                    pass
            self._stopping.wait(0.02)

    def _once(self, client: httpx.Client) -> bool:
        user = self._post(client, "/user_management/users", {"email": f"{uuid.uuid4().hex}@example.org"})
        if user is None:
            return False
        made = self._post(client, f"/user_management/users/{user['id']}/auth_factors", {"type": "totp"})
        if made is None:
            return False
        factor, challenge_id = made["factor"], made["challenge"]["id"]
        self.acknowledged.factors[factor["id"]] = user["id"]
        step = authenticator.current_step()
        code = authenticator.code_at(factor["totp"]["secret"], step)
        answer = self._post(client, f"/auth/challenges/{challenge_id}/verify", {"code": code})
        if answer is not None and answer["valid"]:
            self.acknowledged.accepted.append((factor["id"], challenge_id, step))
        return answer is not None

    def _post(self, client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        answer = client.post(path, json=body)
        self.answers[answer.status_code] += 1
        made: dict[str, Any] | None = answer.json() if answer.status_code == 201 else None
        return made
