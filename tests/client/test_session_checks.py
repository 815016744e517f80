"""The client checks, challenges and reauthenticates sessions, over both transports."""

import pytest

from authfactor import Client
from authfactor.client import BadRequestError, ConflictError, NotFoundError, UnprocessableEntityError
from tests.client.conftest import SECRET
from tests.support import authenticator

PASSWORD = "seven green bottles"


def test_session_is_raised_and_reauthenticated_through_the_client(client: Client, email: str) -> None:
    users = client.user_management
    user = users.create_user(email=email, password=PASSWORD)
    users.authenticate_with_password(email=email, password=PASSWORD)
    (session,) = users.list_sessions(user.id).data
    with pytest.raises(ConflictError):
        users.challenge_session(session.id)
    factor = users.enroll_auth_factor(user_id=user.id, totp_secret=SECRET).authentication_factor
    checked = users.check_session(session.id, acr="urn:authfactor:acr:2", max_age=300)
    assert (checked.satisfied, checked.reason, checked.mfa_at) == (False, "acr_too_low", None)
    assert "insufficient_user_authentication" in (checked.www_authenticate or "")
    challenge = users.challenge_session(session.id, factor_id=factor.id, allow_recovery=True)
    verified = client.mfa.verify_challenge(challenge.id, authenticator.code(SECRET))
    assert verified.session is not None
    assert verified.session.id == session.id
    checked = users.check_session(session.id, methods=["otp"], max_age=300)
    assert (checked.satisfied, checked.mfa_at) == (True, verified.session.mfa_at)
    again = users.reauthenticate_session(session.id, password=PASSWORD, ip_address="192.0.2.1")
    assert again.auth_time > checked.auth_time
    with pytest.raises(BadRequestError) as refused:
        users.reauthenticate_session(session.id, password="eight green bottles")
    assert refused.value.code == "invalid_credentials"
    with pytest.raises(UnprocessableEntityError):
        users.check_session(session.id, max_age=-1)
    with pytest.raises(NotFoundError):
        users.check_session("session_unknown")


def test_link_names_its_session_through_the_client(client: Client, email: str) -> None:
    users = client.user_management
    user = users.create_user(email=email, password=PASSWORD)
    users.authenticate_with_password(email=email, password=PASSWORD)
    (session,) = users.list_sessions(user.id).data
    users.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
    link = client.hosted_pages.create_challenge_link(user_id=user.id, session_id=session.id)
    assert client.hosted_pages.get_challenge_link(link.id).session_id == session.id
    users.revoke_session(session.id)
    with pytest.raises(ConflictError):
        client.hosted_pages.create_challenge_link(user_id=user.id, session_id=session.id)
