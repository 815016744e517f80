"""Logout redirects: only to the configured URLs."""

import httpx
import pytest

from authfactor.models import EnvironmentOptions
from tests.support.application import Application, claims, refused

LOGOUT = "/user_management/sessions/logout"
HOME, BYE = "https://app.example.org/", "https://app.example.org/bye?from=logout"
UNKNOWN = "session_01KXM8HJK2M4N6P8R0S2T4V6W8"


async def log_out(application: Application, **query: str) -> httpx.Response:
    """Request the logout as a browser does, without credentials."""
    application.api.headers.pop("authorization", None)
    return await application.api.get(LOGOUT, params=query)


def assert_redirects(response: httpx.Response, url: str) -> None:
    assert (response.status_code, response.content) == (302, b"")
    assert response.headers.get_list("location") == [url]
    assert "set-cookie" not in response.headers


async def test_logout_revokes_the_session_and_redirects(application: Application) -> None:
    await application.configure(None, HOME, BYE)
    user = await application.user()
    tokens = await application.sign_in(user)
    authorization = application.api.headers["authorization"]
    assert_redirects(await log_out(application, session_id=claims(tokens)["sid"], return_to=BYE), BYE)
    application.api.headers["authorization"] = authorization
    assert await application.sessions(user) == []
    (event,) = await application.events("session.revoked")
    assert event["data"]["id"] == claims(tokens)["sid"]
    assert (await application.refresh(tokens["refresh_token"])).status_code == 400


@pytest.mark.parametrize("session_id", [UNKNOWN, "x", "☃"])
async def test_logout_of_an_unknown_session_also_redirects(application: Application, session_id: str) -> None:
    await application.configure(None, HOME, BYE)
    assert_redirects(await log_out(application, session_id=session_id, return_to=BYE), BYE)
    assert_redirects(await log_out(application, session_id=session_id), HOME)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://evil.example/",
        "//evil.example/",
        "https://app.example.org",
        "https://app.example.org/other",
        "https://app.example.org/?",
        "https://app.example.org/#x",
        "https://app.example.org/..",
        "https://app.example.org.evil.example/",
        "https://app.example.org/@evil.example/",
        "https://app.example.org@evil.example/",
        "https://evil.example/https://app.example.org/",
        "https://evil.example/?https://app.example.org/",
        "HTTPS://APP.EXAMPLE.ORG/",
        "http://app.example.org/",
        " https://app.example.org/",
        "https://app.example.org/ ",
        "https://app.example.org/\\evil.example",
        "javascript:alert(1)",
        "https://app.example.org/\r\nset-cookie: a=b",
        "https://app.example.org/\n",
        "\r\nlocation: https://evil.example/",
        "https://app.example.org/\0",
        "https://app.example.org/\u2028",
    ],
)
async def test_unlisted_return_url_becomes_the_default(application: Application, url: str) -> None:
    await application.configure(None, HOME, BYE)
    assert_redirects(await log_out(application, session_id=UNKNOWN, return_to=url), HOME)


async def test_repeated_return_to_never_redirects_to_an_unlisted_url(application: Application) -> None:
    await application.configure(None, HOME, BYE)
    application.api.headers.pop("authorization")
    query = f"session_id={UNKNOWN}&return_to={HOME}&return_to=https://evil.example/"
    assert_redirects(await application.api.get(f"{LOGOUT}?{query}"), HOME)


async def test_control_characters_in_a_listed_url_are_escaped(application: Application) -> None:
    hostile_url = "https://app.example.org/\r\nx: y ☃"
    await application.configure(None, hostile_url)
    response = await log_out(application, session_id=UNKNOWN, return_to=hostile_url)
    assert_redirects(response, "https://app.example.org/%0D%0Ax:%20y%20%E2%98%83")


async def test_logout_without_configured_redirects_is_refused(application: Application) -> None:
    for query in ({"return_to": HOME}, {}):
        response = await log_out(application, session_id=UNKNOWN, **query)
        items = refused(response, "invalid_request_parameters", 422)["errors"]
        assert [item["field"] for item in items] == ["return_to"]


async def test_logout_without_a_session_id_is_refused(application: Application) -> None:
    await application.configure(None, HOME)
    items = refused(await log_out(application, return_to=HOME), "invalid_request_parameters", 422)["errors"]
    assert [item["field"] for item in items] == ["session_id"]


async def test_redirects_of_another_environment_are_not_allowed(
    application: Application,
) -> None:
    await application.configure(None, HOME)
    tokens = await application.sign_in(await application.user())
    foreign_url = "https://theirs.example/"
    environment = await application.environment("client_two")
    update = application.af.environments.update(environment, options=_options(foreign_url))
    await application.af.run(update)
    assert_redirects(
        await log_out(application, session_id=claims(tokens)["sid"], return_to=foreign_url), HOME
    )


def _options(url: str) -> EnvironmentOptions:
    return EnvironmentOptions((url,))
