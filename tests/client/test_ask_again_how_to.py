"""The page docs/how-to/ask-again-before-a-payment.md: its commands and its program, run as written."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from authfactor import Client
from tests.client.conftest import SECRET
from tests.support import authenticator, documented_commands
from tests.support.server_process import API_KEY, CLIENT_ID, Server, clean_environment

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "ask-again-before-a-payment.md"
PASSWORD = "seven green bottles"


@pytest.fixture
def session(server: Server, email: str) -> str:
    """Sign in a user who enrolls a factor afterwards."""
    with Client(base_url=server.url, api_key=API_KEY, client_id=CLIENT_ID) as client:
        users = client.user_management
        user = users.create_user(email=email, password=PASSWORD)
        users.authenticate_with_password(email=email, password=PASSWORD)
        users.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
        return users.list_sessions(user.id).data[0].id


def test_program_asks_once(server: Server, session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BASE_URL", server.url), ("API_KEY", API_KEY), ("CLIENT_ID", CLIENT_ID)):
        monkeypatch.setenv(name, value)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    page: dict[str, Any] = {}
    exec(compile(program, str(PAGE), "exec"), page)  # noqa: S102 - a program of our own page
    try:
        challenge = page["ask_before_payment"](session)
        assert not page["is_confirmed"](session, challenge, "12345")
        assert not page["is_confirmed"]("session_other", challenge, authenticator.code(SECRET))
        assert page["ask_before_payment"](session) is None
        ended = page["client"].user_management.challenge_session(session).id
        page["client"].user_management.revoke_session(session)
        assert not page["is_confirmed"](session, ended, authenticator.code(SECRET, 1))
    finally:
        page["client"].close()


def test_commands_work_as_written(server: Server, session: str, tmp_path: Path) -> None:
    environment = clean_environment(
        BASE_URL=server.url, API_KEY=API_KEY, SESSION_ID=session, AUTHFACTOR_DATA=str(server.data)
    )
    run = documented_commands.in_one_shell(
        documented_commands.blocks(PAGE), tmp_path, {**os.environ, **environment}
    )
    assert '"reason":"acr_too_low"' in run.outputs[0]
    assert "would ask for a code" in run.outputs[1]
