"""Requests as the official SDKs sent them, replayed byte for byte, and what each SDK needs in the answer.

Adding requests of more endpoints takes lines in `recorded_requests.json` and a status in `STATUSES`:
placeholders are filled from whatever earlier answers held.
"""

import itertools
import json
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from tests import authenticator
from tests.servers import Server

RECORDED: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "recorded_requests.json").read_text(encoding="utf-8")
)
BY_SDK: Final = {
    sdk: list(requests) for sdk, requests in itertools.groupby(RECORDED, key=lambda request: request["sdk"])
}
EMAIL: Final = "kim@example.org"  # the recordings' user
ENROLL: Final = "/user_management/users/{user}/auth_factors"
STATUSES: Final = {
    ("POST", "/user_management/users"): 201,
    ("GET", "/user_management/users"): 200,
    ("DELETE", "/user_management/users/{user}"): 200,
    ("POST", ENROLL): 201,
    ("GET", ENROLL): 200,
    ("GET", "/auth/factors/{auth_factor}"): 200,
    ("DELETE", "/auth/factors/{auth_factor}"): 204,
    ("POST", "/auth/factors/{auth_factor}/challenge"): 201,
    ("POST", "/auth/challenges/{auth_challenge}/verify"): 201,
}
BAD_SECRET: Final = "0189!"

# What an SDK reads without asking whether it is there.
TIMES: Final = ("created_at", "updated_at")
FACTOR: Final = ("id", "type", *TIMES)
ENROLLED: Final = (*FACTOR, *(f"totp.{name}" for name in ("issuer", "user", "secret", "qr_code", "uri")))
CHALLENGE: Final = ("id", "authentication_factor_id", *TIMES)
USER: Final = ("id", "email", "email_verified", *TIMES)
USER_KEYS: Final = (
    *USER,
    *("first_name", "last_name", "profile_picture_url", "external_id", "last_sign_in_at"),
)
LIST: Final = ("object", "data", "list_metadata", "list_metadata.after")


def under(prefix: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return (prefix, *(f"{prefix}.{name}" for name in names))


LONG: Final = (*under("authentication_factor", ENROLLED), *under("authentication_challenge", CHALLENGE))
SHORT: Final = (
    *under("factor", (*FACTOR, "totp.issuer", "totp.user")),
    *under("challenge", (*CHALLENGE, "expires_at")),
)
VERIFY: Final = ("valid", *under("challenge", CHALLENGE))
PLAIN: Final = {
    "enroll": LONG,
    "factor": (*FACTOR, "totp.issuer", "totp.user"),
    "challenge": CHALLENGE,
    "verify": VERIFY,
    "user": USER,
    "list": LIST,
}
WITH_OBJECT: Final = {
    **PLAIN,
    "enroll": (*LONG, "authentication_factor.object", "authentication_challenge.object"),
    "factor": (*PLAIN["factor"], "object"),
    "challenge": (*CHALLENGE, "object"),
    "user": ("object", *USER, "metadata"),
}
NEEDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "js": PLAIN,
    "python 10": {**PLAIN, "user": USER_KEYS},
    "python 5": WITH_OBJECT,
    "go": PLAIN,
    "php": PLAIN,
    "ruby": PLAIN,
    "java/kotlin 7": PLAIN,
    "java/kotlin 4": {**PLAIN, "enroll": SHORT, "challenge": (*CHALLENGE, "expires_at")},
}
KINDS: Final = {
    ("POST", "/user_management/users"): "user",
    ("GET", "/user_management/users"): "list",
    ("POST", ENROLL): "enroll",
    ("GET", ENROLL): "list",
    ("GET", "/auth/factors/{auth_factor}"): "factor",
    ("POST", "/auth/factors/{auth_factor}/challenge"): "challenge",
    ("POST", "/auth/challenges/{auth_challenge}/verify"): "verify",
}


class Replay:
    """Sends one SDK's requests in order and remembers what later ones refer to."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._known = {"password": "a long and rare passphrase 7!"}
        self._secrets: dict[str, str] = {}
        self._spent: dict[str, int] = {}
        self._deleted: set[str] = set()

    def send(self, request: dict[str, Any]) -> httpx.Response:
        method, (path, _, query) = request["method"], request["target"].partition("?")
        target = self._fill(path) + (f"?{self._fill(query)}" if query else "")
        body = self._fill(request["body"]).encode()
        answer = self._client.request(method, target, content=body, headers=request["headers"])
        assert answer.status_code == self._expected(method, path, request["body"]), (target, answer.text)
        if method == "DELETE":
            self._deleted.add(path)
            assert answer.content == b""
            assert "content-type" not in answer.headers
        elif answer.is_success:
            assert answer.headers["content-type"].startswith("application/json")
            self._remember(answer.json())
        return answer

    def _expected(self, method: str, path: str, body: str) -> int:
        if BAD_SECRET in body:
            return 422
        if path == ENROLL and "/user_management/users/{user}" in self._deleted:
            return 404
        return STATUSES[method, path]

    def _fill(self, text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: self._value(match[1]), text)

    def _value(self, name: str) -> str:
        return self._code() if name == "code" else quote(self._known[name], safe=" !")

    def _code(self) -> str:
        """Return the next code that the open challenge's factor has not seen."""
        factor_id = self._known["auth_factor"]
        step = max(authenticator.current_step(), self._spent.get(factor_id, 0) + 1)
        self._spent[factor_id] = step
        return authenticator.code_at(self._secrets[factor_id], step)

    def _remember(self, found: dict[str, Any]) -> None:
        for name, value in found.items():
            if isinstance(value, dict) and "object" in value:
                self._remember(value)
            elif name in {"pending_authentication_token", "refresh_token"}:
                self._known[name] = value
        if found.get("object") == "list":
            self._known["cursor"] = found["list_metadata"]["after"] or self._known.get("cursor", "")
        elif "object" in found:
            self._known[found["object"].replace("authentication", "auth")] = found["id"]
            if "secret" in found.get("totp", ()):
                self._secrets[found["id"]] = found["totp"]["secret"]


def needs_of(sdk: str) -> dict[str, tuple[str, ...]]:
    return next(needs for name, needs in NEEDS.items() if sdk.startswith(name))


def assert_holds(body: dict[str, Any], path: str) -> None:
    at: Any = body
    for name in path.split("."):
        assert isinstance(at, dict), path
        assert name in at, f"{path} is missing in {body}"
        at = at[name]
    if path.rsplit(".", 1)[-1] not in {*USER_KEYS[5:], "after"}:
        assert at is not None, path


@pytest.fixture
def clean(server: Server, api: httpx.Client) -> httpx.Client:
    """Remove the recordings' user, should one be there."""
    for user in api.get("/user_management/users", params={"email": EMAIL}).json()["data"]:
        api.delete(f"/user_management/users/{user['id']}")
    return api


@pytest.mark.parametrize("sdk", BY_SDK)
def test_every_recorded_request_is_answered_with_what_its_sdk_needs(
    server: Server, clean: httpx.Client, sdk: str
) -> None:
    needs = needs_of(sdk)
    answered: list[str] = []
    with server.client(key=None) as client:
        replay = Replay(client)
        for request in BY_SDK[sdk]:
            answer = replay.send(request)
            kind = KINDS.get((request["method"], request["target"].partition("?")[0]))
            if kind is None or not answer.is_success:
                continue
            body = answer.json()
            for path in needs[kind]:
                assert_holds(body, path)
            assert kind != "verify" or body["valid"] is True, body
            answered.append(kind)

    assert set(answered) == set(PLAIN)


@pytest.mark.parametrize("sdk", [sdk for sdk in BY_SDK if any(BAD_SECRET in item["body"] for item in BY_SDK[sdk])])
def test_a_refusal_has_the_message_and_items_that_sdks_read(
    server: Server, clean: httpx.Client, sdk: str
) -> None:
    with server.client(key=None) as client:
        replay = Replay(client)
        user_request = BY_SDK[sdk][0]
        replay.send({**user_request, "headers": without_key(user_request["headers"])})
        bad = next(request for request in BY_SDK[sdk] if BAD_SECRET in request["body"])
        refused = replay.send({**bad, "headers": without_key(bad["headers"])}).json()

    assert isinstance(refused["message"], str)
    assert refused["code"] == "invalid_request_parameters"
    assert "error" not in refused
    for item in refused["errors"]:
        assert {"field", "code", "message"} <= set(item)
    assert BAD_SECRET not in json.dumps(refused)


def without_key(headers: dict[str, str]) -> dict[str, str]:
    """Leave the recorded Idempotency-Key out: another test sends the same request with it."""
    return {name: value for name, value in headers.items() if name.lower() != "idempotency-key"}
