"""Enrollment within a sign-in on pages: an app or a passkey, recovery codes, and a period of grace."""

import json
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from authfactor.testing.software_authenticator import SoftwareAuthenticator
from tests.http.sign_in.test_grace import GRACE, decide, put
from tests.http.sign_in.test_passkeys import ORIGIN
from tests.support.application import Application, Json, opened
from tests.support.authenticator import PERIOD
from tests.support.hosted_sign_in import list_callbacks
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
async def user(application: Application) -> Json:
    """Create a user without a factor, from whom the policy wants one."""
    await put(application, policy="required")
    return await application.user()


def key_on(page_text: str) -> str:
    """Return the setup key that a page shows."""
    found = re.search(r'data-copy-text="([A-Z2-7]+)"', page_text)
    assert found is not None
    return found.group(1)


async def set_up(browser: PageBrowser) -> str:
    """Go from the password to the page with the app's key, and return that."""
    assert next_page(await browser.post("/enroll/app")) == "enroll"
    return key_on((await browser.follow()).text)


async def test_app_is_enrolled_and_recovery_codes_are_shown_once(browser: PageBrowser, user: Json) -> None:
    application = browser.application
    await browser.start()
    assert next_page(await browser.password(user)) == "enroll"
    assert "protect your account with a second step" in shown(await browser.follow())
    assert next_page(await browser.post("/enroll", code="000000")) == ""
    key = await set_up(browser)
    assert "A code is six digits" in problem(await browser.post("/enroll", code="abc"))
    assert "not right" in problem(await browser.post("/enroll", code=application.wrong(key)))
    assert next_page(await browser.post("/enroll", code=application.code(key))) == "finish"
    assert "Show recovery codes" in (await browser.follow()).text
    page = await browser.post("/recovery-codes")
    codes = re.findall(r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}", page.text, re.IGNORECASE)
    assert len(set(codes)) == 10
    file = await browser.post("/recovery-codes.txt", codes=value_of(page, "codes"))
    assert file.headers["content-type"] == "text/plain; charset=utf-8"
    assert next_page(await browser.post("/recovery-codes")) == ""
    sent_to_application(await browser.post("/finish"))
    application.clock.advance(PERIOD)
    await browser.start(prompt="login")
    await browser.password(user)
    sent_to_application(await browser.code(application.code(key)))


async def test_reloaded_page_shows_the_same_key_and_another_flow_a_new_one(
    browser: PageBrowser, user: Json
) -> None:
    await browser.start()
    await browser.password(user)
    key = await set_up(browser)
    assert key_on((await browser.get("/enroll")).text) == key
    assert await set_up(browser) == key
    await browser.start()
    await browser.password(user)
    assert await set_up(browser) != key
    assert browser.application.sql("SELECT count(*) FROM factors") == [(1,)]


async def test_apps_left_waiting_do_not_use_up_the_users_factors(browser: PageBrowser, user: Json) -> None:
    for _ in range(12):
        await browser.start()
        await browser.password(user)
        await set_up(browser)
        await browser.password(user)
        await set_up(browser)


async def test_no_key_is_shown_once_a_factor_is_active(browser: PageBrowser, user: Json) -> None:
    application = browser.application
    await browser.start()
    await browser.password(user)
    key = await set_up(browser)
    await application.enroll(user, totp_secret="MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK")
    assert key not in (await browser.get("/enroll")).text
    assert browser.page.url.path.endswith("/code")
    assert next_page(await browser.post("/enroll", code=application.code(key))) == ""
    assert next_page(await browser.post("/enroll/app")) == ""


async def test_many_wrong_codes_lock_as_everywhere(browser: PageBrowser, user: Json) -> None:
    await browser.start()
    await browser.password(user)
    key = await set_up(browser)
    for _ in range(10):
        await browser.post("/enroll", code=browser.application.wrong(key))
    assert "Too many wrong codes" in problem(await browser.post("/enroll", code="000000"))


async def test_grace_offers_enrollment_and_lets_it_wait(browser: PageBrowser) -> None:
    application = browser.application
    await put(application, **GRACE)
    user = await application.user()
    await browser.start()
    assert next_page(await browser.password(user)) == "enroll"
    page = await browser.follow()
    assert "Not now" in page.text
    assert "You can put this off until" in page.text
    sent_to_application(await browser.post("/finish"))
    application.clock.advance(15 * 24 * 3600)
    await browser.start(prompt="login")
    await browser.password(user)
    assert "Not now" not in (await browser.follow()).text
    assert next_page(await browser.post("/finish")) == ""


async def test_app_can_be_enrolled_in_grace(browser: PageBrowser) -> None:
    application = browser.application
    await put(application, **GRACE)
    user = await application.user()
    await browser.start()
    await browser.password(user)
    key = await set_up(browser)
    assert "Not now" in browser.page.text
    assert next_page(await browser.post("/enroll", code=application.code(key))) == "finish"


async def test_passkey_is_enrolled_as_the_second_factor(browser: PageBrowser, user: Json) -> None:
    device = SoftwareAuthenticator(random.Random(1).randbytes)
    await browser.start()
    await browser.password(user)
    page = await browser.follow()
    assert "publickey-credentials-create=(self)" in page.headers["permissions-policy"]
    page = await browser.post("/enroll/passkey")
    made = device.create(json.loads(attribute_of(page, "data-passkey-options")), ORIGIN)
    registration = value_of(page, "registration_id")
    refused = await browser.post("/enroll/passkey", registration_id="x", credential=json.dumps(made))
    assert problem(refused) == "That took too long. Try again."
    answer = await browser.post(
        "/enroll/passkey", registration_id=registration, name="Key", credential=json.dumps(made)
    )
    assert next_page(answer) == "finish"
    sent_to_application(await browser.post("/finish"))
    await browser.start(prompt="login")
    await browser.password(user)
    page = await browser.follow()
    assertion = device.get(json.loads(attribute_of(page, "data-passkey-options")), ORIGIN)
    sent_to_application(await browser.code(json.dumps(assertion)))


async def test_policy_that_names_passkeys_offers_no_app(browser: PageBrowser) -> None:
    application = browser.application
    await put(application, policy="required", methods=["webauthn"])
    user = await application.user()
    await browser.start()
    await browser.password(user)
    page = await browser.follow()
    assert "Create a passkey" in page.text
    assert "Add an authenticator app" not in page.text
    assert next_page(await browser.post("/enroll/app")) == ""


async def test_policy_that_names_apps_offers_and_takes_no_passkey(browser: PageBrowser) -> None:
    application = browser.application
    await put(application, policy="required", methods=["totp"])
    user = await application.user()
    await browser.start()
    await browser.password(user)
    assert "Create a passkey" not in (await browser.follow()).text
    assert next_page(await browser.post("/enroll/passkey")) == ""


async def test_user_who_must_enroll_only_by_decision_is_asked_too(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.user()
    await decide(application, user, policy="required", reason="test")
    await browser.start()
    assert next_page(await browser.password(user)) == "enroll"


async def test_policy_that_names_apps_takes_no_passkey_instead_of_the_code(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await put(application, policy="required", methods=["totp"])
    await browser.start()
    assert next_page(await browser.password(user)) == "code"
    page = await browser.code('{"id": "AA"}')
    assert problem(page) == "This passkey was not accepted. Try again, or choose another way."
    sent_to_application(await browser.code(application.code()))


async def test_flow_without_a_proven_factor_makes_no_recovery_codes(browser: PageBrowser, user: Json) -> None:
    await browser.start()
    assert next_page(await browser.password(user)) == "enroll"
    await put(browser.application, policy="off")
    page = await browser.get()
    assert page.url.path.endswith("/finish")
    assert "Show recovery codes" not in page.text
    assert next_page(await browser.post("/recovery-codes")) == ""
    sent_to_application(await browser.post("/finish"))
