"""The page docs/how-to/codes-and-links-by-mail.md: its commands, run as written."""

import os
import re
from pathlib import Path

from authfactor import Client
from tests.support import documented_commands
from tests.support.server_process import API_KEY, CLIENT_ID, clean_environment, running

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "codes-and-links-by-mail.md"
EMAIL = "kim@example.org"


def test_commands_work_as_written(tmp_path: Path) -> None:
    # A server of its own: the page closes sign-up and switches passwords off.
    with running(tmp_path / "data") as server:
        environment = clean_environment(
            BASE_URL=server.url,
            API_KEY=API_KEY,
            CLIENT_ID=CLIENT_ID,
            EMAIL=EMAIL,
            INVITED="lee@example.org",
            AUTHFACTOR_DATA=str(server.data),
            AUTHFACTOR_BASE_URL=server.url,
        )
        run = documented_commands.in_one_shell(
            documented_commands.blocks(PAGE), tmp_path, {**os.environ, **environment}
        )
        made, signed_in, closed, gated, verified, reset, confirmed, invited, methods = run.outputs
        assert '"object":"magic_auth"' in made
        assert '"authentication_method":"MagicAuth"' in signed_in
        assert re.search(r"^sign_up +closed$", closed, re.MULTILINE)
        assert re.search(r"^verify_email +required$", gated, re.MULTILINE)
        assert "email verified  yes" in verified
        assert "/reset-password?token=" in reset
        assert f'"email":"{EMAIL}"' in confirmed
        assert "lee@example.org" in invited
        assert "magic_auth, passkey" in methods
        with Client(base_url=server.url, api_key=API_KEY, client_id=CLIENT_ID) as client:
            (invitation,) = client.user_management.list_invitations().data
            magic = client.user_management.create_magic_auth(
                email=invitation.email, invitation_token=invitation.token
            )
            answer = client.user_management.authenticate_with_magic_auth(
                email=invitation.email, code=magic.code, invitation_token=invitation.token
            )
            assert answer.user.email_verified
