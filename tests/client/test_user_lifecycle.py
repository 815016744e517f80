"""A user's lifecycle through the client: the same over HTTP and in process, blocking and async."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from authfactor import AsyncClient, Client
from authfactor.client import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    MfaChallengeError,
    NotFoundError,
    TooManyAttemptsError,
    UnprocessableEntityError,
)
from tests.client.conftest import PASSWORD, SECRET
from tests.support import authenticator
from tests.support.server_process import API_KEY, CLIENT_ID, Server


def test_user_enrolls_and_verifies(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email, first_name="Kim", metadata={"plan": "pro"})
    enrolled = client.user_management.enroll_auth_factor(user_id=user.id, type="totp", totp_issuer="Acme")
    factor, challenge = enrolled.authentication_factor, enrolled.authentication_challenge

    assert (user.email, user.first_name, user.metadata) == (email, "Kim", {"plan": "pro"})
    assert (factor.user_id, factor.totp.issuer, factor.totp.user) == (user.id, "Acme", email)
    assert factor.totp.uri.startswith("otpauth://totp/Acme:")
    assert factor.totp.qr_code.startswith("data:image/png;base64,")
    assert challenge.authentication_factor_id == factor.id
    assert challenge.expires_at is not None
    assert challenge.expires_at - challenge.created_at == timedelta(minutes=10)
    assert abs(datetime.now(UTC) - factor.created_at) < timedelta(minutes=1)

    wrong = client.mfa.verify_challenge(challenge.id, authenticator.wrong_code(factor.totp.secret))
    assert (wrong.valid, wrong.reason, wrong.attempts_remaining) == (False, "code_mismatch", 4)
    assert client.mfa.verify_challenge(challenge.id, authenticator.code(factor.totp.secret)).valid
    second_challenge = client.mfa.challenge_factor(factor.id)
    replayed = client.mfa.verify_challenge(second_challenge.id, authenticator.code(factor.totp.secret))
    assert (replayed.valid, replayed.reason) == (False, "code_already_used")


def test_user_signs_in_refreshes_and_loses_a_revoked_session(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email, password=PASSWORD)
    client.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
    with pytest.raises(MfaChallengeError) as raised:
        client.user_management.authenticate_with_password(email=email, password=PASSWORD)
    mfa_required = raised.value

    assert mfa_required.status == 403
    assert mfa_required.user is not None
    assert mfa_required.user.id == user.id
    assert mfa_required.authentication_challenge is not None
    assert [factor.id for factor in mfa_required.authentication_factors] == [
        mfa_required.authentication_challenge.authentication_factor_id
    ]

    signed_in = client.user_management.authenticate_with_totp(
        code=authenticator.code(SECRET),
        pending_authentication_token=mfa_required.pending_authentication_token,
        authentication_challenge_id=mfa_required.authentication_challenge.id,
    )
    key = next(iter(client.user_management.get_jwks().keys))
    assert jwt.get_unverified_header(signed_in.access_token)["kid"] == key.kid
    public = jwt.PyJWK({"kty": key.kty, "n": key.n, "e": key.e, "alg": key.alg})
    claims = jwt.decode(signed_in.access_token, public, options={"verify_aud": False})
    assert claims["sub"] == user.id
    assert claims["client_id"] in client.user_management.get_jwks_url()

    refreshed = client.user_management.authenticate_with_refresh_token(refresh_token=signed_in.refresh_token)
    assert refreshed.user.id == user.id
    assert refreshed.user.last_sign_in_at is not None
    sessions = client.user_management.list_sessions(user.id).data
    assert [(session.id, session.status) for session in sessions] == [(claims["sid"], "active")]
    assert claims["sid"] in client.user_management.get_logout_url(claims["sid"], "https://example.org/?a=b")
    client.user_management.revoke_session(claims["sid"])
    with pytest.raises(BadRequestError) as refused:
        client.user_management.authenticate_with_refresh_token(refresh_token=refreshed.refresh_token)
    assert refused.value.code == "invalid_grant"


def test_errors_carry_class_code_and_fields(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    with pytest.raises(UnprocessableEntityError) as invalid:
        client.user_management.enroll_auth_factor(user_id=user.id, totp_secret="0189!")
    with pytest.raises(NotFoundError) as unknown:
        client.mfa.get_factor("auth_factor_01HZZZZZZZZZZZZZZZZZZZZZZZ")
    with pytest.raises(BadRequestError) as taken:
        client.user_management.create_user(email=email)
    challenge = client.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
    for _ in range(5):
        client.mfa.verify_challenge(challenge.authentication_challenge.id, authenticator.wrong_code(SECRET))
    with pytest.raises(TooManyAttemptsError) as exhausted:
        client.mfa.verify_challenge(challenge.authentication_challenge.id, authenticator.code(SECRET))

    assert (invalid.value.status, invalid.value.code) == (422, "invalid_request_parameters")
    assert [(item.field, item.code) for item in invalid.value.errors] == [
        ("totp_secret", "totp_secret_invalid")
    ]
    assert invalid.value.request_id is not None
    assert invalid.value.request_id in str(invalid.value)
    assert (unknown.value.code, unknown.value.entity_id) == (
        "entity_not_found",
        "auth_factor_01HZZZZZZZZZZZZZZZZZZZZZZZ",
    )
    assert [item.code for item in taken.value.errors] == ["email_not_available"]
    assert (exhausted.value.status, exhausted.value.locked_until) == (400, None)


def test_wrong_api_key_raises_an_authentication_error(server: Server) -> None:
    with (
        Client(base_url=server.url, api_key="sk_wrong") as client,
        pytest.raises(AuthenticationError, match="401: Unauthorized"),
    ):
        client.user_management.list_users()


def test_update_user_changes_clears_and_keeps_fields(client: Client, email: str) -> None:
    user = client.user_management.create_user(
        email=email, first_name="Kim", last_name="Doe", external_id=email, metadata={"a": "1", "b": "2"}
    )
    assert client.user_management.get_user_by_external_id(email) == user
    changed = client.user_management.update_user(
        user_id=user.id, first_name="Sam", external_id=None, metadata={"a": None}
    )

    assert (changed.first_name, changed.last_name, changed.external_id) == ("Sam", "Doe", None)
    assert changed.metadata == {"b": "2"}
    assert client.user_management.get_user(user.id) == changed
    client.user_management.delete_user(user.id)
    with pytest.raises(NotFoundError):
        client.user_management.get_user(user.id)


def test_iterating_a_page_fetches_the_following_pages(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    factor_ids = [
        client.user_management.enroll_auth_factor(user_id=user.id).authentication_factor.id for _ in range(5)
    ]
    page = client.user_management.list_auth_factors(user_id=user.id, limit=2)

    assert [factor.id for factor in page.data] == factor_ids[:2:-1]
    assert page.list_metadata.after == factor_ids[3]
    assert [factor.id for factor in page] == factor_ids[::-1]
    assert [factor.id for factor in page.auto_paging_iter()] == factor_ids[::-1]
    ascending = client.user_management.list_auth_factors(
        user_id=user.id, limit=2, order="asc", after=factor_ids[0]
    )
    assert [factor.id for factor in ascending] == factor_ids[1:]
    assert not hasattr(page.data[0].totp, "secret")


def test_events_are_listed_by_name_and_start_time(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    client.user_management.delete_user(user.id)
    listed = client.events.list_events(
        events=["user.created", "user.deleted"], range_start=datetime.now(UTC) - timedelta(minutes=1), limit=1
    )

    assert [event.event for event in listed if event.data["id"] == user.id] == [
        "user.created",
        "user.deleted",
    ]
    with pytest.raises(ValueError, match="time zone"):
        client.events.list_events(events=["user.created"], range_start=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_webhook_endpoints_are_created_updated_and_deleted(client: Client) -> None:
    created = client.webhooks.create_webhook_endpoint(
        endpoint_url="https://example.org/hooks", events=["user.created"]
    )
    changed = client.webhooks.update_webhook_endpoint(created.id, status="disabled")

    assert (created.status, changed.status, changed.events) == ("enabled", "disabled", ("user.created",))
    assert created.secret not in repr(created)
    assert changed in client.webhooks.list_webhook_endpoints().data
    client.webhooks.delete_webhook_endpoint(created.id)
    with pytest.raises(NotFoundError):
        client.webhooks.delete_webhook_endpoint(created.id)


def test_webhook_endpoint_is_pinged(client: Client) -> None:
    created = client.webhooks.create_webhook_endpoint(
        endpoint_url="https://example.org/pinged", events=["user.created"]
    )
    queued = client.webhooks.ping_webhook_endpoint(created.id)
    assert (queued.endpoint_id, queued.event, queued.state) == (created.id, "authfactor.ping", "pending")
    client.webhooks.update_webhook_endpoint(created.id, status="disabled")
    with pytest.raises(ConflictError) as refused:
        client.webhooks.ping_webhook_endpoint(created.id)
    assert refused.value.code == "webhook_endpoint_disabled"
    client.webhooks.delete_webhook_endpoint(created.id)


def test_repr_shows_no_secrets_or_tokens(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email, password=PASSWORD)
    signed_in = client.user_management.authenticate_with_password(email=email, password=PASSWORD)
    enrolled = client.user_management.enroll_auth_factor(user_id=user.id)
    totp = enrolled.authentication_factor.totp

    assert signed_in.access_token not in repr(signed_in)
    assert signed_in.refresh_token not in repr(signed_in)
    assert totp.secret not in repr(enrolled)
    assert totp.qr_code not in repr(enrolled)
    assert enrolled.to_dict()["authentication_factor"]["totp"]["secret"] == totp.secret


def test_standalone_factor_has_no_user(client: Client) -> None:
    factor = client.mfa.enroll_factor(totp_issuer="Acme", totp_user="door 7")

    assert factor.user_id is None
    found = client.mfa.get_factor(factor.id)
    assert found.totp is not None
    assert found.totp.user == "door 7"
    client.mfa.delete_factor(factor.id)


@pytest.fixture(params=["http", "in process"])
async def async_client(
    request: pytest.FixtureRequest, server: Server, folder: Path
) -> AsyncIterator[AsyncClient]:
    unopened = (
        AsyncClient(base_url=server.url, api_key=API_KEY, client_id=CLIENT_ID)
        if request.param == "http"
        else AsyncClient(data=folder)
    )
    async with unopened as client:
        yield client


async def test_async_client_enrolls_verifies_pages_and_deletes(async_client: AsyncClient, email: str) -> None:
    client = async_client
    user = await client.user_management.create_user(email=email, password=PASSWORD)
    enrolled = await asyncio.gather(
        *(client.user_management.enroll_auth_factor(user_id=user.id) for _ in range(5))
    )
    first = enrolled[0]
    code = authenticator.code(first.authentication_factor.totp.secret)
    assert (await client.mfa.verify_challenge(first.authentication_challenge.id, code)).valid
    page = await client.user_management.list_auth_factors(user_id=user.id, limit=2)

    found = {factor.id async for factor in page}
    assert found == {one.authentication_factor.id for one in enrolled}
    with pytest.raises(MfaChallengeError):
        await client.user_management.authenticate_with_password(email=email, password=PASSWORD)
    await client.user_management.delete_user(user.id)
    with pytest.raises(NotFoundError):
        await client.user_management.get_user(user.id)
