"""Links to hosted pages and their branding through both clients, over HTTP and in process."""

import struct
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
import pytest

from authfactor import AsyncClient, Client
from authfactor.client import ConflictError, HostedPageBranding, NotFoundError, UnprocessableEntityError
from tests.client.conftest import SECRET
from tests.support import authenticator
from tests.support.server_process import API_KEY, Server


def png(size: int) -> bytes:
    """Return a black square as a PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" * (size + 1)) * size)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


LOGO: Final = png(8)


def test_enrollment_link_is_created_once_with_its_url(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    link = client.hosted_pages.create_enrollment_link(user_id=user.id, totp_issuer="Acme", totp_user="Kim")

    assert (link.object, link.user_id, link.status) == ("enrollment_link", user.id, "pending")
    assert link.expires_at - link.created_at == timedelta(minutes=10)
    assert link.url is not None
    assert "/link/" in link.url
    assert link.url not in repr(link)
    assert link.url in str(link.to_dict())

    again = client.hosted_pages.get_enrollment_link(link.id)
    assert (again.id, again.status, again.url, again.factor_id) == (link.id, "pending", None, None)


def test_factors_link_names_the_session_that_stays(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    link = client.hosted_pages.create_factors_link(user_id=user.id)
    assert (link.object, link.status, link.session_id) == ("factors_link", "pending", None)
    assert link.url is not None
    assert link.url not in repr(link)
    again = client.hosted_pages.get_factors_link(link.id)
    assert (again.id, again.url) == (link.id, None)
    with pytest.raises(NotFoundError):
        client.hosted_pages.create_factors_link(user_id=user.id, session_id="session_x")
    with pytest.raises(NotFoundError):
        client.hosted_pages.get_enrollment_link(link.id)


def test_challenge_link_is_for_one_factor(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    with pytest.raises(ConflictError):
        client.hosted_pages.create_challenge_link(user_id=user.id)
    made = client.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
    factor_id = made.authentication_factor.id
    link = client.hosted_pages.create_challenge_link(user_id=user.id, factor_id=factor_id)

    assert (link.object, link.factor_id, link.status) == ("challenge_link", factor_id, "pending")
    assert client.hosted_pages.get_challenge_link(link.id).id == link.id
    with pytest.raises(NotFoundError):
        client.hosted_pages.get_enrollment_link(link.id)


def test_refused_links_raise_typed_errors(client: Client, email: str) -> None:
    user = client.user_management.create_user(email=email)
    with pytest.raises(NotFoundError):
        client.hosted_pages.create_enrollment_link(user_id="user_unknown")
    with pytest.raises(UnprocessableEntityError, match="return_to"):
        client.hosted_pages.create_enrollment_link(user_id=user.id, return_to="https://evil.example/")
    with pytest.raises(UnprocessableEntityError, match="state"):
        client.hosted_pages.create_challenge_link(user_id=user.id, state="order-7")
    with pytest.raises(ValueError, match="an id is empty"):
        client.hosted_pages.get_challenge_link("")


def test_branding_changes_only_what_is_given(client: Client) -> None:
    pages = client.hosted_pages
    changed = pages.update_branding(name="Wild Garden", color="#0a7d5a", logo=LOGO)
    assert (changed.name, changed.color) == ("Wild Garden", "#0a7d5a")
    assert changed.logo_url is not None
    assert changed.updated_at is not None

    recolored = pages.update_branding(color="#123456")
    assert (recolored.name, recolored.color) == ("Wild Garden", "#123456")
    assert recolored.logo_url is not None
    without_logo = pages.update_branding(logo=None)
    assert (without_logo.name, without_logo.logo_url) == ("Wild Garden", None)
    assert pages.get_branding() == without_logo

    with pytest.raises(UnprocessableEntityError, match="color"):
        pages.update_branding(color="red")
    with pytest.raises(UnprocessableEntityError, match="logo"):
        pages.update_branding(logo=b"GIF89a")
    assert pages.get_branding() == without_logo
    pages.update_branding(name=None, color=None, logo=None)
    assert (pages.get_branding().name, pages.get_branding().color) == (None, None)


def test_the_url_of_a_link_leads_to_its_page_and_the_status_follows(server: Server, email: str) -> None:
    with (
        Client(base_url=server.url, api_key=API_KEY) as client,
        httpx.Client(follow_redirects=True) as browser,
    ):
        user = client.user_management.create_user(email=email)
        client.user_management.enroll_auth_factor(user_id=user.id, totp_secret=SECRET)
        link = client.hosted_pages.create_challenge_link(user_id=user.id)
        assert link.url is not None
        page = browser.post(link.url, headers={"origin": server.url})
        assert client.hosted_pages.get_challenge_link(link.id).status == "opened"
        form = {"code": authenticator.code(SECRET)}
        browser.post(page.url, data=form, headers={"origin": server.url}).raise_for_status()
        done = client.hosted_pages.get_challenge_link(link.id)
    assert done.status == "completed"
    assert done.opened_at is not None
    assert done.completed_at is not None


@pytest.mark.parametrize("transport", ["http", "in process"])
async def test_async_client_has_the_same_methods(
    transport: str, server: Server, folder: Path, email: str
) -> None:
    made = (
        AsyncClient(base_url=server.url, api_key=API_KEY) if transport == "http" else AsyncClient(data=folder)
    )
    async with made as client:
        user = await client.user_management.create_user(email=email)
        link = await client.hosted_pages.create_enrollment_link(user_id=user.id)
        assert (await client.hosted_pages.get_enrollment_link(link.id)).status == "pending"
        branding = await client.hosted_pages.update_branding(name="Acme")
        assert isinstance(branding, HostedPageBranding)
        assert await client.hosted_pages.get_branding() == branding
        await client.hosted_pages.update_branding(name=None)
