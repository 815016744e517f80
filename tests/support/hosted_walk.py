"""A user who signs in on the hosted pages of an application's server."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from playwright.sync_api import Browser, Page, expect

from tests.support.browser_user import BrowserUser, Setting
from tests.support.server_process import Server, fields
from tests.support.web_application import Application

PASSWORD: Final = "seven green bottles"
TIMEOUT_MILLISECONDS: Final = 15_000


@contextmanager
def new_page(browser: Browser) -> Iterator[Page]:
    """Open a page in a context of its own."""
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    yield context.new_page()
    context.close()


def register(server: Server, url: str, signed_out: str) -> None:
    """Tell a server of an application, whose users must have a factor."""
    with server.client() as api:
        fields(api.post("/user_management/redirect_uris", json={"uri": f"{url}/callback"}), 201)
        assert api.put("/authfactor/mfa_policy", json={"policy": "required"}).status_code == 200
    settings = ("--logout-redirect", signed_out, "--sign-in-url", f"{url}/sign-in")
    done = server.run("environments", "update", "default", *settings)
    assert done.returncode == 0, done.stderr


@contextmanager
def new_user(server: Server, url: str) -> Iterator[BrowserUser]:
    """Make a user with a password and without a factor."""
    email = f"kim-{uuid.uuid4().hex[:8]}@example.org"
    with server.client() as api:
        made = fields(api.post("/user_management/users", json={"email": email, "password": PASSWORD}), 201)
        app = Application(int(url.rpartition(":")[2]))
        yield BrowserUser(Setting(api, server, app), made["id"], email)


def fill_password(page: Page, user: BrowserUser) -> None:
    page.locator("#email").fill(user.email)
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")


def enroll(page: Page, user: BrowserUser) -> None:
    """Go from the first page to the application, by way of the enrollment."""
    assert page.url.startswith(user.setting.server.url)
    fill_password(page, user)
    page.wait_for_url("**/enroll")
    page.locator('form[action$="/enroll/app"] button').click()
    page.locator(".figure").wait_for()
    user.scan(page)
    user.type_code(page, user.code())
    page.wait_for_url("**/finish")
    page.locator('form[action$="/finish"] button').click()


def sign_in_with_code(page: Page, user: BrowserUser) -> None:
    """Go from the first page to the application, with the next code after a wrong one."""
    fill_password(page, user)
    page.wait_for_url("**/code")
    user.type_code(page, user.wrong())
    expect(page.get_by_role("alert")).to_be_visible()
    user.type_code(page, user.code(1))


def active_sessions(user: BrowserUser) -> list[dict[str, Any]]:
    answer = user.setting.api.get(f"/user_management/users/{user.user_id}/sessions")
    return [item for item in fields(answer, 200)["data"] if item["status"] == "active"]
