"""The sign-in pages: password, second factor, trusted browser, and what the application gets."""

import pytest

from authfactor.models import EnvironmentOptions
from tests.support.application import SECRET, Application
from tests.support.authenticator import PERIOD
from tests.support.hosted_sign_in import STATE, list_callbacks
from tests.support.sign_in_pages import (
    PageBrowser,
    next_page,
    problem,
    sent_to_application,
    shown,
    value_of,
)


@pytest.fixture
async def browser(application: Application) -> PageBrowser:
    await list_callbacks(application)
    return PageBrowser(application)


async def allow_devices(application: Application) -> None:
    """Let browsers be trusted."""
    options = EnvironmentOptions(trusted_devices="allowed")
    update = application.af.environments.update(await application.environment(), options=options)
    await application.af.run(update)


async def test_password_signs_in_a_user_without_a_factor(browser: PageBrowser) -> None:
    user = await browser.application.user()
    page = await browser.start(login_hint=user["email"])
    assert page.status_code == 200
    assert value_of(page, "email") == user["email"]
    answer = sent_to_application(await browser.password(user))
    assert set(answer) == {"code", "state"}
    assert answer["state"] == STATE
    assert browser.page.headers["referrer-policy"] == "no-referrer"
    assert await browser.application.events("authentication.password_succeeded")


async def test_wrong_password_is_said_on_the_page_which_keeps_the_email_alone(browser: PageBrowser) -> None:
    user = await browser.application.user()
    await browser.start()
    page = await browser.password(user, "wrong")
    assert problem(page) == "Email and password do not match. Check both and try again."
    assert value_of(page, "email") == user["email"]
    assert "wrong" not in page.text.replace("Too many wrong", "")
    sent_to_application(await browser.password(user))


async def test_code_of_the_app_follows_the_password(browser: PageBrowser) -> None:
    user = await browser.application.member()
    await browser.start()
    assert next_page(await browser.password(user)) == "code"
    assert "authenticator app" in shown(await browser.follow())
    page = await browser.code(browser.application.wrong())
    assert "not right" in problem(page)
    answer = sent_to_application(await browser.code(browser.application.code()))
    assert answer["state"] == STATE
    names = [
        event["event"]
        for event in await browser.application.events(
            "authentication.mfa_failed", "authentication.mfa_succeeded", "authfactor.attempt_refused"
        )
    ]
    assert names == ["authentication.mfa_failed", "authentication.mfa_succeeded"]


async def test_sign_in_with_password_and_code_takes_five_requests(browser: PageBrowser) -> None:
    user = await browser.application.member()
    sent: list[object] = []
    browser.http.event_hooks = {"request": [lambda request: _keep(sent, request)]}
    await browser.start()
    await browser.password(user)
    await browser.follow()
    sent_to_application(await browser.code(browser.application.code()))
    assert len(sent) == 5


async def _keep(sent: list[object], request: object) -> None:
    sent.append(request)


async def test_recovery_code_replaces_the_code(browser: PageBrowser) -> None:
    application = browser.application
    await allow_devices(application)
    user = await application.member()
    made = await application.api.post(f"/authfactor/users/{user['id']}/recovery_codes")
    await browser.start()
    await browser.password(user)
    assert "Lost your phone?" in shown(await browser.follow())
    sent_to_application(await browser.code(made.json()["codes"][0], remember_device="1"))
    assert not application.sql("SELECT id FROM trusted_devices")


async def test_trusted_browser_is_asked_for_no_code(browser: PageBrowser) -> None:
    application = browser.application
    await allow_devices(application)
    user = await application.member()
    await browser.start()
    await browser.password(user)
    assert "ask again on this device" in shown(await browser.follow())
    sent_to_application(await browser.code(application.code(), remember_device="1"))
    first = browser.http.cookies[f"device-{user['id']}"]
    application.clock.advance(PERIOD)
    await browser.start(prompt="login")
    sent_to_application(await browser.password(user))
    assert browser.http.cookies[f"device-{user['id']}"] != first
    assert len(await application.events("authfactor.trusted_device_used")) == 1


async def test_cookie_of_a_device_that_is_trusted_no_longer_is_deleted(browser: PageBrowser) -> None:
    user = await browser.application.member()
    browser.http.cookies.set(f"device-{user['id']}", "td_nothing")
    await browser.start()
    assert next_page(await browser.password(user)) == "code"
    assert f"device-{user['id']}=; " in browser.page.headers["set-cookie"]


async def test_one_of_two_apps_is_chosen_by_its_own_code(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    second = (await application.enroll(user, totp_secret="MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK"))["factor"]
    factors = await application.api.get(f"/user_management/users/{user['id']}/auth_factors")
    (first,) = [each["id"] for each in factors.json()["data"] if each["id"] != second["id"]]
    await browser.start()
    await browser.password(user)
    page = await browser.follow()
    assert first in page.text
    assert second["id"] in page.text
    sent_to_application(await browser.code(application.code(SECRET), factor_id=first))


async def test_user_may_start_over_as_someone_else(browser: PageBrowser) -> None:
    application = browser.application
    one, two = await application.member(), await application.user()
    await browser.start()
    await browser.password(one)
    assert f"Not {one['email']}?" in shown(await browser.follow())
    assert next_page(await browser.post("/start-over")) == ""
    assert next_page(await browser.code(application.code())) == ""
    sent_to_application(await browser.password(two))


async def test_leaving_tells_the_application_that_access_was_denied(browser: PageBrowser) -> None:
    await browser.start()
    answer = sent_to_application(await browser.post("/cancel"))
    assert answer["error"] == "access_denied"
    assert answer["state"] == STATE
    page = await browser.get()
    assert page.status_code == 410


async def test_flow_says_that_it_expires_and_then_how_to_start_again(browser: PageBrowser) -> None:
    application = browser.application
    options = EnvironmentOptions(sign_in_url="https://app.example.org/login")
    await application.af.run(
        application.af.environments.update(await application.environment(), options=options)
    )
    user = await application.user()
    await browser.start()
    application.clock.advance(539)
    assert "about to expire" not in (await browser.get()).text
    application.clock.advance(1)
    page = await browser.get()
    assert "about to expire" in page.text
    assert 'href="https://app.example.org/login"' in page.text
    application.clock.advance(60)
    page = await browser.password(user)
    assert page.status_code == 410
    assert 'href="https://app.example.org/login"' in page.text
    assert not await application.events("authentication.password_succeeded")


async def test_back_button_leads_to_the_step_that_the_flow_is_at(browser: PageBrowser) -> None:
    user = await browser.application.member()
    await browser.start()
    await browser.password(user)
    assert next_page(await browser.http.get(browser.flow_path)) == "code"
    # From a page that the browser has kept.
    assert next_page(await browser.password(user)) == "code"
    await browser.code(browser.application.code())
    for step in ("", "/code", "/enroll", "/finish"):
        page = await browser.get(step)
        assert page.status_code == 410, step
        assert "already signed in" in shown(page)


async def test_two_tabs_sign_in_apart(browser: PageBrowser) -> None:
    application = browser.application
    one, two = await application.member(), await application.user()
    await browser.start()
    first = browser.flow_path
    await browser.start()
    second = browser.flow_path
    await browser.password(two)
    sent_to_application(browser.page)
    browser.flow_path = first
    assert next_page(await browser.password(one)) == "code"
    sent_to_application(await browser.code(application.code()))
    assert first != second


async def test_used_up_tries_of_a_challenge_do_not_end_the_flow(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await browser.start()
    await browser.password(user)
    for _ in range(6):
        assert "not right" in problem(await browser.code(application.wrong()))
    sent_to_application(await browser.code(application.code()))


async def test_cookie_of_a_device_is_not_needed_without_a_factor(browser: PageBrowser) -> None:
    user = await browser.application.user()
    browser.http.cookies.set(f"device-{user['id']}", "td_nothing")
    await browser.start()
    sent_to_application(await browser.password(user))
