"""The client resyncs a factor, over both transports."""

import pytest

from authfactor import Client
from authfactor.client import NotFoundError, UnprocessableEntityError
from tests.client.conftest import SECRET
from tests.support import authenticator


def test_factor_is_resynced_through_the_client(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    made = client.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
    factor = made.authentication_factor.id
    step = authenticator.current_step() - 8
    codes = [authenticator.code_at(SECRET, step + at) for at in range(3)]
    late = client.mfa.verify_challenge(client.mfa.challenge_factor(factor).id, codes[0])
    assert late.reason == "clock_drift"
    assert late.offset_seconds in {-240, -270}
    with pytest.raises(UnprocessableEntityError):
        client.mfa.resync_factor(factor, codes[::2])
    assert client.mfa.resync_factor(factor, codes[:2]).last_used_at is not None
    assert client.mfa.verify_challenge(client.mfa.challenge_factor(factor).id, codes[2]).valid
    with pytest.raises(NotFoundError):
        client.mfa.resync_factor("auth_factor_unknown", codes[:2])
