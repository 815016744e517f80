"""The application in examples/nextjs-authkit, on the published authkit-nextjs, in Chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser_user import BrowserUser
from tests.support.chromium import chromium
from tests.support.hosted_walk import (
    PASSWORD,
    active_sessions,
    enroll,
    new_page,
    new_user,
    register,
    sign_in_with_code,
)
from tests.support.next_application import running_next
from tests.support.server_process import Server

pytestmark = [pytest.mark.examples, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def shop(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the application, which the server knows and where users must have a factor."""
    with running_next(server, tmp_path_factory.mktemp("next") / "log") as url:
        register(server, url, url)
        yield url


@pytest.fixture(scope="module")
def browser(needs: Callable[[str], Path]) -> Iterator[Browser]:
    with chromium(needs("chromium")) as launched:
        yield launched


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with new_page(browser) as opened:
        yield opened


@pytest.fixture
def user(server: Server, shop: str) -> Iterator[BrowserUser]:
    with new_user(server, shop) as made:
        yield made


def account(page: Page, shop: str, user: BrowserUser) -> dict[str, str]:
    """Wait until the application shows the account; return the claims it shows."""
    page.wait_for_url(f"{shop}/account*")
    expect(page.get_by_role("heading")).to_have_text(f"Account of {user.email}")
    return {name: page.locator(f"#{name}").inner_text() for name in ("session", "amr", "auth-time", "token")}


def begin(page: Page, shop: str, user: BrowserUser) -> dict[str, str]:
    """Open the protected page as a stranger, which leads through the enrollment."""
    page.goto(f"{shop}/account")
    enroll(page, user)
    return account(page, shop, user)


def test_a_user_enrolls_refreshes_signs_out_and_signs_in_with_a_code(
    shop: str, page: Page, user: BrowserUser
) -> None:
    enrolled = begin(page, shop, user)
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
    sign_in_with_code(page, user)
    signed_in = account(page, shop, user)
    assert signed_in["amr"] == "pwd otp mfa"
    assert signed_in["session"] != enrolled["session"]


def test_signing_in_again_renews_the_proof_of_the_same_session(
    shop: str, page: Page, user: BrowserUser
) -> None:
    enrolled = begin(page, shop, user)
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
    enrolled = begin(page, shop, user)
    page.wait_for_timeout(1500)  # the proxy refreshes a token that has less than its 30 seconds left
    page.reload()
    later = account(page, shop, user)
    assert later["token"] != enrolled["token"], "the proxy has not refreshed"
    page.wait_for_timeout(1500)
    script = """async () => Promise.all(Array.from({length: 10}, async () => {
        const answer = await fetch('/account', {redirect: 'manual'});
        return [answer.status, (await answer.text()).includes('Account of')];
    }))"""
    assert page.evaluate(script) == [[200, True]] * 10
    page.reload()
    assert account(page, shop, user)["session"] == enrolled["session"]
    assert len(active_sessions(user)) == 1
