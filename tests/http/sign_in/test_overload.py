"""More sign-ins than the server may hash for: the rest are sent away for a second, and codes go on."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from authfactor.crypto import passwords
from authfactor.rules.authentication.password_hashing import PasswordHasher
from authfactor.settings import Settings
from tests.support import authenticator
from tests.support.application import AUTHENTICATE
from tests.support.server_process import API_KEY, CLIENT_ID, Server, fields, running

MANY = 24


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
async def test_hashing_gives_way_to_everything_else() -> None:
    hasher = PasswordHasher(os.urandom, Settings(), passwords.CHEAPEST)
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    theirs = await hasher._run(lambda: os.getpriority(os.PRIO_PROCESS, 0))
    hasher.close()
    assert theirs == min(ours + 10, 19)
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Server]:
    settings = {"AUTHFACTOR_PASSWORD_THREADS": "1", "AUTHFACTOR_PASSWORD_QUEUE": "1"}
    with running(tmp_path / "data", settings) as server:
        yield server


def test_a_full_queue_says_when_to_come_back_and_keeps_verifying(narrow: Server) -> None:
    def attempt(number: int) -> httpx.Response:
        body = {
            "grant_type": "password",
            "client_id": CLIENT_ID,
            "client_secret": API_KEY,
            "email": f"nobody{number}@example.org",
            "password": "seven green bottles",
        }
        with narrow.client(key=None) as client:
            return client.post(AUTHENTICATE, json=body)

    with narrow.client() as api, ThreadPoolExecutor(MANY) as threads:
        user = fields(api.post("/user_management/users", json={"email": "kim@example.org"}), 201)
        path = f"/user_management/users/{user['id']}/auth_factors"
        enrolled = fields(api.post(path, json={"type": "totp"}), 201)
        pending = [threads.submit(attempt, number) for number in range(MANY)]
        code = authenticator.code(enrolled["factor"]["totp"]["secret"])
        verified = api.post(f"/auth/challenges/{enrolled['challenge']['id']}/verify", json={"code": code})
        answers = [attempted.result() for attempted in pending]

    assert fields(verified, 201)["valid"] is True
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    for answer in refused:
        body = fields(answer, 503)
        assert answer.headers["retry-after"] == "1"
        assert body["code"] == "service_unavailable"
        assert "error" not in body
    served = [answer for answer in answers if answer.status_code != 503]
    assert served
    assert {answer.json()["code"] for answer in served} == {"invalid_credentials"}
