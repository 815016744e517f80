"""Hosted sessions on pages: which account, an age that asks again, and a passkey as the first step."""

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from authfactor.rules.hosted_sign_in.flow_refusals import FlowExpired
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from authfactor.testing.software_authenticator import Behavior, SoftwareAuthenticator
from tests.http.sign_in.test_passkeys import ORIGIN, register
from tests.support.application import Application, Json, claims, opened
from tests.support.authenticator import PERIOD
from tests.support.hosted_sign_in import answer_of, list_callbacks
from tests.support.server_process import fields
from tests.support.sign_in_pages import (
    PageBrowser,
    attribute_of,
    next_page,
    problem,
    sent_to_application,
    shown,
    value_of,
)


@pytest.fixture
async def application(database: tuple[Path, str], tmp_path: Path) -> AsyncIterator[Application]:
    async with opened(database[0], tmp_path, database_url=database[1], base_url=ORIGIN) as application:
        yield application


@pytest.fixture
async def browser(application: Application) -> PageBrowser:
    await list_callbacks(application)
    return PageBrowser(application)


@pytest.fixture
def device() -> SoftwareAuthenticator:
    return SoftwareAuthenticator(random.Random(1).randbytes)


async def signed_in(browser: PageBrowser, user: Json) -> Json:
    """Sign a user in on the pages, by password and perhaps a code; return the tokens."""
    await browser.start()
    if (await browser.password(user)).headers["location"].endswith("/code"):
        await browser.code(browser.application.code())
        browser.application.clock.advance(PERIOD)
    return await redeemed(browser)


async def redeemed(browser: PageBrowser) -> Json:
    """Exchange the code of the last redirect."""
    code = sent_to_application(browser.page)["code"]
    return fields(await browser.application.grant("authorization_code", code=code), 200)


async def test_next_application_gets_a_code_without_a_page(browser: PageBrowser) -> None:
    await signed_in(browser, await browser.application.user())
    assert set(answer_of(await browser.authorize())) == {"code", "state"}


async def test_account_page_continues_as_its_user(browser: PageBrowser) -> None:
    user = await browser.application.member()
    await signed_in(browser, user)
    page = await browser.start(prompt="select_account")
    assert f"Continue as {user['email']}" in shown(page)
    await browser.post("/account")
    tokens = await redeemed(browser)
    assert tokens["user"]["id"] == user["id"]
    assert claims(tokens)["amr"] == ["pwd", "otp", "mfa"]


async def test_account_page_leads_to_another_account(browser: PageBrowser) -> None:
    application = browser.application
    one, two = await application.user(), await application.user()
    await signed_in(browser, one)
    await browser.start(prompt="select_account")
    page = await browser.get("?account=other")
    assert 'name="password"' in page.text
    await browser.password(two)
    assert (await redeemed(browser))["user"]["id"] == two["id"]
    assert f"Continue as {two['email']}" in shown(await browser.start(prompt="select_account"))


async def test_account_page_asks_for_a_factor_that_is_required_since(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.user()
    await signed_in(browser, user)
    await browser.start(prompt="select_account")
    await application.enroll(user, totp_secret="MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK")
    assert next_page(await browser.post("/account")) == "code"


@pytest.mark.parametrize("changes", [{}, {"prompt": "login"}, {"max_age": "0"}])
async def test_no_browser_continues_as_a_user_where_no_account_was_to_be_chosen(
    browser: PageBrowser, changes: dict[str, str]
) -> None:
    user = await browser.application.user()
    if changes:
        await signed_in(browser, user)
    await browser.start(**changes)
    assert next_page(await browser.post("/account")) == ""
    assert 'name="password"' in (await browser.follow()).text


async def test_session_that_is_too_old_asks_for_the_password_alone(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    first = await signed_in(browser, user)
    application.clock.advance(600)
    page = await browser.start(max_age="300")
    assert value_of(page, "email") == user["email"]
    assert "It has been a while" in shown(page)
    await browser.password(user)
    tokens = await redeemed(browser)
    assert claims(tokens)["sid"] == claims(first)["sid"]
    assert claims(tokens)["auth_time"] == application.clock.now // 1000
    assert claims(tokens)["amr"] == ["pwd", "otp", "mfa"]
    assert await application.events("authentication.reauthentication_succeeded")


async def test_session_that_is_too_old_takes_a_code_instead_of_the_password(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    first = await signed_in(browser, user)
    application.clock.advance(600)
    page = await browser.start(max_age="300")
    assert "Use a code instead" in shown(page)
    await browser.get("/code")
    await browser.code(application.code())
    tokens = await redeemed(browser)
    assert claims(tokens)["sid"] == claims(first)["sid"]
    assert claims(tokens)["auth_time"] == application.clock.now // 1000


async def test_login_prompt_asks_for_password_and_code(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await signed_in(browser, user)
    await browser.start(prompt="login")
    assert next_page(await browser.code(application.code())) == ""
    assert next_page(await browser.password(user)) == "code"
    await browser.code(application.code())
    sent_to_application(browser.page)


async def test_code_alone_signs_in_no_user_without_a_hosted_session(browser: PageBrowser) -> None:
    application = browser.application
    await application.member()
    await browser.start(max_age="0")
    assert next_page(await browser.code(application.code())) == ""


async def test_another_user_of_an_old_session_does_not_inherit_its_second_factor(
    browser: PageBrowser,
) -> None:
    application = browser.application
    one, two = await application.member(), await application.user()
    await signed_in(browser, one)
    await browser.start(max_age="0")
    await browser.password(two)
    tokens = await redeemed(browser)
    assert tokens["user"]["id"] == two["id"]
    assert claims(tokens)["amr"] == ["pwd"]


async def test_user_without_a_factor_is_offered_no_code_for_an_old_session(browser: PageBrowser) -> None:
    user = await browser.application.user()
    await signed_in(browser, user)
    await browser.start(max_age="0")
    assert (await browser.get("/code")).url.path == browser.flow_path


async def test_passkey_is_the_only_step(browser: PageBrowser, device: SoftwareAuthenticator) -> None:
    application = browser.application
    user = await application.member()
    await register(application, user, device)
    page = await browser.start()
    assert 'autocomplete="username webauthn"' in page.text
    assert "publickey-credentials-get=(self)" in page.headers["permissions-policy"]
    options = json.loads(attribute_of(page, "data-passkey-options"))
    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    form = {"authentication_id": value_of(page, "authentication_id")}
    await browser.post(credential=json.dumps(device.get(options, ORIGIN)), **form)
    tokens = await redeemed(browser)
    assert tokens["authentication_method"] == "Passkey"
    assert claims(tokens)["amr"] == ["pop", "user", "mfa"]


async def test_passkey_without_verified_user_is_refused_as_the_first_step(
    browser: PageBrowser, device: SoftwareAuthenticator
) -> None:
    application = browser.application
    await register(application, await application.user(), device)
    page = await browser.start()
    options = json.loads(attribute_of(page, "data-passkey-options"))
    credential = device.get(options, ORIGIN, Behavior(user_verified=False))
    form = {"authentication_id": value_of(page, "authentication_id")}
    page = await browser.post(credential=json.dumps(credential), **form)
    assert page.status_code == 422
    assert "This passkey was not accepted" in page.text


async def test_assertion_works_once(browser: PageBrowser, device: SoftwareAuthenticator) -> None:
    application = browser.application
    await register(application, await application.user(), device)
    page = await browser.start()
    options = json.loads(attribute_of(page, "data-passkey-options"))
    form = {
        "authentication_id": value_of(page, "authentication_id"),
        "credential": json.dumps(device.get(options, ORIGIN)),
    }
    sent_to_application(await browser.post(**form))
    await browser.start(prompt="login")
    assert (await browser.post(**form)).status_code == 422


async def test_wrong_passkey_as_the_second_factor_is_said(
    browser: PageBrowser, device: SoftwareAuthenticator
) -> None:
    application = browser.application
    user = await application.member()
    await register(application, user, device)
    stranger = SoftwareAuthenticator(random.Random(2).randbytes)
    await register(application, await application.user(), stranger)
    await browser.start()
    await browser.password(user)
    page = await browser.follow()
    options = json.loads(attribute_of(page, "data-passkey-options"))
    page = await browser.code(json.dumps(stranger.get({**options, "allowCredentials": []}, ORIGIN)))
    assert problem(page) == "This passkey belongs to another account. Choose another passkey, or another way."
    page = await browser.get("/code")
    options = json.loads(attribute_of(page, "data-passkey-options"))
    sent_to_application(await browser.code(json.dumps(device.get(options, ORIGIN))))


@pytest.mark.parametrize(
    ("changes", "step"), [({"prompt": "select_account"}, "/account"), ({"max_age": "0"}, "/code")]
)
async def test_hosted_session_of_a_user_who_is_gone_continues_nothing(
    browser: PageBrowser, changes: dict[str, str], step: str
) -> None:
    application = browser.application
    user = await application.member()
    await signed_in(browser, user)
    await browser.start(**changes)
    # As after a restore in which the rows of one table are older.
    application.sql(f"DELETE FROM users WHERE id = '{user['id']}'")  # noqa: S608 - from above
    assert next_page(await browser.post(step, code=application.code())) == ""


async def test_completed_flow_cannot_start_over(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.user()
    await browser.start()
    (secret,) = [each.value for each in browser.http.cookies.jar if each.path == browser.flow_path]
    flows, flow_id = application.af.sign_in_flows, browser.flow_path.rpartition("/")[2]
    opened_flow = await application.af.read(flows.load(flow_id, str(secret)))
    await browser.password(user)
    scope = opened_flow.environment, application.clock.now

    async def start_over(tx: Tx) -> object:
        return await flows.start_over(Scope(tx, *scope), opened_flow.flow)

    with pytest.raises(FlowExpired):
        await application.af.run(start_over)
