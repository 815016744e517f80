"""One code in fifty concurrent requests: exactly one challenge is verified."""

import asyncio
import uuid
from typing import Final

import pytest

from tests.support import authenticator
from tests.support.concurrent_requests import CONNECTIONS, rounds
from tests.support.server_process import Server, fields

ROUNDS: Final = 100  # for each number of challenges


@pytest.mark.timeout(180)
@pytest.mark.parametrize("challenges", [1, 10], ids=["one challenge", "ten challenges"])
def test_one_of_fifty_concurrent_uses_of_a_code_is_valid(server: Server, challenges: int) -> None:
    outcomes = asyncio.run(rounds(server, ROUNDS, challenges))

    assert [counts["valid"] for counts in outcomes] == [1] * ROUNDS
    assert all(counts.total() == CONNECTIONS for counts in outcomes)


def test_users_with_the_same_secret_use_the_code_independently(server: Server) -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    code = {"code": authenticator.code(secret)}
    with server.client() as api:
        for _ in range(2):
            email = {"email": f"{uuid.uuid4().hex}@example.org"}
            user = fields(api.post("/user_management/users", json=email), 201)
            path = f"/user_management/users/{user['id']}/auth_factors"
            made = fields(api.post(path, json={"type": "totp", "totp_secret": secret}), 201)
            verify = f"/auth/challenges/{made['challenge']['id']}/verify"
            assert fields(api.post(verify, json=code), 201)["valid"] is True
