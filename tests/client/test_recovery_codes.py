"""The client makes, counts and deletes recovery codes, and names factors, over both transports."""

import pytest

from authfactor import Client
from authfactor.client import NotFoundError, UnprocessableEntityError
from tests.client.conftest import SECRET


def test_recovery_codes_through_the_client(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    with pytest.raises(UnprocessableEntityError):
        client.mfa.create_recovery_codes(user.id)
    made = client.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
    codes = client.mfa.create_recovery_codes(user.id)
    assert (len(codes.codes), codes.total, codes.remaining) == (10, 10, 10)
    assert codes.codes[0] not in repr(codes)
    challenge = client.mfa.challenge_factor(made.authentication_factor.id)
    verified = client.mfa.verify_challenge(challenge.id, codes.codes[0])
    assert (verified.valid, verified.recovery_codes_remaining) == (True, 9)
    assert client.mfa.get_recovery_codes(user.id).remaining == 9
    client.mfa.delete_recovery_codes(user.id)
    assert client.mfa.get_recovery_codes(user.id).created_at is None
    with pytest.raises(NotFoundError):
        client.mfa.create_recovery_codes("user_unknown")


def test_recovery_codes_of_another_system_through_the_client(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    made = client.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
    with pytest.raises(UnprocessableEntityError) as refused:
        client.mfa.import_recovery_codes(user.id, ["123456"])
    assert "123456" not in str(refused.value)
    assert client.mfa.import_recovery_codes(user.id, ["k7x9-q2mu-45wd", "8vhu-3rl6-zp1c"]).remaining == 2
    challenge = client.mfa.challenge_factor(made.authentication_factor.id)
    verified = client.mfa.verify_challenge(challenge.id, "k7x9q2mu45wd")
    assert (verified.valid, verified.recovery_codes_remaining) == (True, 1)


def test_factors_are_named_through_the_client(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    made = client.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
    renamed = client.mfa.rename_factor(made.authentication_factor.id, "Blue phone")
    assert (renamed.name, renamed.state, renamed.last_used_at) == ("Blue phone", "active", None)
    assert list(client.mfa.list_all_factors(user.id).data) == [renamed]
    assert client.mfa.rename_factor(renamed.id, None).name is None
