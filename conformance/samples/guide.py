"""Answers that the guide shows: refusals, pages of a list, the same request twice."""

import json
from collections.abc import Iterator
from typing import Any, Final

import httpx

from authfactor.reference import RecordedAnswer
from conformance.samples import checking, scenes
from tests.support.server_process import API_KEY, CLIENT_ID

UNKNOWN_USER: Final = "/user_management/users/user_01HZZZZZZZZZZZZZZZZZZZZZZZ"


def answers(client: httpx.Client) -> Iterator[tuple[str, RecordedAnswer]]:
    """Provoke each of them once."""

    def ask(
        method: str, path: str, status: int, body: dict[str, Any] | None = None, **headers: str
    ) -> RecordedAnswer:
        answer = client.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, f"{path}: {answer.text}"
        request = f"{method} {path}" + (f"\n{json.dumps(checking.shortened(body))}" if body else "")
        return RecordedAnswer(request, status, checking.shown(answer.content))

    user = scenes.prepare("list_auth_factors", client)
    yield "unauthorized", ask("GET", UNKNOWN_USER, 401, Authorization="Bearer sk_wrong")
    yield "not_found", ask("GET", UNKNOWN_USER, 404)
    enroll = f"/user_management/users/{user['user_id']}/auth_factors"
    yield "invalid", ask("POST", enroll, 422, {"type": "totp", "totp_secret": "0189!"})
    pending = scenes.prepare("authenticate_with_totp", client)
    email = client.get("/user_management/users?limit=1").json()["data"][0]["email"]
    assert pending
    credentials = {"client_id": CLIENT_ID, "client_secret": API_KEY}
    body = {"grant_type": "password", **credentials, "email": email, "password": scenes.PASSWORD}
    yield "mfa_challenge", ask("POST", "/user_management/authenticate", 403, body)
    wrong = scenes.prepare("verify_challenge", client)
    verify = f"/auth/challenges/{wrong['challenge_id']}/verify"
    yield (
        "wrong_code",
        ask("POST", verify, 201, {"code": "000000" if wrong["code"] != "000000" else "111111"}),
    )
    yield "first_page", ask("GET", "/user_management/users?limit=1", 200)
    after = client.get("/user_management/users?limit=1").json()["list_metadata"]["after"]
    yield "second_page", ask("GET", f"/user_management/users?limit=1&after={after}", 200)
