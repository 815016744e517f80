"""Requests as the official SDKs sent them, replayed byte for byte, and what each SDK needs in the answer.

Adding requests of more endpoints takes lines in `recorded_requests.json` and a status in `STATUSES`.
"""

import json
from typing import Any, Final

import httpx
import pytest

from tests.support.sdk_replay import BY_SDK, Replay, without_key
from tests.support.server_process import Server

SIGN_IN: Final = ("/user_management/authenticate", "/sso/jwks/client_test")
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


def expected(request: dict[str, Any], *, user_deleted: bool) -> int:
    path = path_of(request)
    if BAD_SECRET in request["body"]:
        return 422
    return 404 if user_deleted and path == ENROLL else STATUSES[request["method"], path]


def path_of(request: dict[str, Any]) -> str:
    return str(request["target"].partition("?")[0])


@pytest.mark.parametrize("sdk", BY_SDK)
def test_every_recorded_request_is_answered_with_what_its_sdk_needs(
    server: Server, clean: httpx.Client, sdk: str
) -> None:
    needs, answered, user_deleted = needs_of(sdk), [], False
    with server.client(key=None) as client:
        replay = Replay(client)
        for request in BY_SDK[sdk]:
            if path_of(request) in SIGN_IN:
                continue
            answer = replay.send(request)
            assert answer.status_code == expected(request, user_deleted=user_deleted), answer.text
            if request["method"] == "DELETE":
                user_deleted |= path_of(request) == "/user_management/users/{user}"
                assert (answer.content, "content-type" in answer.headers) == (b"", False)
            kind = KINDS.get((request["method"], path_of(request)))
            if kind is None or not answer.is_success:
                continue
            assert answer.headers["content-type"].startswith("application/json")
            for path in needs[kind]:
                assert_holds(answer.json(), path)
            assert kind != "verify" or answer.json()["valid"] is True, answer.text
            answered.append(kind)

    assert set(answered) == set(PLAIN)


REFUSED: Final = [sdk for sdk in BY_SDK if any(BAD_SECRET in request["body"] for request in BY_SDK[sdk])]


@pytest.mark.parametrize("sdk", REFUSED)
def test_a_refusal_has_the_message_and_items_that_sdks_read(
    server: Server, clean: httpx.Client, sdk: str
) -> None:
    with server.client(key=None) as client:
        replay = Replay(client)
        replay.send(without_key(BY_SDK[sdk][0]))
        bad = next(request for request in BY_SDK[sdk] if BAD_SECRET in request["body"])
        refused = replay.send(without_key(bad)).json()

    assert isinstance(refused["message"], str)
    assert refused["code"] == "invalid_request_parameters"
    assert "error" not in refused
    for item in refused["errors"]:
        assert {"field", "code", "message"} <= set(item)
    assert BAD_SECRET not in json.dumps(refused)
