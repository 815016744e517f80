"""The application in examples/nextjs-authkit, on the published authkit-nextjs, in Chromium."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser_user import BrowserUser, Setting
from tests.support.chromium import chromium
from tests.support.next_application import running_next
from tests.support.server_process import Server, fields
from tests.support.web_application import Application

pytestmark = [pytest.mark.examples, pytest.mark.timeout(300)]

PASSWORD: Final = "seven green bottles"
TIMEOUT_MILLISECONDS: Final = 15_000


@pytest.fixture(scope="module")
def shop(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the application, which the server knows and where users must have a factor."""
    with running_next(server, tmp_path_factory.mktemp("next") / "log") as url, server.client() as api:
        fields(api.post("/user_management/redirect_uris", json={"uri": f"{url}/callback"}), 201)
        settings = ("--logout-redirect", url, "--sign-in-url", f"{url}/sign-in")
        done = server.run("environments", "update", "default", *settings)
        assert done.returncode == 0, done.stderr
        assert api.put("/authfactor/mfa_policy", json={"policy": "required"}).status_code == 200
        yield url


@pytest.fixture(scope="module")
def browser(needs: Callable[[str], Path]) -> Iterator[Browser]:
    with chromium(needs("chromium")) as launched:
        yield launched


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    yield context.new_page()
    context.close()


@pytest.fixture
def user(server: Server, shop: str) -> Iterator[BrowserUser]:
    """A user with a password and without a factor."""
    email = f"kim-{uuid.uuid4().hex[:8]}@example.org"
    with server.client() as api:
        made = fields(api.post("/user_management/users", json={"email": email, "password": PASSWORD}), 201)
        app = Application(int(shop.rpartition(":")[2]))
        yield BrowserUser(Setting(api, server, app), made["id"], email)


def fill_password(page: Page, user: BrowserUser) -> None:
    page.locator("#email").fill(user.email)
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")


def account(page: Page, shop: str, user: BrowserUser) -> dict[str, str]:
    """Wait until the application shows the account; return the claims it shows."""
    page.wait_for_url(f"{shop}/account*")
    expect(page.get_by_role("heading")).to_have_text(f"Account of {user.email}")
    return {name: page.locator(f"#{name}").inner_text() for name in ("session", "amr", "auth-time", "token")}


def enroll(page: Page, shop: str, user: BrowserUser) -> dict[str, str]:
    """Open the protected page as a stranger, which leads through the enrollment."""
    page.goto(f"{shop}/account")
    assert page.url.startswith(user.setting.server.url)
    fill_password(page, user)
    page.wait_for_url("**/enroll")
    page.locator('form[action$="/enroll/app"] button').click()
    page.locator(".figure").wait_for()
    user.scan(page)
    user.type_code(page, user.code())
    page.wait_for_url("**/finish")
    page.locator('form[action$="/finish"] button').click()
    return account(page, shop, user)


def active_sessions(user: BrowserUser) -> list[dict[str, Any]]:
    answer = user.setting.api.get(f"/user_management/users/{user.user_id}/sessions")
    return [item for item in fields(answer, 200)["data"] if item["status"] == "active"]


def test_a_user_enrolls_refreshes_signs_out_and_signs_in_with_a_code(
    shop: str, page: Page, user: BrowserUser
) -> None:
    enrolled = enroll(page, shop, user)
    assert enrolled["amr"] == "pwd otp mfa"
    (session,) = active_sessions(user)
    assert session["id"] == enrolled["session"]
    assert "HeadlessChrome" in session["user_agent"], "the session names the application, not the browser"

    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("status")).to_have_text("Paid.")

    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#token")).not_to_have_text(enrolled["token"])
    refreshed = account(page, shop, user)
    assert refreshed == {**enrolled, "token": refreshed["token"]}

    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{shop}/")
    assert active_sessions(user) == []
    page.get_by_role("link", name="Sign in").click()
    # The session of the hosted pages has ended too: they ask for everything.
    fill_password(page, user)
    page.wait_for_url("**/code")
    user.type_code(page, user.wrong())
    expect(page.get_by_role("alert")).to_be_visible()
    user.type_code(page, user.code(1))
    signed_in = account(page, shop, user)
    assert signed_in["amr"] == "pwd otp mfa"
    assert signed_in["session"] != enrolled["session"]


def test_signing_in_again_renews_the_proof_of_the_same_session(
    shop: str, page: Page, user: BrowserUser
) -> None:
    enrolled = enroll(page, shop, user)
    page.wait_for_timeout(1000)  # auth_time counts seconds
    page.get_by_role("link", name="Sign in again").click()
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    again = account(page, shop, user)
    assert int(again["auth-time"]) > int(enrolled["auth-time"])
    assert (again["session"], again["amr"]) == (enrolled["session"], enrolled["amr"])


def test_a_user_who_gives_up_gets_a_page_of_the_application(shop: str, page: Page, user: BrowserUser) -> None:
    page.goto(f"{shop}/sign-in")
    page.locator('form[action$="/cancel"] button').click()
    page.wait_for_url(f"{shop}/callback?error=access_denied*")
    expect(page.locator("body")).to_contain_text("You are not signed in.")
    assert active_sessions(user) == []


@pytest.fixture
def short_tokens(server: Server) -> Iterator[None]:
    """Let tokens live so short that authkit-nextjs refreshes at every request."""
    assert server.stop() == 0, server.output()
    server._environment["AUTHFACTOR_ACCESS_TOKEN_LIFE"] = "30"
    server.start()
    yield
    assert server.stop() == 0, server.output()
    del server._environment["AUTHFACTOR_ACCESS_TOKEN_LIFE"]
    server.start()


def test_requests_that_refresh_at_once_all_stay_signed_in(
    shop: str, short_tokens: None, page: Page, user: BrowserUser
) -> None:
    enrolled = enroll(page, shop, user)
    page.reload()
    later = account(page, shop, user)
    assert later["token"] != enrolled["token"], "the proxy has not refreshed"
    script = """async () => Promise.all(Array.from({length: 10}, async () => {
        const answer = await fetch('/account', {redirect: 'manual'});
        return [answer.status, (await answer.text()).includes('Account of')];
    }))"""
    assert page.evaluate(script) == [[200, True]] * 10
    page.reload()
    assert account(page, shop, user)["session"] == enrolled["session"]
    assert len(active_sessions(user)) == 1
