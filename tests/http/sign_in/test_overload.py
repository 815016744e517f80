"""More sign-ins than the hashing queue holds: the excess gets 503 with Retry-After; codes still verify."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from authfactor.rules.authentication.hashing_pool import HashingCaller, HashingPool
from tests.support import authenticator
from tests.support.application import AUTHENTICATE
from tests.support.server_process import API_KEY, CLIENT_ID, Server, fields, running

SIGN_INS = 24


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority per thread")
async def test_hashing_threads_run_at_lower_priority() -> None:
    pool = HashingPool("test", 1, 1)
    main_priority = os.getpriority(os.PRIO_PROCESS, 0)
    hashing_priority = await pool.run(HashingCaller(1, ""), 1, lambda: os.getpriority(os.PRIO_PROCESS, 0))
    pool.close()
    assert hashing_priority == min(main_priority + 10, 19)
    assert os.getpriority(os.PRIO_PROCESS, 0) == main_priority


@pytest.fixture
def small_server(tmp_path: Path) -> Iterator[Server]:
    settings = {"AUTHFACTOR_PASSWORD_THREADS": "1", "AUTHFACTOR_PASSWORD_QUEUE": "1"}
    with running(tmp_path / "data", settings) as server:
        yield server


def test_full_hashing_queue_responds_503_and_codes_still_verify(small_server: Server) -> None:
    def sign_in(number: int) -> httpx.Response:
        body = {
            "grant_type": "password",
            "client_id": CLIENT_ID,
            "client_secret": API_KEY,
            "email": f"unknown{number}@example.org",
            "password": "seven green bottles",
        }
        with small_server.client(key=None) as client:
            return client.post(AUTHENTICATE, json=body)

    with small_server.client() as api, ThreadPoolExecutor(SIGN_INS) as threads:
        user = fields(api.post("/user_management/users", json={"email": "kim@example.org"}), 201)
        path = f"/user_management/users/{user['id']}/auth_factors"
        enrolled = fields(api.post(path, json={"type": "totp"}), 201)
        sign_ins = [threads.submit(sign_in, number) for number in range(SIGN_INS)]
        code = authenticator.code(enrolled["factor"]["totp"]["secret"])
        verified = api.post(f"/auth/challenges/{enrolled['challenge']['id']}/verify", json={"code": code})
        responses = [sign_in_future.result() for sign_in_future in sign_ins]

    assert fields(verified, 201)["valid"] is True
    refused = [response for response in responses if response.status_code == 503]
    assert refused
    for response in refused:
        body = fields(response, 503)
        assert response.headers["retry-after"] == "1"
        assert body["code"] == "service_unavailable"
        assert "error" not in body
    served = [response for response in responses if response.status_code != 503]
    assert served
    assert {response.json()["code"] for response in served} == {"invalid_credentials"}
