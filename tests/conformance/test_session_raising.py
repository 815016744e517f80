"""An official SDK, which knows nothing of sessions' challenges, raises a session by verifying one."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

from authfactor import Client
from conformance.rows import CACHE, HERE
from tests.support import authenticator
from tests.support.server_process import API_KEY, CLIENT_ID, clean_environment, running
from tests.support.skip_or_fail import skip_or_fail

PASSWORD: Final = "a long and rare passphrase 7!"
SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.mark.conformance
@pytest.mark.parametrize("environment", ["python-5", "python-newest"])
def test_sdk_raises_the_session_of_a_challenge(environment: str, tmp_path: Path) -> None:
    python = CACHE / environment / "bin" / "python"
    if not python.exists():
        skip_or_fail(f"`make conformance` has not created {environment} yet")
    with (
        running(tmp_path / "data") as server,
        Client(base_url=server.url, api_key=API_KEY, client_id=CLIENT_ID) as client,
    ):
        users, email = client.user_management, "kim@example.org"
        user = users.create_user(email=email, password=PASSWORD)
        users.authenticate_with_password(email=email, password=PASSWORD)
        (session,) = users.list_sessions(user.id).data
        users.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
        assert users.check_session(session.id, acr="urn:authfactor:acr:2").reason == "acr_too_low"
        challenge = users.challenge_session(session.id)
        done = subprocess.run(
            [str(python), str(HERE / "python" / "verify.py"), challenge.id, authenticator.code(SECRET)],
            env=clean_environment(BASE_URL=server.url, API_KEY=API_KEY, CLIENT_ID=CLIENT_ID),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "valid\n"), done.stderr
        checked = users.check_session(session.id, acr="urn:authfactor:acr:2", methods=["otp"], max_age=60)
        assert checked.satisfied
