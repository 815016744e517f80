"""One code, fifty requests at the same moment: exactly one of them is told that it is valid."""

import asyncio
from typing import Final

import httpx
import pytest

from tests.support import authenticator
from tests.support.concurrent_requests import CONNECTIONS, rounds
from tests.support.server_process import Server, fields

ROUNDS: Final = 100  # for each way to spread the requests


@pytest.mark.timeout(180)
@pytest.mark.parametrize("challenges", [1, 10], ids=["one challenge", "ten challenges"])
def test_of_fifty_simultaneous_requests_with_one_code_exactly_one_is_valid(
    server: Server, challenges: int
) -> None:
    outcomes = asyncio.run(rounds(server, ROUNDS, challenges))

    assert [counts["valid"] for counts in outcomes] == [1] * ROUNDS
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
