"""Official SDKs, which know nothing of passkeys, finish a sign-in with one: the assertion is their `code`."""

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Final

import httpx
import pytest

from authfactor.testing.software_authenticator import SoftwareAuthenticator
from conformance.rows import CACHE, HERE
from tests.support.server_process import API_KEY, CLIENT_ID, Server, clean_environment, fields, running
from tests.support.skip_or_fail import skip_or_fail

ORIGIN: Final = "https://auth.example.org"
PASSWORD: Final = "a long and rare passphrase 7!"
AUTHENTICATE: Final = "/user_management/authenticate"


def program(environment: str) -> tuple[list[str], Path]:
    """Return the command that finishes a sign-in, and the folder in which it finds its packages."""
    folder = CACHE / environment
    if not folder.exists():
        skip_or_fail(f"`make conformance` has not created {environment} yet")
    if environment.startswith("python"):
        return [str(folder / "bin" / "python"), str(HERE / "python" / "finish_sign_in.py")], HERE
    if environment.startswith("go"):
        source = HERE / "go" / "finish_sign_in" / "main.go"
        return [shutil.which("go") or "go", "run", str(source)], HERE / "go" / "6"
    text = (HERE / "js" / "finish_sign_in.mjs").read_text()
    return ["node", "--input-type=module", "--eval", text, "--"], folder


@pytest.mark.conformance
@pytest.mark.parametrize("environment", ["python-5", "python-newest", "js-7", "js-newest", "go-6"])
def test_sdk_finishes_a_sign_in_with_an_assertion_as_its_code(environment: str, tmp_path: Path) -> None:
    command, folder = program(environment)
    with running(tmp_path / "data", {"AUTHFACTOR_BASE_URL": ORIGIN}) as server, server.client() as client:
        user_id, pending, assertion = begin(server, client)
        challenge = pending["authentication_challenge"]["id"]  # type: ignore[index]  # an object
        done = subprocess.run(
            [*command, str(pending["pending_authentication_token"]), challenge, assertion],
            env=clean_environment(BASE_URL=server.url, API_KEY=API_KEY, CLIENT_ID=CLIENT_ID),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, f"{user_id}\n"), done.stderr
        sessions = fields(client.get(f"/user_management/users/{user_id}/sessions"), 200)["data"]
        assert len(sessions) == 1


def begin(server: Server, client: httpx.Client) -> tuple[str, dict[str, object], str]:
    """Register a user's passkey and send the password; return the user's id, the 403, and an assertion."""
    assert server.url
    body = {"email": "kim@example.org", "password": PASSWORD}
    user = fields(client.post("/user_management/users", json=body), 201)
    device = SoftwareAuthenticator(random.Random(1).randbytes)
    path = f"/authfactor/users/{user['id']}/passkey_registrations"
    begun = fields(client.post(path), 201)
    credential = device.create(begun["public_key"], ORIGIN)
    fields(client.post(f"{path}/{begun['id']}/verify", json={"credential": credential}), 201)
    grant = {"grant_type": "password", "client_id": CLIENT_ID, "client_secret": API_KEY, **body}
    pending = fields(client.post(AUTHENTICATE, json=grant), 403)
    asked = pending["authentication_challenge"]["webauthn"]["public_key"]
    return user["id"], pending, json.dumps(device.get(asked, ORIGIN))
