"""A scenario on each server before the load, to check that both do the same work."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import replace
from typing import Any

from harness import totp
from harness.servers import Server


class Unequal(Exception):
    """A server responds differently from what the comparison assumes."""


def send(
    server: Server, method: str, path: str, body: dict[str, Any] | None = None
) -> tuple[int, dict[str, Any]]:
    """Send one request and return the status and the decoded response."""
    headers = {"Authorization": server.authorization, "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, content, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as problem:
        return problem.code, json.load(problem)


def rehearse(server: Server) -> None:
    """Enroll, list, get, challenge, verify, and see a spent challenge, a spent code and a wrong key refused.

    Raises:
        Unequal: one of the answers is another.
    """

    def need(name: str, *, holds: bool, answer: object) -> None:
        if not holds:
            message = f"{server.name}: {name}: {answer}"
            raise Unequal(message)

    def new_challenge() -> str:
        status, opened = send(server, "POST", f"/auth/factors/{factor['id']}/challenge", {})
        need("challenge", holds=status == 201, answer=opened)
        return str(opened["id"])

    status, user = send(server, "POST", "/user_management/users", {"email": "rehearsal@bench.example"})
    need("create user", holds=status == 201, answer=user)
    factors_path = f"/user_management/users/{user['id']}/auth_factors"
    status, enrolled = send(server, "POST", factors_path, {"type": "totp"})
    need("enroll", holds=status == 201, answer=enrolled)
    factor = enrolled["authentication_factor"]
    need("picture", holds=factor["totp"]["qr_code"].startswith("data:image/png;base64,iVBOR"), answer=factor)
    status, page = send(server, "GET", f"{factors_path}?limit=10")
    need("list", holds=status == 200 and [item["id"] for item in page["data"]] == [factor["id"]], answer=page)
    status, got = send(server, "GET", f"/auth/factors/{factor['id']}")
    need("get", holds=status == 200 and "secret" not in got["totp"], answer=got)

    challenge_id, step = new_challenge(), int(time.time()) // totp.PERIOD
    body = {"code": totp.code(factor["totp"]["secret"], step)}
    status, verified = send(server, "POST", f"/auth/challenges/{challenge_id}/verify", body)
    need("right code", holds=status == 201 and verified["valid"] is True, answer=verified)
    # With another code: the same request gets the same response for a moment (decision 0036).
    other = {"code": totp.code(factor["totp"]["secret"], step + 5)}
    status, again = send(server, "POST", f"/auth/challenges/{challenge_id}/verify", other)
    need("spent challenge", holds=status == 422, answer=again)
    status, replayed = send(server, "POST", f"/auth/challenges/{new_challenge()}/verify", body)
    need("spent code", holds=status == 201 and replayed["valid"] is False, answer=replayed)
    stranger = replace(server, authorization="Bearer sk_unknown")
    status, refused = send(stranger, "GET", f"/auth/factors/{factor['id']}")
    need("unknown key", holds=status == 401, answer=refused)
