"""Logout: redirects only to the configured URLs of the session's own environment, else a page."""

import asyncio
from typing import Any

import httpx
import pytest

from authfactor.models import EnvironmentOptions
from tests.support.application import CLIENT, OTHER_CLIENT, OTHER_KEY, Application, claims, refused

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


def assert_signed_out(response: httpx.Response, name: str) -> None:
    """Check the page that a logout without a redirect shows, for the environment with this name."""
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"<title>You are signed out \N{EN DASH} {name}</title>" in response.text
    assert "location" not in response.headers
    assert "set-cookie" not in response.headers


async def session_of(application: Application) -> str:
    return str(claims(await application.sign_in(await application.user()))["sid"])


def remove_other_environment(application: Application) -> None:
    application.sql("DELETE FROM api_keys WHERE environment = 2")
    application.sql("DELETE FROM signing_keys WHERE environment = 2")
    application.sql("DELETE FROM environments WHERE number = 2")


@pytest.mark.parametrize("session_id", [UNKNOWN, "x", "☃", "\0"])
async def test_the_only_environments_redirects_apply_to_an_unknown_session(
    application: Application, session_id: str
) -> None:
    await application.configure(None, HOME, BYE)
    remove_other_environment(application)
    assert_redirects(await log_out(application, session_id=session_id, return_to=BYE), BYE)
    assert_redirects(await log_out(application, session_id=session_id), HOME)


@pytest.mark.parametrize("session_id", [UNKNOWN, "x", "☃", "\0"])
async def test_an_unknown_session_of_several_environments_redirects_to_none_of_them(
    application: Application, session_id: str
) -> None:
    await application.configure(None, HOME, BYE)
    assert_signed_out(await log_out(application, session_id=session_id, return_to=BYE), "authfactor")


async def test_a_logout_after_the_session_ended_still_redirects(application: Application) -> None:
    await application.configure(None, HOME, BYE)
    session_id = await session_of(application)
    for _ in range(2):
        assert_redirects(await log_out(application, session_id=session_id, return_to=BYE), BYE)
    assert len(application.sql("SELECT id FROM events WHERE name = 'session.revoked'")) == 1


class CountingStore:
    """The store of an application, with a count of its units."""

    def __init__(self, store: Any) -> None:  # noqa: ANN401 - a store
        self._store = store
        self.reads, self.writes = 0, 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute
        return getattr(self._store, name)

    async def read(self, unit: Any) -> Any:  # noqa: ANN401 - any unit
        self.reads += 1
        return await self._store.read(unit)

    async def write(self, unit: Any) -> Any:  # noqa: ANN401 - any unit
        self.writes += 1
        return await self._store.write(unit)


async def test_a_strangers_logout_costs_one_look_up_and_no_write(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    await application.configure(None, HOME)
    ended = await session_of(application)
    await log_out(application, session_id=ended)
    counting = CountingStore(application.af.store)
    monkeypatch.setattr(application.af, "store", counting)

    for number, session_id in enumerate((UNKNOWN, "x", ended), 1):
        await log_out(application, session_id=session_id)
        assert (counting.reads, counting.writes) == (number, 0)


async def test_concurrent_logouts_end_a_session_once(application: Application) -> None:
    await application.configure(None, HOME)
    session_id = await session_of(application)
    responses = await asyncio.gather(*(log_out(application, session_id=session_id) for _ in range(50)))
    for response in responses:
        assert_redirects(response, HOME)
    assert len(application.sql("SELECT id FROM events WHERE name = 'session.revoked'")) == 1


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
    session_id = await session_of(application)
    assert_redirects(await log_out(application, session_id=session_id, return_to=url), HOME)


async def test_repeated_return_to_never_redirects_to_an_unlisted_url(application: Application) -> None:
    await application.configure(None, HOME, BYE)
    session_id = await session_of(application)
    application.api.headers.pop("authorization")
    query = f"session_id={session_id}&return_to={HOME}&return_to=https://evil.example/"
    assert_redirects(await application.api.get(f"{LOGOUT}?{query}"), HOME)


async def test_control_characters_in_a_listed_url_are_escaped(application: Application) -> None:
    hostile_url = "https://app.example.org/\r\nx: y ☃"
    await application.configure(None, hostile_url)
    session_id = await session_of(application)
    response = await log_out(application, session_id=session_id, return_to=hostile_url)
    assert_redirects(response, "https://app.example.org/%0D%0Ax:%20y%20%E2%98%83")


async def test_logout_without_configured_redirects_ends_the_session_and_shows_a_page(
    application: Application,
) -> None:
    user = await application.user()
    session_id = claims(await application.sign_in(user))["sid"]
    authorization = application.api.headers["authorization"]
    for query in ({"return_to": HOME}, {}):
        response = await log_out(application, session_id=session_id, **query)
        assert_signed_out(response, "Acme")
        assert HOME not in response.text
        assert session_id not in response.text
    application.api.headers["authorization"] = authorization
    assert await application.sessions(user) == []


async def test_logout_page_has_the_branding_and_the_browsers_language(application: Application) -> None:
    session_id = await session_of(application)
    application.sql(
        "INSERT INTO brandings (environment, name, color, updated_at) VALUES (1, 'Acme & Co', '#0a7d5a', 1)"
    )
    application.api.headers["accept-language"] = "de"
    response = await log_out(application, session_id=session_id)
    assert '<html lang="de">' in response.text
    assert "\N{EN DASH} Acme &amp; Co</title>" in response.text
    assert f"/assets/brand/{CLIENT}/" in response.text


async def test_logout_without_a_session_id_is_refused(application: Application) -> None:
    await application.configure(None, HOME)
    items = refused(await log_out(application, return_to=HOME), "invalid_request_parameters", 422)["errors"]
    assert [item["field"] for item in items] == ["session_id"]


THEIRS = "https://theirs.example/"


async def configure_other_environment(application: Application) -> None:
    environment = await application.environment(OTHER_CLIENT)
    update = application.af.environments.update(environment, options=EnvironmentOptions((THEIRS,)))
    await application.af.run(update)


async def test_redirects_of_another_environment_are_not_allowed(
    application: Application,
) -> None:
    await application.configure(None, HOME)
    await configure_other_environment(application)
    assert_redirects(
        await log_out(application, session_id=await session_of(application), return_to=THEIRS), HOME
    )
    user = await application.user(application.other)
    credentials = {"client_id": OTHER_CLIENT, "client_secret": OTHER_KEY}
    session_id = claims(await application.sign_in(user, **credentials))["sid"]
    assert_redirects(await log_out(application, session_id=session_id, return_to=HOME), THEIRS)


async def test_an_environment_without_redirects_never_uses_those_of_another(
    application: Application,
) -> None:
    await configure_other_environment(application)
    session_id = await session_of(application)
    assert_signed_out(await log_out(application, session_id=session_id, return_to=THEIRS), "Acme")
