"""Hosted sessions: what ends them, and what does not."""

import pytest

from tests.support.application import PASSWORD, Application, Json, claims
from tests.support.hosted_sign_in import Browser, answer_in, complete, list_callbacks
from tests.support.server_process import fields

LOGOUT = "/user_management/sessions/logout"
USERS = "/user_management/users"


@pytest.fixture
async def browser(application: Application) -> Browser:
    await list_callbacks(application)
    return Browser(application)


@pytest.fixture
async def user(application: Application) -> Json:
    return await application.user()


async def signed_in(browser: Browser, user: Json) -> Json:
    code = answer_in(await browser.sign_in(user))["code"]
    return fields(await browser.application.grant("authorization_code", code=code), 200)


async def is_signed_in(browser: Browser) -> bool:
    location = (await browser.authorize()).headers["location"]
    return "code" in answer_in(location)


async def test_logout_ends_the_hosted_session_and_its_cookie(browser: Browser, user: Json) -> None:
    tokens = await signed_in(browser, user)
    response = await browser.http.get(LOGOUT, params={"session_id": claims(tokens)["sid"]})
    assert "signed-in-1=; " in response.headers["set-cookie"]
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert not await is_signed_in(browser)


async def test_logout_ends_the_hosted_session_without_its_cookie_too(browser: Browser, user: Json) -> None:
    tokens = await signed_in(browser, user)
    secret = browser.http.cookies["signed-in-1"]
    browser.http.cookies.clear()
    await browser.http.get(LOGOUT, params={"session_id": claims(tokens)["sid"]})
    browser.http.cookies.set("signed-in-1", secret)
    assert not await is_signed_in(browser)


async def test_logout_of_another_session_leaves_the_hosted_session(browser: Browser, user: Json) -> None:
    await signed_in(browser, user)
    other = await browser.application.sign_in(await browser.application.user())
    for session_id in (claims(other)["sid"], "session_unknown"):
        response = await browser.http.get(LOGOUT, params={"session_id": session_id})
        assert "set-cookie" not in response.headers
    assert await is_signed_in(browser)


@pytest.mark.parametrize("end", ["revoked", "password", "deleted"])
async def test_end_of_the_session_or_the_user_ends_the_hosted_session(
    browser: Browser, user: Json, end: str
) -> None:
    tokens, api = await signed_in(browser, user), browser.application.api
    if end == "revoked":
        await api.post("/user_management/sessions/revoke", json={"session_id": claims(tokens)["sid"]})
    elif end == "password":
        await api.put(f"{USERS}/{user['id']}", json={"password": f"{PASSWORD}!"})
    else:
        await api.delete(f"{USERS}/{user['id']}")
    assert not await is_signed_in(browser)


async def test_new_password_voids_the_hosted_session_although_sessions_go_on(
    browser: Browser, user: Json
) -> None:
    await signed_in(browser, user)
    browser.application.sql("UPDATE users SET password_hash = 'new'")
    assert not await is_signed_in(browser)


async def test_hosted_session_ends_after_the_life_of_a_session(browser: Browser, user: Json) -> None:
    await signed_in(browser, user)
    browser.application.clock.advance(browser.application.af.settings.session_life - 1)
    assert await is_signed_in(browser)
    browser.application.clock.advance(1)
    assert not await is_signed_in(browser)


async def test_cookie_from_before_the_sign_in_is_of_no_use_after_it(browser: Browser, user: Json) -> None:
    await signed_in(browser, user)
    planted = browser.http.cookies["signed-in-1"]
    await browser.sign_in(user, prompt="login")
    thief = Browser(browser.application)
    thief.http.cookies.set("signed-in-1", planted)
    assert not await is_signed_in(thief)
    assert await is_signed_in(browser)


async def test_removed_second_factor_counts_no_more(browser: Browser, user: Json) -> None:
    application = browser.application
    await application.configure("required")
    factor = (await application.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"))[
        "authentication_factor"
    ]
    flow_id, secret = await browser.flow()
    completed = await complete(
        application, flow_id, secret, user, amr="pwd otp mfa", mfa_at=application.clock.now
    )
    browser.http.cookies.set("signed-in-1", str(completed.browser_secret))
    assert await is_signed_in(browser)
    await application.api.delete(f"/auth/factors/{factor['id']}")
    assert not await is_signed_in(browser)
    code = answer_in(completed.location)["code"]
    assert fields(await application.grant("authorization_code", code=code), 403)["code"] == "mfa_enrollment"
