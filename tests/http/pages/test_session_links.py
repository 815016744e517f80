"""The page of a session's link takes codes of an app alone, and says when the session has ended."""

import uuid
from typing import Any

import httpx
import jwt
import pytest

from tests.http.pages.test_recovery_codes import Visit
from tests.support import authenticator
from tests.support.server_process import API_KEY, CLIENT_ID, Server, fields

PASSWORD = "seven green bottles"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def signed_in(api: httpx.Client) -> tuple[dict[str, Any], str]:
    """Return a user, who enrolled after signing in, and the session."""
    body = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
    user = fields(api.post("/user_management/users", json=body), 201)
    grant = {"grant_type": "password", "client_id": CLIENT_ID, "client_secret": API_KEY, **body}
    tokens = fields(api.post("/user_management/authenticate", json=grant), 200)
    path = f"/user_management/users/{user['id']}/auth_factors"
    fields(api.post(path, json={"type": "totp", "totp_secret": SECRET}), 201)
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    return user, str(claims["sid"])


@pytest.fixture
def link(api: httpx.Client, signed_in: tuple[dict[str, Any], str]) -> dict[str, Any]:
    user, session = signed_in
    body = {"user_id": user["id"], "session_id": session}
    made = fields(api.post("/authfactor/challenge_links", json=body), 201)
    assert made["session_id"] == session
    return made


def test_page_raises_the_session_and_the_link_shows_it(
    server: Server,
    api: httpx.Client,
    browser: httpx.Client,
    link: dict[str, Any],
    signed_in: tuple[dict[str, Any], str],
) -> None:
    visit = Visit(server, browser, link)
    assert "recovery" not in visit.get().text
    assert visit.post(code=authenticator.code(SECRET)).status_code == 303
    found = fields(api.get(f"/authfactor/challenge_links/{link['id']}"), 200)
    assert (found["status"], found["session_id"]) == ("completed", signed_in[1])
    asked = {"acr": "urn:authfactor:acr:2", "max_age": 300}
    checked = fields(api.post(f"/authfactor/sessions/{signed_in[1]}/check", json=asked), 200)
    assert checked["satisfied"] is True


def test_page_says_that_the_session_has_ended(
    server: Server, api: httpx.Client, browser: httpx.Client, link: dict[str, Any]
) -> None:
    visit = Visit(server, browser, link)
    api.post("/user_management/sessions/revoke", json={"session_id": link["session_id"]})
    answer = visit.post(code=authenticator.code(SECRET))
    assert answer.status_code == 409
    assert "been signed out" in answer.text
