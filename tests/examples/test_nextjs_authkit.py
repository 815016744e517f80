"""The application in examples/nextjs-authkit, on the published authkit-nextjs, in Chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

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
    """The URL of the application, which the server knows."""
    with running_next(server, tmp_path_factory.mktemp("next") / "log") as url, server.client() as api:
        fields(api.post("/user_management/redirect_uris", json={"uri": f"{url}/callback"}), 201)
        settings = ("--logout-redirect", url, "--sign-in-url", f"{url}/sign-in")
        done = server.run("environments", "update", "default", *settings)
        assert done.returncode == 0, done.stderr
        assert api.put("/authfactor/mfa_policy", json={"policy": "required"}).status_code == 200
        yield url


@pytest.fixture(scope="module")
def page(needs: Callable[[str], Path]) -> Iterator[Page]:
    with chromium(needs("chromium")) as browser:
        context = browser.new_context(locale="en-GB")
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        yield context.new_page()


def fill_password(page: Page, user: BrowserUser) -> None:
    page.locator("#email").fill(user.email)
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")


def account(page: Page, shop: str, user: BrowserUser) -> dict[str, str]:
    """Wait until the application shows the account; return the claims it shows."""
    page.wait_for_url(f"{shop}/account*")
    expect(page.get_by_role("heading")).to_have_text(f"Account of {user.email}")
    return {name: page.locator(f"#{name}").inner_text() for name in ("session", "amr", "auth-time", "token")}


def sessions(server: Server, user: BrowserUser) -> list[dict[str, Any]]:
    with server.client() as api:
        answer = api.get(f"/user_management/users/{user.user_id}/sessions")
        return [item for item in fields(answer, 200)["data"] if item["status"] == "active"]


def sign_out(page: Page, shop: str) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{shop}/")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_a_user_enrolls_signs_out_signs_in_with_a_code_and_refreshes(
    server: Server, shop: str, page: Page
) -> None:
    email = "kim.next@example.org"
    with server.client() as api:
        body = {"email": email, "password": PASSWORD}
        user_id = fields(api.post("/user_management/users", json=body), 201)["id"]
        user = BrowserUser(Setting(api, server, Application(urlsplit(shop).port or 0)), user_id, email)

    # The protected page sends a stranger to the hosted pages, which make the user enroll.
    page.goto(f"{shop}/account")
    assert page.url.startswith(server.url)
    fill_password(page, user)
    page.wait_for_url("**/enroll")
    page.locator('form[action$="/enroll/app"] button').click()
    page.locator(".figure").wait_for()
    user.scan(page)
    user.type_code(page, user.code())
    page.wait_for_url("**/finish")
    page.locator('form[action$="/finish"] button').click()
    enrolled = account(page, shop, user)
    assert enrolled["amr"] == "pwd otp mfa"
    (session,) = sessions(server, user)
    assert session["id"] == enrolled["session"]
    assert "HeadlessChrome" in session["user_agent"], "the session names the application, not the browser"

    # A recent proof lets the payment through without a question.
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("status")).to_have_text("Paid.")

    # The refresh keeps the session and its proofs.
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#token")).not_to_have_text(enrolled["token"])
    refreshed = account(page, shop, user)
    assert refreshed == {**enrolled, "token": refreshed["token"]}

    # Signing out ends the session and that of the hosted pages.
    sign_out(page, shop)
    assert sessions(server, user) == []
    page.get_by_role("link", name="Sign in").click()
    fill_password(page, user)
    page.wait_for_url("**/code")
    user.type_code(page, user.wrong())
    expect(page.get_by_role("alert")).to_be_visible()
    user.type_code(page, user.code(1))
    signed_in = account(page, shop, user)
    assert signed_in["amr"] == "pwd otp mfa"
    assert signed_in["session"] != enrolled["session"]
