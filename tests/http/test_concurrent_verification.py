"""One code in fifty concurrent requests: exactly one response is `valid`."""

import asyncio
from typing import Final

import httpx
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


def test_factors_with_the_same_secret_accept_the_code_independently(
    api: httpx.Client, factors_path: str
) -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    created = [
        fields(api.post(factors_path, json={"type": "totp", "totp_secret": secret}), 201) for _ in range(2)
    ]
    code = {"code": authenticator.code(secret)}

    responses = [
        fields(api.post(f"/auth/challenges/{item['challenge']['id']}/verify", json=code), 201)
        for item in created
    ]

    assert [response["valid"] for response in responses] == [True, True]
