"""Attacks on the hosted sign-in: redirects, mix-up, forged hosts, planted cookies, interrupted flows."""

import asyncio
from urllib.parse import quote, urlencode, urlsplit

import pytest

from authfactor import errors
from authfactor.rules.hosted_sign_in.flow_progress import FlowVisit
from authfactor.rules.hosted_sign_in.flow_refusals import FlowCompleted, FlowIncomplete, FlowUnknown
from authfactor.rules.hosted_sign_in.sign_in_flows import CompletedFlow, StartedFlow
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from tests.support.application import OTHER_CLIENT, Application, Json
from tests.support.hosted_sign_in import (
    AUTHORIZE,
    CALLBACK,
    Browser,
    answer_in,
    complete,
    list_callbacks,
    list_redirect_uri,
    proof_of,
    request_of,
)

WILD = "https://pr-*.example.org/callback"
# Ways to write a URI so that a careless comparison takes it for a listed one.
SPELLINGS = [
    f"{CALLBACK}.evil.example",
    f"{CALLBACK}@evil.example",
    f"{CALLBACK}/../../evil",
    f"{CALLBACK}%00",
    f"{CALLBACK}\x00",
    f"{CALLBACK}\r\nLocation: https://evil.example",
    f"{CALLBACK}#@evil.example",
    f"{CALLBACK};evil",
    f" {CALLBACK}",
    f"{CALLBACK} ",
    f"\t{CALLBACK}",
    "https://app.example.org.evil.example/callback",
    "https://app.example.org:443@evil.example/callback",
    "https://evil.example\\@app.example.org/callback",
    "https://evil.example/\\app.example.org/callback",
    "https:\\\\evil.example/callback",
    "https:evil.example",
    "//evil.example/callback",
    "///evil.example/callback",
    "https:///evil.example/callback",
    "HTTPS://app.example.org/callback",
    "https://APP.EXAMPLE.ORG/callback",
    "https://app.example.org./callback",
    "https://app。example。org/callback",
    "https://\u0430pp.example.org/callback",
    "https://pr-1.evil.example/.example.org/callback",
    "https://pr-evil.example#.example.org/callback",
    "https://pr-evil.example?.example.org/callback",
    "https://pr-@evil.example/.example.org/callback",
    "https://pr-a.b.example.org/callback",
    "https://pr-*.example.org/callback/",
    "http://pr-1.example.org/callback",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "http://localhost.evil.example/",
    "http://127.0.0.1.evil.example/",
    "http://localhost@evil.example/",
    "http://[::1]@evil.example/",
]


@pytest.fixture
async def browser(application: Application) -> Browser:
    await list_callbacks(application)
    await list_redirect_uri(application, WILD)
    return Browser(application)


@pytest.fixture
async def user(application: Application) -> Json:
    return await application.user()


@pytest.mark.parametrize("signed_in", [False, True])
async def test_no_spelling_of_a_uri_is_redirected_to(browser: Browser, user: Json, signed_in: bool) -> None:
    if signed_in:
        await browser.sign_in(user)
    # The listed one is.
    assert (await browser.authorize(redirect_uri="https://pr-7.example.org/callback")).status_code == 302
    for uri in SPELLINGS:
        for changes in ({}, {"prompt": "none"}, {"response_type": "x"}):
            response = await browser.authorize(redirect_uri=uri, **changes)
            assert (response.status_code, "location" in response.headers) == (400, False), uri
            assert "evil.example" not in response.text, uri


async def test_client_is_not_sent_to_the_uri_of_another_environment(browser: Browser) -> None:
    only_here, only_there = "https://here.example.org/", "https://there.example.org/"
    await list_redirect_uri(browser.application, only_here)
    await list_redirect_uri(browser.application, only_there, OTHER_CLIENT)
    assert (await browser.authorize(redirect_uri=only_there)).status_code == 400
    assert (await browser.authorize(redirect_uri=only_here, client_id=OTHER_CLIENT)).status_code == 400


async def test_user_of_another_environment_cannot_complete_a_flow(browser: Browser, user: Json) -> None:
    flow = await browser.flow(client_id=OTHER_CLIENT)
    application = browser.application
    opened = await application.af.read(application.af.sign_in_flows.load(*flow))
    proof = await proof_of(application, user, await application.environment())

    async def unit(tx: Tx) -> CompletedFlow:
        scope = Scope(tx, opened.environment, application.clock.now)
        return await application.af.sign_in_flows.complete(scope, opened.flow, proof)

    with pytest.raises(FlowIncomplete):
        await application.af.run(unit)


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: x=1", "a&code=evil", "a#b", "a?b=c", "\x00", "é\udcff"])
async def test_state_adds_nothing_to_the_redirect(browser: Browser, user: Json, state: str) -> None:
    raw = quote(state.encode("utf-8", "surrogateescape"), safe="")
    query = f"{urlencode(request_of(state=None))}&state={raw}"
    response = await browser.http.get(f"{AUTHORIZE}?{query}")
    flow_id = response.headers["location"].rpartition("/")[2]
    secret = response.headers["set-cookie"].partition(";")[0].partition("=")[2]
    location = (await complete(browser.application, flow_id, secret, user)).location
    assert location.isascii()
    assert location.isprintable()
    assert urlsplit(location).fragment == ""
    assert location.partition("&state=")[2] == raw
    assert set(answer_in(location)) == {"code", "state"}


async def test_forged_host_changes_no_redirect_and_no_address(browser: Browser) -> None:
    headers = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    response = await browser.http.get(f"{AUTHORIZE}?{urlencode(request_of())}", headers=headers)
    assert response.headers["location"].startswith("/sign-in/flow_")
    assert "evil.example" not in str(response.headers)
    device = await browser.http.post(
        "/user_management/authorize/device", json={"client_id": request_of()["client_id"]}, headers=headers
    )
    assert "evil.example" not in device.text


async def prove(browser: Browser, flow: tuple[str, str], user: Json) -> StartedFlow:
    application, flows = browser.application, browser.application.af.sign_in_flows
    opened = await application.af.read(flows.load(*flow))
    proof = await proof_of(application, user, opened.environment)

    async def unit(tx: Tx) -> StartedFlow:
        return await flows.prove(Scope(tx, opened.environment, application.clock.now), opened.flow, proof)

    return await application.af.run(unit)


async def test_planted_cookie_of_a_flow_is_of_no_use_after_the_first_proof(
    browser: Browser, user: Json
) -> None:
    """The attacker began the flow, and had the victim's browser go on with it."""
    planted = await browser.flow()
    proven = await prove(browser, planted, user)
    with pytest.raises(FlowUnknown):
        await complete(browser.application, *planted, user)
    assert await complete(browser.application, proven.flow.id, proven.secret, user)


async def test_secret_of_one_flow_opens_no_other(browser: Browser, user: Json) -> None:
    mine, theirs = await browser.flow(), await browser.flow()
    for flow in ((mine[0], theirs[1]), (theirs[0], mine[1]), (mine[0], ""), (mine[0], "x")):
        with pytest.raises(FlowUnknown):
            await complete(browser.application, *flow, user)
    page = await browser.http.get(f"/sign-in/{mine[0]}", headers={"cookie": ""})
    assert page.status_code == 404


async def test_flow_that_fifty_complete_at_once_gives_one_code(browser: Browser, user: Json) -> None:
    flow = await browser.flow()
    done = await asyncio.gather(
        *(complete(browser.application, *flow, user) for _ in range(50)), return_exceptions=True
    )
    assert sum(isinstance(one, CompletedFlow) for one in done) == 1
    assert sum(isinstance(one, FlowCompleted) for one in done) == 49
    rows = browser.application.sql("SELECT count(*) FROM authorization_codes")
    assert [tuple(row) for row in rows] == [(1,)]


async def test_proof_is_void_after_the_password_was_changed(browser: Browser, user: Json) -> None:
    application = browser.application
    proven = await prove(browser, await browser.flow(), user)
    path = f"/user_management/users/{user['id']}"
    await application.api.put(path, json={"password": "eight yellow bottles"})
    opened = await application.af.read(application.af.sign_in_flows.load(proven.flow.id, proven.secret))
    assert (opened.flow.proof, opened.user) == (None, None)

    async def unit(tx: Tx) -> CompletedFlow:
        scope = Scope(tx, opened.environment, application.clock.now)
        return await application.af.sign_in_flows.complete(scope, proven.flow)

    with pytest.raises(FlowIncomplete):
        await application.af.run(unit)


@pytest.mark.parametrize("asks_again", [False, True])
async def test_account_of_the_browser_is_adopted_unless_it_is_asked_again(
    browser: Browser, user: Json, asks_again: bool
) -> None:
    application = browser.application
    await browser.sign_in(user)
    application.clock.advance(1)
    changes = {"max_age": "0"} if asks_again else {}
    visit = FlowVisit(*await browser.flow(prompt="select_account", **changes))
    unit = application.af.flow_steps.choices.continue_as(visit)
    if asks_again:
        with pytest.raises(FlowIncomplete):
            await application.af.run(unit)
    else:
        completed = (await application.af.run(unit)).completed
        assert completed is not None
        assert "code" in answer_in(completed.location)


async def test_canceled_flow_says_so_and_signs_no_user_in(browser: Browser, user: Json) -> None:
    application, flows = browser.application, browser.application.af.sign_in_flows
    flow = await browser.flow()
    opened = await application.af.read(flows.load(*flow))

    async def unit(tx: Tx) -> CompletedFlow:
        return await flows.cancel(Scope(tx, opened.environment, application.clock.now), opened.flow)

    canceled = await application.af.run(unit)
    assert answer_in(canceled.location)["error"] == "access_denied"
    assert canceled.browser_secret is None
    with pytest.raises(errors.AuthfactorError):
        await complete(application, *flow, user)


async def test_switching_the_account_ends_the_other_hosted_session(browser: Browser, user: Json) -> None:
    await browser.sign_in(user)
    old = browser.http.cookies["signed-in-1"]
    await browser.sign_in(await browser.application.user(), prompt="select_account")
    thief = Browser(browser.application)
    thief.http.cookies.set("signed-in-1", old)
    await thief.flow()


async def test_nothing_stored_is_a_code_or_a_cookie(browser: Browser, user: Json) -> None:
    flow = await browser.flow()
    completed = await complete(browser.application, *flow, user)
    stored = browser.application.files()
    for secret in (flow[1], completed.browser_secret or "", answer_in(completed.location)["code"]):
        assert len(secret) == 43
        assert secret.encode() not in stored
