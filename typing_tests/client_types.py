"""What type checkers make of the client: checked by mypy and pyright, never run."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import assert_type

from authfactor import AsyncClient, Client
from authfactor.client import (
    AsyncPage,
    AuthenticationChallenge,
    AuthenticationChallengeVerificationResponse,
    AuthenticationFactorReference,
    AuthenticationFactorTotp,
    AuthenticationFactorTotpAndChallengeResponse,
    AuthenticationFactorTotpExtended,
    AuthenticationResponse,
    Event,
    HostedPageBranding,
    HostedPageLink,
    MfaChallengeError,
    Page,
    User,
    verify_event,
)


def blocking(client: Client) -> None:
    user = client.user_management.create_user(email="kim@example.org", metadata={"plan": "pro"})
    assert_type(user, User)
    assert_type(user.created_at, datetime)
    made = client.user_management.enroll_auth_factor(user_id=user.id, type="totp", totp_issuer="Acme")
    assert_type(made, AuthenticationFactorTotpAndChallengeResponse)
    assert_type(made.authentication_factor, AuthenticationFactorTotpExtended)
    assert_type(made.authentication_factor.totp.secret, str)
    assert_type(made.authentication_challenge, AuthenticationChallenge)
    verified = client.mfa.verify_challenge(made.authentication_challenge.id, "123456")
    assert_type(verified, AuthenticationChallengeVerificationResponse)
    page = client.user_management.list_auth_factors(user_id=user.id, limit=5)
    assert_type(page, Page[AuthenticationFactorTotp])
    assert_type(page.data, tuple[AuthenticationFactorTotp, ...])
    assert_type(page.auto_paging_iter(), Iterator[AuthenticationFactorTotp])
    for factor in page:
        assert_type(factor, AuthenticationFactorTotp)
    assert_type(client.events.list_events(events=["user.created"]), Page[Event])
    assert_type(client.webhooks.verify_event(event_body=b"", event_signature="", secret=""), Event)
    assert_type(verify_event(event_body=b"", event_signature="", secret=""), Event)
    assert_type(client.user_management.get_jwks_url(), str)
    link = client.hosted_pages.create_enrollment_link(user_id=user.id)
    assert_type(link, HostedPageLink)
    assert_type(client.hosted_pages.create_factors_link(user_id=user.id), HostedPageLink)
    assert_type(link.url, str | None)
    assert_type(client.hosted_pages.update_branding(logo=None), HostedPageBranding)
    client.user_management.delete_user(user.id)
    try:
        client.user_management.authenticate_with_password(email="kim@example.org", password="…")
    except MfaChallengeError as needed:
        assert_type(needed.authentication_factors, tuple[AuthenticationFactorReference, ...])
        assert_type(needed.authentication_challenge, AuthenticationChallenge | None)
        assert_type(needed.pending_authentication_token, str)


async def waiting(client: AsyncClient) -> None:
    async with client as opened:
        assert_type(opened, AsyncClient)
    user = await client.user_management.create_user(email="kim@example.org")
    assert_type(user, User)
    assert_type(await client.hosted_pages.get_challenge_link("link_1"), HostedPageLink)
    assert_type(await client.hosted_pages.get_branding(), HostedPageBranding)
    page = await client.user_management.list_users(order="asc")
    assert_type(page, AsyncPage[User])
    assert_type(page.auto_paging_iter(), AsyncIterator[User])
    async for listed in page:
        assert_type(listed, User)
    signed_in = await client.user_management.authenticate_with_refresh_token(refresh_token="…")
    assert_type(signed_in, AuthenticationResponse)


def mistakes(client: Client) -> None:
    """Each ignored line is an error that must be found; an ignore that is not needed is one itself."""
    client.user_management.enroll_auth_factor()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.user_management.enroll_auth_factor(user_id=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.user_management.enroll_auth_factor("user_1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.user_management.enroll_auth_factor(user_id="user_1", type="sms")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.user_management.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    client.user_management.get_user("user_1").id = "user_2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Client("sk_x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
