"""The client trusts, uses, lists and revokes devices, over both transports."""

import time
from pathlib import Path

import jwt
import pytest

from authfactor import Client
from authfactor.client import BadRequestError, ConflictError, MfaChallengeError, UnprocessableEntityError
from authfactor.client.types import AuthenticationResponse
from tests.client.conftest import PASSWORD, SECRET
from tests.support import authenticator
from tests.support.server_process import Server, command_line


@pytest.fixture
def trusting(client: Client, server: Server, folder: Path) -> Client:
    """Allow trusted devices on the server and in process."""
    # The client in process makes its installation when it is opened.
    for data in [each for each in (server.data, folder) if (each / "authfactor.db").exists()]:
        allowed = ("environments", "update", "default", "--trusted-devices", "allowed")
        assert command_line("--data", str(data), *allowed).returncode == 0
    time.sleep(1)  # callers are cached
    return client


def sign_in(client: Client, email: str, code: str) -> AuthenticationResponse:
    with pytest.raises(MfaChallengeError) as raised:
        client.user_management.authenticate_with_password(email=email, password=PASSWORD)
    pending = raised.value
    assert pending.authentication_challenge is not None
    return client.user_management.authenticate_with_totp(
        code=code,
        pending_authentication_token=str(pending.pending_authentication_token),
        authentication_challenge_id=pending.authentication_challenge.id,
    )


def session_of(signed_in: AuthenticationResponse) -> str:
    return str(jwt.decode(signed_in.access_token, options={"verify_signature": False})["sid"])


def test_trusted_devices_through_the_client(trusting: Client, email: str) -> None:
    client = trusting
    user = client.user_management.create_user(email=email, password=PASSWORD)
    client.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
    session = session_of(sign_in(client, email, authenticator.code(SECRET)))
    made = client.mfa.create_trusted_device(session_id=session, name="Laptop", ip_address="192.0.2.1")
    assert made.token not in repr(made)
    with pytest.raises(ConflictError):
        client.mfa.create_trusted_device(session_id=session)
    signed_in = sign_in(client, email, made.token)
    following = signed_in.trusted_device
    assert following is not None
    assert following.token not in repr(following) + repr(signed_in)
    assert client.mfa.rotate_trusted_device(made.token).token == following.token
    with pytest.raises(UnprocessableEntityError):
        client.mfa.create_trusted_device(session_id=session_of(signed_in))
    (listed,) = client.mfa.list_trusted_devices(user.id).data
    assert (listed.id, listed.name, listed.status) == (made.id, "Laptop", "active")
    client.mfa.revoke_trusted_device(user.id, made.id)
    client.mfa.revoke_trusted_devices(user.id)
    assert client.mfa.list_trusted_devices(user.id).data[0].status == "ended"
    with pytest.raises(BadRequestError) as refused:
        client.mfa.rotate_trusted_device(following.token)
    assert refused.value.code == "invalid_one_time_code"


def test_link_that_remembers_the_device_through_the_client(trusting: Client, email: str) -> None:
    user = trusting.user_management.create_user(email=email)
    trusting.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
    link = trusting.hosted_pages.create_challenge_link(user_id=user.id, remember_device=True)
    assert trusting.hosted_pages.get_challenge_link(link.id).method is None
