"""Responses are lost after processing; clients retry, with the same Idempotency-Key or without one."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from authfactor.settings import Settings
from tests.support import authenticator, databases
from tests.support.fault_invariants import Acknowledged, broken
from tests.support.http_fault_proxy import Exchange, LostResponses, spoiling
from tests.support.server_process import API_KEY, CLIENT_ID, Server, fields, running

CLIENTS: Final = 8
SECONDS: Final = 4.0
SEED: Final = 7
USERS: Final = 20
PASSWORD: Final = "a long and rare passphrase 7!"


class RetryingApplication:
    """An application that retries each request, under its own key, until it gets a response."""

    def __init__(self, url: str) -> None:
        self.acknowledged = Acknowledged()
        self.users: Counter[str] = Counter()
        self.retries = 0
        self._url = url
        self._lock = threading.Lock()

    def work(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        headers = {"authorization": f"Bearer {API_KEY}"}
        with httpx.Client(base_url=self._url, headers=headers, timeout=30, trust_env=False) as client:
            while time.monotonic() < end:
                self._once(client)

    def _once(self, client: httpx.Client) -> None:
        email = f"{uuid.uuid4().hex}@example.org"
        user = self._post(client, "/user_management/users", {"email": email})
        assert user["email"] == email
        made = self._post(client, f"/user_management/users/{user['id']}/auth_factors", {"type": "totp"})
        factor, challenge_id = made["factor"], made["challenge"]["id"]
        step = authenticator.current_step()
        code = {"code": authenticator.code_at(factor["totp"]["secret"], step)}
        verify = f"/auth/challenges/{challenge_id}/verify"
        # A retry gets the first response, not `code_already_used`.
        assert self._post(client, verify, code)["valid"] is True
        second_challenge = self._post(client, f"/auth/factors/{factor['id']}/challenge", {})["id"]
        refused = self._post(client, f"/auth/challenges/{second_challenge}/verify", code)
        assert (refused["valid"], refused["reason"]) == (False, "code_already_used")
        with self._lock:
            self.users[user["id"]] += 1
            self.acknowledged.factors[factor["id"]] = user["id"]
            self.acknowledged.accepted.append((factor["id"], challenge_id, step))

    def _post(self, client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"idempotency-key": uuid.uuid4().hex}
        for _ in range(8):
            try:
                return fields(client.post(path, json=body, headers=headers), 201)
            except httpx.TransportError:
                with self._lock:
                    self.retries += 1
        raise AssertionError(f"{path}: no response in eight attempts")


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    settings = {}
    if request.param == "postgres":
        settings["AUTHFACTOR_DATABASE_URL"] = request.getfixturevalue("postgres_database")
    with running(tmp_path / "data", settings) as started:
        yield started


@pytest.mark.timeout(120)
def test_retried_requests_take_effect_once(server: Server) -> None:
    lost = LostResponses(SEED)
    with spoiling(server.url, lost) as url, ThreadPoolExecutor(CLIENTS) as pool:
        application = RetryingApplication(url)
        for each in [pool.submit(application.work, SECONDS) for _ in range(CLIENTS)]:
            each.result()
    # Every kind of POST lost responses, and each loss caused one retry.
    assert len(lost.lost) == 4, lost.lost
    assert application.retries == lost.lost.total() > 20
    assert set(application.users.values()) == {1}

    settings = Settings(data=server.data, database_url=server.settings.get("AUTHFACTOR_DATABASE_URL", ""))
    assert broken(settings, application.acknowledged) == []
    count = len(application.users)
    tried = {
        "SELECT count(*) FROM users": count,
        "SELECT count(*) FROM factors": count,
        "SELECT count(*) FROM challenges": 2 * count,
        "SELECT sum(attempts) FROM challenges": 2 * count,
        "SELECT count(*) FROM challenges WHERE verified_at IS NOT NULL": count,
    }
    for statement, expected in tried.items():
        assert databases.sql(settings, statement) == [(expected,)], statement


class FirstResponsesLost:
    """Lose the response to each request with a code once, unless it is repeated."""

    def __init__(self) -> None:
        self.requests: Counter[bytes] = Counter()

    def __call__(self, exchange: Exchange) -> None:
        if b'"code"' in exchange.sent:
            self.requests[exchange.sent] += 1
            exchange.lost = self.requests[exchange.sent] == 1


# What the SDKs of PHP and Ruby do by themselves.
@pytest.mark.parametrize("key_on_retry", [False, True], ids=["no key", "key on the retry"])
@pytest.mark.timeout(120)
def test_lost_codes_without_an_idempotency_key_still_sign_in(server: Server, *, key_on_retry: bool) -> None:
    lost = FirstResponsesLost()
    with spoiling(server.url, lost) as url, server.client() as api:
        headers = {"authorization": f"Bearer {API_KEY}"}
        with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
            for _ in range(USERS):
                _sign_in_with_lost_responses(api, client, key_on_retry=key_on_retry)
    assert set(lost.requests.values()) == {2}
    settings = Settings(data=server.data, database_url=server.settings.get("AUTHFACTOR_DATABASE_URL", ""))
    for table in ("sessions", "refresh_tokens"):
        assert databases.sql(settings, f"SELECT count(*) FROM {table}") == [(USERS,)]  # noqa: S608 - names from above


def _sign_in_with_lost_responses(api: httpx.Client, client: httpx.Client, *, key_on_retry: bool) -> None:
    def retried(path: str, body: dict[str, Any], status: int) -> dict[str, Any]:
        with pytest.raises(httpx.TransportError):
            client.post(path, json=body)
        headers = {"idempotency-key": uuid.uuid4().hex} if key_on_retry else {}
        return fields(client.post(path, json=body, headers=headers), status)

    new = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
    user = fields(api.post("/user_management/users", json=new), 201)
    path = f"/user_management/users/{user['id']}/auth_factors"
    made = fields(api.post(path, json={"type": "totp"}), 201)
    secret, step = made["factor"]["totp"]["secret"], authenticator.current_step()
    verify = f"/auth/challenges/{made['challenge']['id']}/verify"
    assert retried(verify, {"code": authenticator.code_at(secret, step)}, 201)["valid"] is True
    caller = {"client_id": CLIENT_ID, "client_secret": API_KEY}
    password = {**caller, **new, "grant_type": "password"}
    pending = fields(api.post("/user_management/authenticate", json=password), 403)
    grant = {
        **caller,
        "grant_type": "urn:workos:oauth:grant-type:mfa-totp",
        "pending_authentication_token": pending["pending_authentication_token"],
        "authentication_challenge_id": pending["authentication_challenge"]["id"],
        "code": authenticator.code_at(secret, step + 1),
    }
    assert retried("/user_management/authenticate", grant, 200)["user"]["id"] == user["id"]
