"""Codes and links that are mailed, through the client, over both transports."""

import time
from pathlib import Path

import pytest

from authfactor import AsyncClient, Client
from authfactor.client import BadRequestError, ConflictError, EmailVerificationRequiredError, NotFoundError
from tests.client.conftest import PASSWORD
from tests.support.server_process import API_KEY, CLIENT_ID, Server, command_line

NEW = "eight green bottles"


def test_email_verification_and_magic_codes_through_the_client(client: Client, email: str) -> None:
    users = client.user_management
    user = users.create_user(email=email, password=PASSWORD)
    assert users.send_verification_email(user.id).user == user
    created = client.events.list_events(events=["email_verification.created"]).data[-1]
    made = users.get_email_verification(created.data["id"])
    assert made.code not in repr(made)
    with pytest.raises(BadRequestError) as refused:
        users.verify_email(user.id, code="000000" if made.code != "000000" else "000001")
    assert refused.value.code == "email_verification_code_incorrect"
    assert users.verify_email(user.id, code=made.code).user.email_verified
    magic = users.create_magic_auth(email=email)
    assert users.get_magic_auth(magic.id) == magic
    assert magic.code not in repr(magic)
    signed_in = users.authenticate_with_magic_auth(email=email, code=magic.code)
    assert (signed_in.user.id, signed_in.authentication_method) == (user.id, "MagicAuth")
    assert users.get_user_identities(user.id) == []


def test_password_resets_and_email_changes_through_the_client(client: Client, email: str) -> None:
    users = client.user_management
    user = users.create_user(email=email, password=PASSWORD)
    reset = users.create_password_reset(email=email)
    assert users.get_password_reset(reset.id) == reset
    assert reset.password_reset_token not in repr(reset)
    users.confirm_password_reset(token=reset.password_reset_token, new_password=NEW)
    with pytest.raises(NotFoundError):
        users.confirm_password_reset(token=reset.password_reset_token, new_password=NEW)
    users.authenticate_with_password(email=email, password=NEW)
    change = users.send_email_change(user.id, new_email=f"new-{email}")
    assert (change.user.id, change.new_email) == (user.id, f"new-{email}")
    with pytest.raises(BadRequestError):
        users.confirm_email_change(user.id, code="12345")
    with pytest.raises(ConflictError):
        users.send_email_change(user.id, new_email=email)


def test_invitations_through_the_client(client: Client, email: str) -> None:
    users = client.user_management
    made = users.send_invitation(email=email, expires_in_days=3)
    assert made.token not in repr(made)
    assert users.get_invitation(made.id) == users.find_invitation_by_token(made.token) == made
    assert [each.id for each in users.list_invitations(email=email)] == [made.id]
    assert users.resend_invitation(made.id).token == made.token
    with pytest.raises(BadRequestError) as refused:
        users.accept_invitation(made.id)
    assert refused.value.code == "invalid_invite"
    magic = users.create_magic_auth(email=email, invitation_token=made.token)
    users.authenticate_with_magic_auth(email=email, code=magic.code, invitation_token=made.token)
    assert users.get_invitation(made.id).state == "accepted"
    other = users.send_invitation(email=f"other-{email}")
    assert users.revoke_invitation(other.id).state == "revoked"


def test_a_sign_in_that_waits_for_the_email_through_the_client(
    client: Client, email: str, server: Server, folder: Path
) -> None:
    users = client.user_management
    user = users.create_user(email=email, password=PASSWORD)
    folders = [each for each in (server.data, folder) if (each / "authfactor.db").exists()]

    def verify(policy: str) -> None:
        for data in folders:
            command = ("environments", "update", "default", "--verify-email", policy)
            assert command_line("--data", str(data), *command).returncode == 0
        time.sleep(1)  # callers are cached

    verify("required")
    try:
        with pytest.raises(EmailVerificationRequiredError) as required:
            users.authenticate_with_password(email=email, password=PASSWORD)
        error = required.value
        assert error.email == email
        code = users.get_email_verification(error.email_verification_id).code
        token = error.pending_authentication_token
        done = users.authenticate_with_email_verification(code=code, pending_authentication_token=token)
        assert (done.user.id, done.user.email_verified) == (user.id, True)
    finally:
        verify("off")


async def test_the_asynchronous_client_has_them_too(server: Server, email: str) -> None:
    client = AsyncClient(base_url=server.url, api_key=API_KEY, client_id=CLIENT_ID)
    users = client.user_management
    magic = await users.create_magic_auth(email=email)
    signed_in = await users.authenticate_with_magic_auth(email=email, code=magic.code)
    assert signed_in.user.email == email
    made = await users.send_invitation(email=f"invited-{email}")
    assert (await users.get_invitation(made.id)).state == "pending"
    await client.aclose()
