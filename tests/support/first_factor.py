"""The shortest use of a server: create a user, enroll a factor, verify a code."""

import time
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx

from tests.support import authenticator
from tests.support.server_process import API_KEY, NO_TLS

READY_SECONDS: Final = 60


def wait_until_ready(url: str, log: Path) -> None:
    """Wait until a server answers 200 at `/readyz`; a failure shows its log."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False, verify=NO_TLS).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError(f"not ready: {log.read_text(errors='replace')}")


def enroll_and_verify(url: str, key: str = API_KEY) -> str:
    """Return the id of a new factor, one of whose codes was accepted, and the second time refused."""
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, verify=NO_TLS) as client:
        user = client.post("/user_management/users", json={"email": f"{uuid4()}@example.org"}).json()["id"]
        enrolled = client.post(f"/user_management/users/{user}/auth_factors", json={"type": "totp"})
        assert enrolled.status_code == 201, enrolled.text
        factor, challenge = (enrolled.json()[f"authentication_{name}"] for name in ("factor", "challenge"))
        code = authenticator.code(factor["totp"]["secret"])
        path = f"/auth/challenges/{challenge['id']}/verify"
        assert client.post(path, json={"code": code}).json()["valid"] is True
        again = client.post(f"/auth/factors/{factor['id']}/challenge").json()["id"]
        refused = client.post(f"/auth/challenges/{again}/verify", json={"code": code}).json()
        assert refused["reason"] == "code_already_used"
        return str(factor["id"])
