"""The client registers passkeys and signs in with them, over both transports."""

import json
import secrets
import time
from pathlib import Path

import pytest

from authfactor import Client
from authfactor.client import BadRequestError, MfaChallengeError, UnprocessableEntityError
from authfactor.testing.software_authenticator import SoftwareAuthenticator
from tests.client.conftest import PASSWORD
from tests.support.server_process import Server, command_line

ORIGIN = "http://localhost"


@pytest.fixture
def named(client: Client, server: Server, folder: Path, tmp_path: Path) -> Client:
    """Give the server and the installation in process a host name that passkeys can have."""
    given = tmp_path / "webauthn.json"
    given.write_text(json.dumps({"rp_id": "localhost", "origins": [ORIGIN]}))
    # The client in process makes its installation when it is opened.
    for data in [each for each in (server.data, folder) if (each / "authfactor.db").exists()]:
        command = ("environments", "update", "default", "--webauthn-file", str(given))
        assert command_line("--data", str(data), *command).returncode == 0
    time.sleep(1)  # callers are cached
    return client


def test_passkeys_through_the_client(named: Client, email: str) -> None:
    mfa, users = named.mfa, named.user_management
    device = SoftwareAuthenticator(secrets.token_bytes)
    user = users.create_user(email=email, password=PASSWORD)
    begun = mfa.begin_passkey_registration(user.id, name="Laptop")
    with pytest.raises(UnprocessableEntityError):
        mfa.finish_passkey_registration(user.id, begun.id, {})
    credential = device.create(begun.public_key, ORIGIN)
    made = mfa.finish_passkey_registration(user.id, begun.id, credential)
    assert (made.type, made.state, made.totp, made.name) == ("webauthn", "active", None, "Laptop")
    assert made.webauthn is not None
    assert made.webauthn.transports == ("internal",)
    assert mfa.list_all_factors(user.id).data == (made,)
    found = mfa.get_factor(made.id)
    assert (found.type, found.totp) == ("webauthn", None)
    assert users.list_auth_factors(user_id=user.id).data == ()

    asked = users.begin_passkey_sign_in()
    answer = device.get(asked.public_key, ORIGIN)
    signed_in = users.authenticate_with_passkey(authentication_id=asked.id, credential=answer)
    assert (signed_in.user.id, signed_in.authentication_method) == (user.id, "Passkey")
    with pytest.raises(BadRequestError) as refused:
        users.authenticate_with_passkey(authentication_id=asked.id, credential=answer)
    assert refused.value.code == "one_time_code_previously_used"

    with pytest.raises(MfaChallengeError) as required:
        users.authenticate_with_password(email=email, password=PASSWORD)
    assert [each.type for each in required.value.authentication_factors] == ["webauthn"]
    opened = required.value.authentication_challenge
    assert opened is not None
    options = mfa.get_challenge(opened.id).webauthn
    assert options is not None
    users.authenticate_with_totp(
        code=json.dumps(device.get(options.public_key, ORIGIN)),
        pending_authentication_token=str(required.value.pending_authentication_token),
        authentication_challenge_id=opened.id,
    )
    assert mfa.get_challenge(opened.id).webauthn is None
