# ruff: noqa: T201 - it reports by printing
"""Send again what an SDK sent, and check what it needs in the answers: `replay.py RECORDING`.

Placeholders like `{user}` and `{code}` take what earlier answers held; the user's address is made unique.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx
import jwt

from conformance.recorded.needs import lacking
from conformance.recorded.through import CLIENTS, Through
from tests.support.sdk_replay import Replay, without_key

EMAIL: Final = "kim@example.org"
SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
BAD_SECRET: Final = "0189!"
AUTHENTICATE: Final = "/user_management/authenticate"
STEPS: Final = {
    ("POST", "/user_management/users"): ("create user", 201),
    ("GET", "/user_management/users"): ("delete user", 200),
    ("DELETE", "/user_management/users/{user}"): ("delete user", 200),
    ("POST", "/user_management/users/{user}/auth_factors"): ("enroll", 201),
    ("GET", "/user_management/users/{user}/auth_factors"): ("list", 200),
    ("GET", "/auth/factors/{auth_factor}"): ("get", 200),
    ("DELETE", "/auth/factors/{auth_factor}"): ("delete", 204),
    ("POST", "/auth/factors/{auth_factor}/challenge"): ("challenge", 201),
    ("POST", "/auth/challenges/{auth_challenge}/verify"): ("verify", 201),
    ("GET", "/sso/jwks/client_test"): ("jwks", 200),
}
GRANTS: Final = {"password": ("password", 403), "refresh_token": ("refresh", 200)}


class Life:
    """The requests of one recording in their order, with what has to happen between them."""

    def __init__(self, requests: list[dict[str, Any]], client: httpx.Client) -> None:
        self.requests, self.client, self.replay = requests, client, Replay(client)
        self.user_deleted = False
        self.with_code = any("mfa-totp" in request["body"] for request in requests)
        self.user = self.factor = ""
        self.reasons: dict[str, str] = {}

    def expected(self, request: dict[str, Any]) -> tuple[str, int]:
        """Return a request's step and the status it must get."""
        path = request["target"].partition("?")[0]
        if path == AUTHENTICATE:
            return GRANTS.get(json.loads(request["body"])["grant_type"], ("sign in", 200))
        step, status = STEPS[request["method"], path]
        if step != "enroll":
            return step, status
        if BAD_SECRET in request["body"]:
            return "bad secret", 422
        if self.user_deleted:
            return "unknown ids", 404
        return ("enroll own" if "Acme" in request["body"] else "enroll"), status

    def send(self, request: dict[str, Any], step: str, status: int) -> None:
        """Send one request and check its answer."""
        if step == "password":
            self.enroll()
        if step == "delete user" and not self.user_deleted:
            self.reasons["recovery code"] = attempt(self.use_recovery_codes)
        if step == "sign in":
            self.post(f"/auth/factors/{self.factor}/challenge")
        answer = self.replay.send(request)
        check(answer, step, status)
        if step == "create user":
            self.user = str(answer.json()["id"])
        if step == "delete user":
            self.user_deleted = True

    def enroll(self) -> None:
        """Give the user an active factor: the recording has deleted its own by now."""
        answer = self.post(
            f"/user_management/users/{self.user}/auth_factors", type="totp", totp_secret=SECRET
        )
        self.factor = str(answer["factor"]["id"])

    def post(self, path: str, **body: str) -> dict[str, Any]:
        """Send a request of our own between the recorded ones."""
        answer = self.client.post(path, json=body, headers=authorized())
        assert answer.status_code == HTTPStatus.CREATED, answer.text
        found: dict[str, Any] = answer.json()
        self.replay.remember(found)
        return found

    def sign_in_without_factor(self, request: dict[str, Any]) -> None:
        """Sign in as an SDK must that cannot read the pending token: only who has no factor can."""
        self.client.delete(f"/auth/factors/{self.factor}", headers=authorized())
        check(self.replay.send(request), "sign in", 200)

    def use_recovery_codes(self) -> None:
        """Send the recorded verification, and the sign-in if it has a code, with recovery codes."""
        if not self.with_code:
            self.enroll()
        again = {self.expected(request)[0]: without_key(request) for request in self.requests}
        answer = self.client.post(f"/authfactor/users/{self.user}/recovery_codes", headers=authorized())
        codes = answer.json()["codes"]
        self.post(f"/auth/factors/{self.factor}/challenge")
        self.replay.code = codes[0]
        check(self.replay.send(again["verify"]), "verify", 201)
        self.post(f"/auth/factors/{self.factor}/challenge")
        taken = self.replay.send(again["verify"]).json()["valid"]
        assert taken is False, "a recovery code was taken twice"
        if self.with_code:
            self.replay.code = codes[1]
            check(self.replay.send(again["password"]), "password", 403)
            check(self.replay.send(again["sign in"]), "sign in", 200)
        self.replay.code = ""

    def walk(self) -> dict[str, str]:
        """Send everything; return a reason per step, empty when all of its requests went well."""
        reasons = self.reasons
        for request in self.requests:
            step, status = self.expected(request)
            reasons[step] = reasons.get(step) or attempt(partial(self.send, request, step, status))
            if step == "password" and not self.with_code:
                reasons["sign in"] = attempt(partial(self.sign_in_without_factor, request))
        return reasons


def attempt(action: Callable[[], None]) -> str:
    """Return why an action went wrong, or nothing."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever is raised is a failed step
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""


def check(answer: httpx.Response, step: str, status: int) -> None:
    """Check status, label and body of an answer."""
    assert answer.status_code == status, f"{answer.status_code} instead of {status}: {answer.text}"
    if answer.request.method == "DELETE":
        assert not answer.content, "a body where there should be none"
        assert "content-type" not in answer.headers, "an empty body with a label"
        return
    assert answer.headers.get("content-type", "").startswith("application/json"), "not labeled as JSON"
    body = answer.json()
    step = "enroll" if step == "enroll own" else step
    if answer.request.method == "POST" or step in {"list", "get", "jwks"}:
        assert not (missing := lacking(step, body)), f"without {', '.join(missing)}"
    if step == "verify":
        assert body["valid"] is True, "the right code was not taken"
    if step in {"sign in", "refresh"}:
        claims = jwt.decode(body["access_token"], options={"verify_signature": False})
        assert claims["sid"], "no sid"
    if step == "delete user":
        assert body["data"] == [], "the deleted user is listed"


def authorized() -> dict[str, str]:
    return {"authorization": f"Bearer {os.environ['API_KEY']}"}


def load(path: Path) -> list[dict[str, Any]]:
    """Read a recording; its user gets an address of its own."""
    email = f"kim.{time.time_ns()}@example.org"
    text = path.read_text(encoding="utf-8").replace(EMAIL, email)
    requests: list[dict[str, Any]] = json.loads(
        text.replace(EMAIL.replace("@", "%40"), email.replace("@", "%40"))
    )
    return requests


def main(recording: str) -> int:
    # PHP's and Ruby's requests go through that language's own HTTP client.
    language = Path(recording).stem.partition("-")[0]
    transport = Through(language) if language in CLIENTS else None
    with httpx.Client(
        base_url=os.environ["BASE_URL"], timeout=30, trust_env=False, transport=transport
    ) as client:
        reasons = Life(load(Path(recording)), client).walk()
    for step, reason in reasons.items():
        print(f"not ok {step}\n# {reason}" if reason else f"ok {step}")
    return 1 if any(reasons.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
