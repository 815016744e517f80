"""Sign-in of devices without a browser: who approves them, once, and how often they may ask."""

import asyncio
import re

import httpx
import pytest

from authfactor.rules.hosted_sign_in.device_authorizations import GUESSES
from authfactor.rules.hosted_sign_in.flow_refusals import FlowExpired
from authfactor.rules.hosted_sign_in.sign_in_flows import CompletedFlow
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from authfactor.store.sqlite.store import SqliteStore
from tests.support.application import CLIENT, OTHER_CLIENT, Application, Json, claims, oauth_refused
from tests.support.hosted_sign_in import Browser, complete, list_callbacks
from tests.support.server_process import fields

BEGIN = "/user_management/authorize/device"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
OWN_PAGE = {"sec-fetch-site": "same-origin"}


@pytest.fixture
async def browser(application: Application) -> Browser:
    await list_callbacks(application)
    return Browser(application)


@pytest.fixture
async def user(application: Application) -> Json:
    return await application.user()


async def begin(application: Application) -> Json:
    headers = {"user-agent": "Television/3"}
    return fields(await application.api.post(BEGIN, json={"client_id": CLIENT}, headers=headers), 200)


async def poll(application: Application, device: Json, **more: str | None) -> httpx.Response:
    application.clock.advance(5)
    changes = {"client_secret": None, "device_code": device["device_code"], **more}
    return await application.grant(GRANT, **changes)


async def submit(browser: Browser, user_code: str, **more: str) -> httpx.Response:
    form = {"user_code": user_code, **more}
    return await browser.http.post("/device", data=form, headers=OWN_PAGE)


async def start_flow(browser: Browser, device: Json) -> tuple[str, str]:
    response = await submit(browser, device["user_code"], confirmed="1")
    assert response.status_code == 303, response.text
    cookie = response.headers["set-cookie"].partition(";")[0]
    return response.headers["location"].rpartition("/")[2], cookie.partition("=")[2]


async def approve(browser: Browser, device: Json, user: Json) -> str:
    return (await complete(browser.application, *await start_flow(browser, device), user)).location


async def test_device_gets_codes_and_a_page(application: Application) -> None:
    device = await begin(application)
    assert set(device) == {
        *("device_code", "user_code", "verification_uri", "verification_uri_complete"),
        *("expires_in", "interval"),
    }
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", device["user_code"])
    assert device["verification_uri"].endswith("/device")
    assert device["verification_uri_complete"].endswith(f"/device?user_code={device['user_code']}")
    assert (device["expires_in"], device["interval"]) == (300, 5)
    form = await application.api.post(BEGIN, data={"client_id": CLIENT})
    assert form.status_code == 200
    oauth_refused(await application.api.post(BEGIN, json={"client_id": "x"}), "invalid_client")
    oauth_refused(await application.api.post(BEGIN, content=b"{"), "invalid_request")


async def test_approved_device_is_signed_in_once(browser: Browser, user: Json) -> None:
    application = browser.application
    device = await begin(application)
    oauth_refused(await poll(application, device), "authorization_pending")
    assert await approve(browser, device, user) == "/device/approved"
    signed_in = fields(await poll(application, device), 200)
    assert signed_in["user"]["id"] == user["id"]
    (session,) = await application.sessions(user)
    assert session["user_agent"] == "Television/3"
    oauth_refused(await poll(application, device), "invalid_grant")
    # A public client: no secret, and its end leaves the browser signed in.
    assert (await application.refresh(signed_in["refresh_token"], client_secret=None)).status_code == 200
    await application.api.post(
        "/user_management/sessions/revoke", json={"session_id": claims(signed_in)["sid"]}
    )
    rows = application.sql("SELECT count(*) FROM browser_sessions WHERE ended_at IS NULL")
    assert [tuple(row) for row in rows] == [(1,)]


async def test_fifty_polls_at_once_get_one_session(browser: Browser, user: Json) -> None:
    application = browser.application
    device = await begin(application)
    await approve(browser, device, user)
    application.clock.advance(5)
    codes = {"client_secret": None, "device_code": device["device_code"]}
    answers = await asyncio.gather(*(application.grant(GRANT, **codes) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert len(await application.sessions(user)) == 1


async def test_person_is_asked_whether_the_device_is_theirs(browser: Browser, user: Json) -> None:
    device = await begin(browser.application)
    await browser.sign_in(user)
    form = await browser.http.get(f"/device?user_code={device['user_code']}")
    assert f'value="{device["user_code"]}"' in form.text
    asked = await submit(browser, device["user_code"].lower().replace("-", " "))
    assert asked.status_code == 200
    assert 'name="confirmed"' in asked.text
    assert "Television/3" in asked.text
    oauth_refused(await poll(browser.application, device), "authorization_pending")


async def test_form_of_another_site_begins_nothing(browser: Browser) -> None:
    device = await begin(browser.application)
    form = {"user_code": device["user_code"], "confirmed": "1"}
    for site in ("cross-site", "same-site"):
        response = await browser.http.post("/device", data=form, headers={"sec-fetch-site": site})
        assert response.status_code == 403
    assert browser.application.sql("SELECT id FROM sign_in_flows") == []


async def test_refused_device_gets_nothing(browser: Browser, user: Json) -> None:
    application = browser.application
    device = await begin(application)
    flow_id, secret = await start_flow(browser, device)
    other = await start_flow(browser, device)
    flows = application.af.sign_in_flows
    opened = await application.af.read(flows.load(flow_id, secret))

    async def unit(tx: Tx) -> CompletedFlow:
        return await flows.cancel(Scope(tx, opened.environment, application.clock.now), opened.flow)

    assert (await application.af.run(unit)).location == "/device/denied"
    oauth_refused(await poll(application, device), "access_denied")
    with pytest.raises(FlowExpired):
        await complete(application, *other, user)
    oauth_refused(await poll(application, device), "access_denied")


async def test_device_that_asks_too_often_must_wait_longer(browser: Browser) -> None:
    application = browser.application
    device = await begin(application)
    await poll(application, device)
    codes = {"client_secret": None, "device_code": device["device_code"]}
    for _ in range(20):
        oauth_refused(await application.grant(GRANT, **codes), "slow_down")
    assert [tuple(row) for row in application.sql("SELECT poll_seconds FROM device_authorizations")] == [
        (60,)
    ]
    application.clock.advance(55)
    oauth_refused(await application.grant(GRANT, **codes), "slow_down")
    application.clock.advance(5)
    oauth_refused(await application.grant(GRANT, **codes), "authorization_pending")


async def test_device_code_expires(browser: Browser, user: Json) -> None:
    application = browser.application
    device = await begin(application)
    flow = await start_flow(browser, device)
    application.clock.advance(295)
    oauth_refused(await poll(application, device), "expired_token")
    with pytest.raises(FlowExpired):
        await complete(application, *flow, user)
    assert (await submit(browser, device["user_code"])).status_code == 422


async def test_device_code_is_unknown_to_other_clients(browser: Browser, user: Json) -> None:
    device = await begin(browser.application)
    await approve(browser, device, user)
    oauth_refused(await poll(browser.application, device, client_id=OTHER_CLIENT), "invalid_grant")
    oauth_refused(await poll(browser.application, device, client_secret="sk_wrong"), "invalid_client")
    oauth_refused(await poll(browser.application, {"device_code": "x"}), "invalid_grant")


async def test_approval_is_void_after_the_password_was_changed(browser: Browser, user: Json) -> None:
    application = browser.application
    device = await begin(application)
    await approve(browser, device, user)
    path = f"/user_management/users/{user['id']}"
    await application.api.put(path, json={"password": "eight yellow bottles"})
    oauth_refused(await poll(application, device), "invalid_grant")


async def test_guesses_of_user_codes_are_limited(browser: Browser) -> None:
    device = await begin(browser.application)
    for _ in range(GUESSES):
        assert (await submit(browser, "BBBB-BBBB")).status_code == 422
    assert (await submit(browser, device["user_code"])).status_code == 429


async def test_right_user_codes_are_not_counted(browser: Browser) -> None:
    device = await begin(browser.application)
    for _ in range(GUESSES + 1):
        assert (await submit(browser, device["user_code"])).status_code == 200


async def test_devices_of_one_network_are_limited(application: Application) -> None:
    await begin(application)
    application.sql("UPDATE throttles SET full_at = full_at + 120000 WHERE subject LIKE 'devices:%'")
    assert (await application.api.post(BEGIN, json={"client_id": CLIENT})).status_code == 429


async def test_pages_at_the_end_say_what_was_decided(browser: Browser) -> None:
    for outcome, text in (("approved", "is connected"), ("denied", "was refused")):
        assert text in (await browser.http.get(f"/device/{outcome}")).text
    assert (await browser.http.get("/device/x")).status_code == 404


async def test_device_code_that_another_process_uses_meanwhile_gets_no_session(
    browser: Browser, user: Json
) -> None:
    application = browser.application
    if not isinstance(application.af.store, SqliteStore):
        pytest.skip("the trigger that stands for the other process is written for SQLite")
    device = await begin(application)
    await approve(browser, device, user)
    application.sql(
        "CREATE TRIGGER meanwhile BEFORE UPDATE OF used_at ON device_authorizations"
        " BEGIN SELECT RAISE(IGNORE); END"
    )
    oauth_refused(await poll(application, device), "invalid_grant")
    assert await application.sessions(user) == []
