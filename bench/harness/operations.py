"""The operations under load: each prepares its requests from a stock and records what was used up."""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from harness import totp
from harness.stock import FACTORS_PER_USER, Stock
from harness.wrk import Call

SLACK_SECONDS = 2.0


def nothing(_issued: int) -> None:
    """Record nothing, for an operation that uses nothing up."""


@dataclass(frozen=True)
class Prepared:
    """Requests ready to be sent.

    `once`: each request can succeed only once. `expect`: text that a right response contains. `settle` takes
    the number of requests that were issued, in order.
    """

    calls: list[Call]
    once: bool = False
    expect: str = "-"
    settle: Callable[[int], None] = nothing


Prepare = Callable[[Stock, int, int], Prepared]
"""(stock, maximum number of requests, seconds of the run) -> requests."""


def enroll(stock: Stock, count: int, _seconds: int) -> Prepared:
    """Enroll factors, secret and picture made by the server, no user twice in a row."""
    stock.reserve_vacancies(count)
    body = json.dumps({"type": "totp"})
    calls = [
        Call("POST", f"/user_management/users/{user}/auth_factors", body) for user in stock.vacancies[:count]
    ]

    def settle(issued: int) -> None:
        del stock.vacancies[:issued]

    return Prepared(calls, once=True, settle=settle)


def create(_stock: Stock, count: int, _seconds: int) -> Prepared:
    """Create users without a password."""
    run = secrets.token_hex(6)
    emails = (f"{run}-{number}@bench.example" for number in range(count))
    calls = [Call("POST", "/user_management/users", json.dumps({"email": email})) for email in emails]
    return Prepared(calls, once=True)


def challenge(stock: Stock, _count: int, _seconds: int) -> Prepared:
    """Challenge the factors one after the other."""
    return Prepared([Call("POST", f"/auth/factors/{factor.id}/challenge", "{}") for factor in stock.factors])


def verify(stock: Stock, count: int, seconds: int) -> Prepared:
    """Verify open challenges with right, unused codes.

    The codes are computed last, in a step that outlasts the run, so that both of a factor stay valid.
    """
    challenges = stock.open_challenges(count)
    left = totp.PERIOD - time.time() % totp.PERIOD
    if left < seconds + SLACK_SECONDS:
        time.sleep(left + 0.01)
    now_step = int(time.time()) // totp.PERIOD
    last = {id(opened.factor): opened.factor.last_step for opened in challenges}
    calls, spent = [], []
    for opened in challenges:
        step = max(last[id(opened.factor)] + 1, now_step)
        last[id(opened.factor)] = step
        body = json.dumps({"code": totp.code(opened.factor.secret, step)})
        calls.append(Call("POST", f"/auth/challenges/{opened.id}/verify", body))
        spent.append((opened.factor, step))

    def settle(issued: int) -> None:
        for factor, step in spent[:issued]:
            factor.last_step = step

    return Prepared(calls, once=True, expect='"valid":true', settle=settle)


def get(stock: Stock, _count: int, _seconds: int) -> Prepared:
    """Get the factors one after the other."""
    return Prepared([Call("GET", f"/auth/factors/{factor.id}") for factor in stock.factors])


def list_ten(stock: Stock, _count: int, _seconds: int) -> Prepared:
    """List the ten factors of each user."""
    users = dict.fromkeys(factor.user_id for factor in stock.factors)
    path = f"/user_management/users/%s/auth_factors?limit={FACTORS_PER_USER}"
    return Prepared([Call("GET", path % user) for user in users])


OPERATIONS: dict[str, Prepare] = {
    "create": create,
    "enroll": enroll,
    "challenge": challenge,
    "verify": verify,
    "get": get,
    "list": list_ten,
}
