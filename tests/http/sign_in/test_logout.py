"""Where a browser goes after logging out: to the places on the list, and nowhere else."""

import httpx
import pytest

from authfactor.models import EnvironmentOptions
from tests.support.application import Application, claims, refused

LOGOUT = "/user_management/sessions/logout"
HOME, BYE = "https://app.example.org/", "https://app.example.org/bye?from=logout"
UNKNOWN = "session_01KXM8HJK2M4N6P8R0S2T4V6W8"


async def log_out(application: Application, **query: str) -> httpx.Response:
    """Ask as a browser does: without any credential."""
    application.api.headers.pop("authorization", None)
    return await application.api.get(LOGOUT, params=query)


def assert_sent_to(answer: httpx.Response, place: str) -> None:
    assert (answer.status_code, answer.content) == (302, b"")
    assert answer.headers.get_list("location") == [place]
    assert "set-cookie" not in answer.headers


async def test_it_ends_the_session_and_sends_the_browser_on(application: Application) -> None:
    await application.configure(None, HOME, BYE)
    user = await application.user()
    tokens = await application.sign_in(user)
    authorization = application.api.headers["authorization"]
    assert_sent_to(await log_out(application, session_id=claims(tokens)["sid"], return_to=BYE), BYE)
    application.api.headers["authorization"] = authorization
    assert await application.sessions(user) == []
    (event,) = await application.events("session.revoked")
    assert event["data"]["id"] == claims(tokens)["sid"]
    assert (await application.refresh(tokens["refresh_token"])).status_code == 400


@pytest.mark.parametrize("session_id", [UNKNOWN, "x", "☃"])
async def test_an_unknown_session_is_sent_on_all_the_same(application: Application, session_id: str) -> None:
    await application.configure(None, HOME, BYE)
    assert_sent_to(await log_out(application, session_id=session_id, return_to=BYE), BYE)
    assert_sent_to(await log_out(application, session_id=session_id), HOME)


@pytest.mark.parametrize(
    "place",
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
async def test_any_other_place_becomes_the_default(application: Application, place: str) -> None:
    await application.configure(None, HOME, BYE)
    assert_sent_to(await log_out(application, session_id=UNKNOWN, return_to=place), HOME)


async def test_of_two_places_only_one_on_the_list_can_be_meant(application: Application) -> None:
    await application.configure(None, HOME, BYE)
    application.api.headers.pop("authorization")
    query = f"session_id={UNKNOWN}&return_to={HOME}&return_to=https://evil.example/"
    assert_sent_to(await application.api.get(f"{LOGOUT}?{query}"), HOME)


async def test_a_place_on_the_list_cannot_break_the_header_either(application: Application) -> None:
    odd = "https://app.example.org/\r\nx: y ☃"
    await application.configure(None, odd)
    answer = await log_out(application, session_id=UNKNOWN, return_to=odd)
    assert_sent_to(answer, "https://app.example.org/%0D%0Ax:%20y%20%E2%98%83")


async def test_without_a_list_there_is_nowhere_to_go(application: Application) -> None:
    for query in ({"return_to": HOME}, {}):
        answer = await log_out(application, session_id=UNKNOWN, **query)
        items = refused(answer, "invalid_request_parameters", 422)["errors"]
        assert [item["field"] for item in items] == ["return_to"]


async def test_without_a_session_id_the_request_is_invalid(application: Application) -> None:
    await application.configure(None, HOME)
    items = refused(await log_out(application, return_to=HOME), "invalid_request_parameters", 422)["errors"]
    assert [item["field"] for item in items] == ["session_id"]


async def test_the_list_of_another_environment_does_not_count_for_a_known_session(
    application: Application,
) -> None:
    await application.configure(None, HOME)
    tokens = await application.sign_in(await application.user())
    theirs = "https://theirs.example/"
    environment = await application.environment("client_two")
    options = application.af.environments.update(environment, options=_only(theirs))
    await application.af.run(options)
    assert_sent_to(await log_out(application, session_id=claims(tokens)["sid"], return_to=theirs), HOME)


def _only(place: str) -> EnvironmentOptions:
    return EnvironmentOptions((place,))
