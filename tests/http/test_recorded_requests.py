"""Requests as the official SDKs sent them, replayed byte for byte, and the response fields each SDK reads.

To cover another endpoint, add its requests to `recorded_requests.json` and its status to `STATUSES`.
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

# The fields that an SDK reads without checking that they are present.
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


def prefixed(prefix: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return (prefix, *(f"{prefix}.{name}" for name in names))


LONG: Final = (*prefixed("authentication_factor", ENROLLED), *prefixed("authentication_challenge", CHALLENGE))
SHORT: Final = (
    *prefixed("factor", (*FACTOR, "totp.issuer", "totp.user")),
    *prefixed("challenge", (*CHALLENGE, "expires_at")),
)
VERIFY: Final = ("valid", *prefixed("challenge", CHALLENGE))
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
REQUIRED: Final[dict[str, dict[str, tuple[str, ...]]]] = {
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


def required_fields(sdk: str) -> dict[str, tuple[str, ...]]:
    return next(required for name, required in REQUIRED.items() if sdk.startswith(name))


def assert_holds(body: dict[str, Any], path: str) -> None:
    value: Any = body
    for name in path.split("."):
        assert isinstance(value, dict), path
        assert name in value, f"{path} is missing in {body}"
        value = value[name]
    if path.rsplit(".", 1)[-1] not in {*USER_KEYS[5:], "after"}:
        assert value is not None, path


def expected_status(request: dict[str, Any], *, user_deleted: bool) -> int:
    path = path_of(request)
    if BAD_SECRET in request["body"]:
        return 422
    return 404 if user_deleted and path == ENROLL else STATUSES[request["method"], path]


def path_of(request: dict[str, Any]) -> str:
    return str(request["target"].partition("?")[0])


@pytest.mark.parametrize("sdk", BY_SDK)
def test_recorded_requests_return_every_field_the_sdk_reads(
    server: Server, clean_api: httpx.Client, sdk: str
) -> None:
    required, kinds_seen, user_deleted = required_fields(sdk), [], False
    with server.client(key=None) as client:
        replay = Replay(client)
        for request in BY_SDK[sdk]:
            if path_of(request) in SIGN_IN:
                continue
            response = replay.send(request)
            assert response.status_code == expected_status(request, user_deleted=user_deleted), response.text
            if request["method"] == "DELETE":
                user_deleted |= path_of(request) == "/user_management/users/{user}"
                assert (response.content, "content-type" in response.headers) == (b"", False)
            kind = KINDS.get((request["method"], path_of(request)))
            if kind is None or not response.is_success:
                continue
            assert response.headers["content-type"].startswith("application/json")
            for path in required[kind]:
                assert_holds(response.json(), path)
            assert kind != "verify" or response.json()["valid"] is True, response.text
            kinds_seen.append(kind)

    assert set(kinds_seen) == set(PLAIN)


REFUSED: Final = [sdk for sdk in BY_SDK if any(BAD_SECRET in request["body"] for request in BY_SDK[sdk])]


@pytest.mark.parametrize("sdk", REFUSED)
def test_error_response_has_the_fields_that_sdks_read(
    server: Server, clean_api: httpx.Client, sdk: str
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
