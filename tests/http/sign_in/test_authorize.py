"""Authorization requests: which are redirected to the application, which to the pages, which nowhere."""

from urllib.parse import urlencode

import httpx
import pytest

from authfactor.rules.hosted_sign_in.flow_refusals import (
    FlowCompleted,
    FlowExpired,
    FlowIncomplete,
    FlowUnknown,
)
from tests.support.application import OTHER_CLIENT, Application
from tests.support.hosted_sign_in import (
    AUTHORIZE,
    CALLBACK,
    STATE,
    Browser,
    answer_in,
    answer_of,
    complete,
    list_callbacks,
    list_redirect_uri,
    request_of,
)

MINUTE = 60


@pytest.fixture
async def browser(application: Application) -> Browser:
    await list_callbacks(application)
    return Browser(application)


async def test_unknown_visitor_is_sent_to_the_pages_with_a_cookie_of_the_flow(browser: Browser) -> None:
    response = await browser.authorize()
    assert response.status_code == 302
    path = response.headers["location"]
    assert path.startswith("/sign-in/flow_")
    cookie = response.headers["set-cookie"]
    assert cookie.endswith(f"; Path={path}; Max-Age=600; HttpOnly; SameSite=Lax")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"


async def test_completed_flow_redirects_with_code_and_state(browser: Browser) -> None:
    location = await browser.sign_in(await browser.application.user())
    assert location.startswith(f"{CALLBACK}?code=")
    answer = answer_in(location)
    assert set(answer) == {"code", "state"}
    assert answer["state"] == STATE


async def test_state_is_sent_back_with_the_same_bytes(browser: Browser) -> None:
    user = await browser.application.user()
    raw = "a*b~c%2F%20+%C3%A9%FF.!'()/:@"
    query = urlencode(request_of(state=None))
    response = await browser.http.get(f"{AUTHORIZE}?{query}&state={raw}")
    flow_id = response.headers["location"].rpartition("/")[2]
    secret = response.headers["set-cookie"].partition(";")[0].partition("=")[2]
    completed = await complete(browser.application, flow_id, secret, user)
    assert completed.location.endswith(f"&state={raw}")


async def test_no_state_is_sent_back_if_none_came(browser: Browser) -> None:
    location = await browser.sign_in(await browser.application.user(), state=None)
    assert set(answer_in(location)) == {"code"}


async def test_signed_in_browser_gets_a_code_at_once(browser: Browser) -> None:
    await browser.sign_in(await browser.application.user())
    answer = answer_of(await browser.authorize())
    assert set(answer) == {"code", "state"}


async def test_hosted_session_of_one_environment_is_none_of_another(browser: Browser) -> None:
    await browser.sign_in(await browser.application.user())
    cookie = browser.http.cookies["signed-in-1"]
    browser.http.cookies.set("signed-in-2", cookie)
    await browser.flow(client_id=OTHER_CLIENT)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "client_unknown"}, "invalid_request"),
        ({"client_id": None}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"redirect_uri": "https://evil.example/callback"}, "invalid_redirect_uri"),
        ({"redirect_uri": f"{CALLBACK}/"}, "invalid_redirect_uri"),
        ({"redirect_uri": f"{CALLBACK}?x=1"}, "invalid_redirect_uri"),
    ],
)
async def test_unknown_client_or_uri_is_never_redirected_to(
    browser: Browser, changes: dict[str, str | None], error: str
) -> None:
    shown = await browser.authorize(**changes)
    assert shown.status_code == 400
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert "location" not in shown.headers
    assert "evil.example" not in shown.text
    told = await browser.http.get(f"{AUTHORIZE}?{urlencode(request_of(**changes))}")
    assert (told.status_code, told.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": "x" * 43}, "invalid_request"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "x" * 42, "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"provider": None}, "invalid_connection_selector"),
        ({"provider": "AcmeOAuth"}, "invalid_connection_selector"),
        ({"provider": "GoogleOAuth"}, "connection_invalid"),
        ({"provider": None, "connection_id": "conn_1"}, "connection_invalid"),
        ({"connection_id": "conn_1"}, "ambiguous_connection_selector"),
        ({"provider": None, "connection_id": "c", "organization_id": "o"}, "ambiguous_connection_selector"),
        ({"provider": "GoogleOAuth", "organization_id": "org_1"}, "ambiguous_connection_selector"),
        ({"organization_id": "org_1"}, "organization_invalid"),
        ({"provider": None, "organization_id": "org_1"}, "organization_invalid"),
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "1e3"}, "invalid_request"),
    ],
)
async def test_bad_request_redirects_with_error_and_state(
    browser: Browser, changes: dict[str, str | None], error: str
) -> None:
    answer = answer_of(await browser.authorize(**changes))
    assert answer["error"] == error
    assert answer["error_description"]
    assert answer["state"] == STATE


@pytest.mark.parametrize("name", ["state", "provider", "code_challenge", "prompt"])
async def test_parameter_given_twice_is_refused(browser: Browser, name: str) -> None:
    query = urlencode([*request_of().items(), (name, "x"), (name, "x")])
    answer = answer_of(await browser.http.get(f"{AUTHORIZE}?{query}"))
    assert answer["error"] == "invalid_request"


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_client_or_uri_given_twice_is_not_redirected_to(browser: Browser, name: str) -> None:
    query = urlencode([*request_of().items(), (name, request_of()[name])])
    response = await browser.http.get(f"{AUTHORIZE}?{query}")
    assert response.status_code == 400
    assert "location" not in response.headers


async def test_unknown_parameters_are_ignored(browser: Browser) -> None:
    await browser.flow(claim_nonce="x", context="y", password_reset_token="z", prompt="consent later")


async def test_login_hint_is_kept_for_the_form(browser: Browser) -> None:
    flow_id, secret = await browser.flow(login_hint="kim@example.org", screen_hint="sign-up")
    flows = browser.application.af.sign_in_flows
    opened = await browser.application.af.read(flows.load(flow_id, secret))
    assert (opened.flow.email, opened.flow.request.screen_hint) == ("kim@example.org", "sign-up")


async def test_prompt_login_asks_again_and_none_does_not_ask(browser: Browser) -> None:
    await browser.sign_in(await browser.application.user())
    await browser.flow(prompt="login")
    await browser.flow(prompt="select_account")
    assert "code" in answer_of(await browser.authorize(prompt="none"))


async def test_proof_older_than_max_age_is_asked_for_again(browser: Browser) -> None:
    user = await browser.application.user()
    await browser.sign_in(user)
    browser.application.clock.advance(5 * MINUTE)
    assert "code" in answer_of(await browser.authorize(max_age="300"))
    assert answer_of(await browser.authorize(max_age="299", prompt="none"))["error"] == "login_required"
    flow_id, secret = await browser.flow(max_age="299")
    old = browser.application.clock.now - 5 * MINUTE * 1000
    with pytest.raises(FlowIncomplete):
        await complete(browser.application, flow_id, secret, user, authenticated_at=old)
    assert (await complete(browser.application, flow_id, secret, user)).location
    await browser.flow(max_age="0")


async def test_second_factor_that_is_missing_stops_the_shortcut(browser: Browser) -> None:
    user = await browser.application.user()
    await browser.sign_in(user)
    await browser.application.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    assert answer_of(await browser.authorize(prompt="none"))["error"] == "login_required"
    flow_id, secret = await browser.flow()
    with pytest.raises(FlowIncomplete):
        await complete(browser.application, flow_id, secret, user)


async def test_flow_is_completed_once(browser: Browser) -> None:
    user = await browser.application.user()
    flow_id, secret = await browser.flow()
    await complete(browser.application, flow_id, secret, user)
    with pytest.raises(FlowCompleted):
        await complete(browser.application, flow_id, secret, user)


async def test_flow_ends_after_ten_minutes(browser: Browser) -> None:
    user = await browser.application.user()
    flow_id, secret = await browser.flow()
    browser.application.clock.advance(10 * MINUTE)
    with pytest.raises(FlowExpired):
        await complete(browser.application, flow_id, secret, user)


async def test_flow_is_unknown_to_other_browsers(browser: Browser) -> None:
    user = await browser.application.user()
    flow_id, _ = await browser.flow()
    _, secret = await browser.flow()
    with pytest.raises(FlowUnknown):
        await complete(browser.application, flow_id, secret, user)
    page = await browser.http.get(f"/sign-in/{flow_id}", headers={"cookie": f"sign-in={secret}"})
    assert page.status_code == 404


async def test_loopback_uri_needs_no_list_on_a_development_server(browser: Browser) -> None:
    for uri in ("http://localhost:3000/callback", "http://127.0.0.1:1/", "http://[::1]:65535"):
        await browser.flow(redirect_uri=uri)
    for uri in (
        "http://localhost.evil.example/",
        "http://localhost@evil.example/",
        "http://localhost:80\\@e/",
    ):
        assert (await browser.authorize(redirect_uri=uri)).status_code == 400


async def test_query_of_a_redirect_uri_is_kept(browser: Browser) -> None:
    uri = f"{CALLBACK}?tenant=acme"
    await list_redirect_uri(browser.application, uri)
    location = await browser.sign_in(await browser.application.user(), redirect_uri=uri)
    assert location.startswith(f"{uri}&code=")


async def test_flows_of_one_network_are_limited(browser: Browser) -> None:
    statement = "UPDATE throttles SET full_at = full_at + 120000 WHERE subject LIKE 'flows:%'"
    await browser.flow()
    browser.application.sql(statement)
    response: httpx.Response = await browser.authorize()
    assert response.status_code == 429
