"""Operators and users manage their own passkeys, in Chromium with its virtual authenticators."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.test_console import HOME, PASSWORD, Operator, set_up
from tests.support.browser_page import assert_accessible, assert_quiet, watched
from tests.support.browser_user import BrowserUser, Setting
from tests.support.server_process import Server, assert_no_surprise, fields
from tests.support.virtual_authenticator import VirtualAuthenticator
from tests.support.web_application import Application

pytestmark = pytest.mark.e2e

Contexts = Callable[..., BrowserContext]
PHONE: Final = {"width": 390, "height": 844}
COMPUTER: Final = {"width": 1280, "height": 860}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose pages browsers take for a site: on localhost instead of an IP address."""
    started = Server(tmp_path_factory.mktemp("own") / "data", {"AUTHFACTOR_TEAM_NAME": "Acme"})
    started.url = started.url.replace("127.0.0.1", "localhost")
    started._environment["AUTHFACTOR_BASE_URL"] = started.url
    started.start()
    yield started
    assert started.stop() == 0, started.output()
    assert_no_surprise(started)


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def user(api: httpx.Client, server: Server, app: Application) -> BrowserUser:
    email = f"{id(api)}-{len(server.output())}@example.org"
    created = fields(api.post("/user_management/users", json={"email": email}), 201)
    return BrowserUser(Setting(api, server, app), created["id"], email)


@pytest.fixture
def new_page(context: Contexts, server: Server) -> Callable[..., Page]:
    def make(**options: Any) -> Page:  # noqa: ANN401 - Playwright's
        return watched(context(base_url=server.url, **options).new_page())

    return make


def operator(server: Server, page: Page, email: str, role: str = "owner") -> Operator:
    invited = server.run("operators", "invite", email, "--role", role)
    found = re.search(r"(/console/set-up/\S+)", invited.stdout)
    assert found, invited.stderr
    return set_up(page, server.url + found[1], email)


def add_to_account(page: Page, name: str) -> None:
    page.goto("/console/account")
    page.get_by_label("Name of a new passkey").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_role("status")).to_contain_text("The passkey was added")


def make_old(server: Server, email: str) -> None:
    """Move the operator's last confirmation back by ten minutes."""
    with sqlite3.connect(server.data / "authfactor.db") as database:
        database.execute(
            "UPDATE operator_sessions SET authenticated_at = authenticated_at - 600000"
            " WHERE operator_id = (SELECT id FROM operators WHERE email = ?)",
            (email,),
        )


@pytest.mark.parametrize("viewport", [PHONE, COMPUTER], ids=["phone", "computer"])
def test_an_operator_adds_a_passkey_signs_in_with_it_confirms_with_it_and_removes_it(
    server: Server, new_page: Callable[..., Page], viewport: dict[str, int]
) -> None:
    page = new_page(viewport=viewport)
    email = f"kim-{viewport['width']}@example.org"
    kim = operator(server, page, email)
    device = VirtualAuthenticator(page)
    add_to_account(page, "Laptop")
    assert_accessible(page)
    expect(page.get_by_role("cell", name=re.compile("^Laptop"))).to_be_visible()
    # On this device there is one already.
    page.get_by_role("button", name="Add a passkey").click()
    assert_accessible(page)
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("already has a passkey")
    page.goto("/console/account")
    if viewport == PHONE:
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    # Else the authenticator answers at once what the page asks for while an email is typed.
    page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/console/sign-in")
    assert_accessible(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    # A dangerous action, when the sign-in is long ago.
    make_old(server, email)
    page.goto("/console/operators")
    page.get_by_label("Email").fill(f"new-{viewport['width']}@example.org")
    page.get_by_role("button", name="Create a set-up link").click()
    expect(page.get_by_role("heading", name="Confirm with a code or a passkey")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Confirm with a passkey").click()
    expect(page.get_by_text(f"Set-up link for new-{viewport['width']}")).to_be_visible()
    page.goto("/console/account")
    page.get_by_text("Remove", exact=True).first.click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status")).to_contain_text("The passkey was removed")
    # The browser was told, and has forgotten it.
    device.wait_for("Deleted")
    assert device.credentials() == []
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Code").fill(kim.code())
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert_quiet(page)


def test_an_operator_signs_in_with_password_and_a_key_without_a_pin(
    server: Server, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    operator(server, page, "lee@example.org", "viewer")
    VirtualAuthenticator(
        page, transport="usb", hasResidentKey=False, hasUserVerification=False, isUserVerified=False
    )
    add_to_account(page, "Key")
    expect(page.get_by_text("stays on its device, only after the password")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Use password and passkey").click()
    assert_accessible(page)
    page.get_by_label("Email").fill("lee@example.org")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in with password and passkey").click()
    expect(page.get_by_text("Email, password or passkey is wrong.")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert_quiet(page)


def test_the_sign_in_page_offers_passkeys_while_an_email_is_typed(
    server: Server, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    operator(server, page, "conditional@example.org", "viewer")
    VirtualAuthenticator(page)
    add_to_account(page, "")
    page.get_by_role("button", name="Sign out").click()
    # Chromium's virtual authenticator answers the request that waits at the field.
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def add_to_page(page: Page) -> None:
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_role("status")).to_contain_text("Your passkey was added")


@pytest.mark.parametrize("viewport", [PHONE, COMPUTER], ids=["phone", "computer"])
def test_a_user_adds_names_uses_and_removes_a_passkey(
    new_page: Callable[..., Page], user: BrowserUser, viewport: dict[str, int]
) -> None:
    page = new_page(viewport=viewport)
    device = VirtualAuthenticator(page, defaultBackupEligibility=True, defaultBackupState=True)
    user.open(page, user.link("factors", return_to=None))
    page.get_by_role("button", name="Add a passkey").click()
    assert_accessible(page)
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_role("status")).to_contain_text("Your passkey was added")
    assert_accessible(page)
    page.locator("summary").click()
    page.get_by_label("Name of this passkey").fill("Work laptop")
    page.get_by_label("Name of this passkey").press("Enter")
    expect(page.get_by_text("Work laptop", exact=True)).to_be_visible()
    expect(page.get_by_text("backed up.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    # In another page session, the passkey confirms.
    user.open(page, user.link("factors", return_to=None))
    page.get_by_role("link", name="Remove Work laptop").click()
    expect(page.get_by_role("heading", name=re.compile("^First, confirm"))).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Continue with a passkey").press("Enter")
    expect(page.get_by_text("This is your only passkey")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Remove this passkey").click()
    expect(page.get_by_role("status")).to_contain_text("Your only passkey was removed")
    device.wait_for("Deleted")
    assert device.credentials() == []
    assert_quiet(page)


def test_the_authenticator_learns_a_users_new_email(
    new_page: Callable[..., Page], user: BrowserUser, api: httpx.Client
) -> None:
    page = new_page()
    device = VirtualAuthenticator(page)
    user.open(page, user.link("factors", return_to=None))
    add_to_page(page)
    email = f"new-{user.email}"
    fields(api.put(f"/user_management/users/{user.user_id}", json={"email": email}), 200)
    page.reload()
    device.wait_for("Updated")
    assert [each["userName"] for each in device.credentials()] == [email]


def test_without_javascript_passkeys_are_listed_renamed_and_removed(
    new_page: Callable[..., Page], user: BrowserUser
) -> None:
    with_script = new_page()
    VirtualAuthenticator(with_script)
    user.open(with_script, user.link("factors", return_to=None))
    add_to_page(with_script)
    home = with_script.url.partition("?")[0]
    page = with_script.context.browser.new_context(java_script_enabled=False).new_page()  # type: ignore[union-attr]  # it has one
    page.context.add_cookies(with_script.context.cookies())  # type: ignore[arg-type]  # what it gave
    page.goto(home)
    expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()
    expect(page.get_by_text("needs a browser that supports passkeys")).to_be_visible()
    page.locator("summary").click()
    page.get_by_label("Name of this passkey").fill("Key")
    page.get_by_role("button", name="Save name").click()
    page.get_by_role("link", name="Remove Key").click()
    page.get_by_role("button", name="Remove this passkey").click()
    expect(page.get_by_role("status")).to_contain_text("Your only passkey was removed")
    page.context.close()


def test_the_console_lists_a_users_passkeys(
    server: Server, new_page: Callable[..., Page], user: BrowserUser
) -> None:
    page = new_page()
    VirtualAuthenticator(page)
    user.open(page, user.link("factors", return_to=None))
    add_to_page(page)
    console = new_page(viewport=PHONE)
    operator(server, console, "support@example.org")
    console.goto(f"{HOME}/users/{user.user_id}")
    expect(console.get_by_text("stays on its device")).to_be_visible()
    assert_accessible(console)
    assert console.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    console.goto(f"{HOME}/settings")
    expect(console.get_by_text("RP ID: the site that passkeys are for")).to_be_visible()
    assert_accessible(console)
