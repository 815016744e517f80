"""A user manages their factors: the whole page by mouse, by keyboard, without JavaScript, on a phone."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.browser_user import CODE, BrowserUser
from tests.support.server_process import API_KEY, CLIENT_ID

Contexts = Callable[..., BrowserContext]
OPTIONS: Final = {"resultTypes": ["violations"]}
PHONE: Final = {"width": 390, "height": 844}
COMPUTER: Final = {"width": 1280, "height": 860}
PASSWORD: Final = "a long enough pass phrase"
FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


def sign_in(user: BrowserUser, times: int = 1) -> None:
    """Sign the user in, before there is a factor that would be asked for."""
    user.setting.api.put(f"/user_management/users/{user.user_id}", json={"password": PASSWORD})
    body = {
        "grant_type": "password",
        "client_id": CLIENT_ID,
        "client_secret": API_KEY,
        "email": user.email,
        "password": PASSWORD,
        "user_agent": FIREFOX,
        "ip_address": "192.0.2.10",
    }
    for _ in range(times):
        assert user.setting.api.post("/user_management/authenticate", json=body).status_code == 200


def trust(user: BrowserUser) -> None:
    """Trust a device of the user, whose app has the code of the next step left."""
    body = {
        "grant_type": "password",
        "client_id": CLIENT_ID,
        "client_secret": API_KEY,
        "email": user.email,
        "password": PASSWORD,
        "code": user.code(1),
    }
    user.setting.api.post("/user_management/authenticate", json=body).raise_for_status()
    listed = user.setting.api.get(f"/user_management/users/{user.user_id}/sessions").json()["data"]
    device = {"session_id": max(each["id"] for each in listed), "user_agent": FIREFOX}
    user.setting.api.post("/authfactor/trusted_devices", json=device).raise_for_status()


def open_page(page: Page, user: BrowserUser, **more: object) -> str:
    """Open the factors page and return its URL."""
    user.open(page, user.link("factors", **more))
    return page.url


def states(page: Page, user: BrowserUser) -> Iterator[str]:
    """Visit every state of the page and its steps, and yield its name."""
    sign_in(user)
    # Not changed back: other tests ignore an empty list of devices.
    policy = {"policy": "if_enrolled", "trusted_devices": "allowed"}
    user.setting.api.put("/authfactor/mfa_policy", json=policy).raise_for_status()
    link = user.link("factors", return_to=None)
    page.goto(link["url"])
    yield "start"
    page.get_by_role("button").click()
    page.wait_for_url("**/factors/*")
    home = page.url
    yield "empty"
    page.get_by_role("button", name="Add an authenticator app").click()
    page.wait_for_url("**/add/code")
    page.locator(".figure").scroll_into_view_if_needed()
    user.scan(page)
    yield "adding"
    user.type_code(page, user.wrong())
    expect(page.get_by_role("alert")).to_be_visible()
    yield "adding, wrong code"
    user.type_code(page, user.code())
    expect(page.get_by_role("status")).to_contain_text("was added")
    page.locator("summary").click()
    yield "one app, form for its name"
    trust(user)
    page.goto(home)
    expect(page.get_by_role("button", name="Forget Firefox on Linux")).to_be_visible()
    yield "one app and a trusted device"
    page.get_by_role("link", name="Get recovery codes").click()
    yield "about to make codes"
    page.get_by_role("button", name="Show recovery codes").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    yield "recovery codes"
    page.goto(home)
    page.get_by_role("link", name=re.compile("^Remove")).click()
    yield "last app"
    page.goto(home)
    page.get_by_role("link", name="End all sessions").click()
    yield "ending sessions"
    again = open_page(page, user, return_to=None)
    page.get_by_role("button", name="Add another app").click()
    yield "asked for a code"
    user.type_code(page, user.wrong())
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_text("Lost your phone?").click()
    yield "wrong code, recovery code asked for"
    page.goto(again)
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("status")).to_be_visible()
    yield "left"


@pytest.mark.parametrize("viewport", [PHONE, COMPUTER], ids=["phone", "computer"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_factors_page_has_no_accessibility_violations(
    context: Contexts, user: BrowserUser, viewport: dict[str, int], scheme: str
) -> None:
    page = context(viewport=viewport, color_scheme=scheme).new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    for state in states(page, user):
        results = Axe().run(page, options=OPTIONS)
        assert results.violations_count == 0, f"{state}: {results.generate_report()}"
    # The answers to wrong codes are 422, which Chromium notes; nothing breaks the content security policy.
    assert all("422" in problem for problem in problems), problems


def test_factors_page_fits_a_screen_of_320_pixels(context: Contexts, user: BrowserUser) -> None:
    page = context(viewport={"width": 320, "height": 568}).new_page()
    for state in states(page, user):
        cut = page.evaluate(
            "[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1"
            " && e.clientWidth > 0 && !e.closest('svg, .hidden-visually')).map(e => e.outerHTML.slice(0, 80))"
        )
        assert page.evaluate("document.documentElement.scrollWidth") == 320, state
        assert cut == [], state


def test_a_user_changes_phones_without_javascript(context: Contexts, user: BrowserUser) -> None:
    """Add the new phone, remove the old one, make new codes, download them, end sessions, return."""
    page = context(java_script_enabled=False, viewport=PHONE).new_page()
    sign_in(user, 2)
    user.enroll_by_api()
    old = user.factor_id
    home = open_page(page, user)
    expect(page.get_by_text("Firefox on Linux")).to_have_count(2)
    expect(page.get_by_text("UTC")).to_have_count(2)
    page.get_by_role("button", name="Add another app").click()
    user.type_code(page, user.code(1))
    page.wait_for_url("**/add/code")
    user.scan(page)
    user.type_code(page, user.code())
    expect(page.get_by_role("status")).to_contain_text("was added")
    page.locator(f'a[href$="/remove/{old}"]').click()
    page.get_by_role("button", name="Remove this app").click()
    expect(page.get_by_role("status")).to_contain_text("was removed")
    page.get_by_text("Rename").click()
    page.get_by_label("Name of this app").fill("New phone")
    page.get_by_role("button", name="Save name").click()
    expect(page.get_by_role("status")).to_contain_text("name was saved")
    expect(page.get_by_text("New phone", exact=True)).to_be_visible()
    page.get_by_role("link", name="Get recovery codes").click()
    page.get_by_role("button", name="Show recovery codes").click()
    codes = page.locator(".recovery-codes code").all_inner_texts()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    saved = download.value.path()
    assert isinstance(saved, Path)
    assert saved.read_text().split() == codes
    page.get_by_role("link", name="Back to sign-in security").click()
    expect(page.get_by_text("10 unused codes left")).to_be_visible()
    page.get_by_role("link", name="End all sessions").click()
    page.get_by_role("button", name="End all sessions").click()
    expect(page.get_by_text("ended", exact=True)).to_have_count(2)
    page.get_by_role("button", name="Done").click()
    page.wait_for_url(user.setting.welcome)
    response = page.goto(home)
    assert response is not None
    assert response.status == 404


def test_the_last_app_is_removed_with_the_keyboard_alone(page: Page, user: BrowserUser) -> None:
    sign_in(user)
    user.enroll_by_api()
    page.goto(user.link("factors")["url"])
    expect(page.get_by_role("button")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/factors/*")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name=re.compile("^Remove "))).to_be_focused()
    page.keyboard.press("Tab")
    rename = page.locator(":focus")
    expect(rename).to_have_text("Rename")
    assert rename.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Name of this app")).to_be_focused()
    page.keyboard.type("Old phone")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("name was saved")
    page.get_by_role("link", name="Remove Old phone").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/confirm/*")
    expect(page.get_by_label(CODE, exact=True)).to_be_focused()
    page.keyboard.type(user.code(1))
    page.keyboard.press("Enter")
    page.wait_for_url("**/remove/*")
    expect(page.get_by_text("This is your only authenticator app")).to_be_visible()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text() == "Remove my only app":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Add a new one")
    expect(page.get_by_text("No authenticator app yet")).to_be_visible()


def test_a_double_click_makes_one_set_of_recovery_codes(page: Page, user: BrowserUser) -> None:
    user.enroll_by_api()
    home = open_page(page, user)
    page.get_by_role("link", name="Get recovery codes").click()
    user.type_code(page, user.code(1))
    page.get_by_role("button", name="Show recovery codes").dblclick()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    page.goto(home)
    query: dict[str, Any] = {"events": "authfactor.recovery_codes_created", "limit": 100, "order": "desc"}
    events = user.setting.api.get("/events", params=query).json()["data"]
    made = [item for item in events if item["data"]["user_id"] == user.user_id]
    assert len(made) == 1


def test_times_are_shown_in_the_readers_zone(context: Contexts, user: BrowserUser) -> None:
    sign_in(user)
    page = context(timezone_id="Asia/Tokyo").new_page()
    open_page(page, user)
    time = page.locator("time")
    expect(time).not_to_contain_text("UTC")
    shown = page.evaluate(
        "iso => new Date(iso).toLocaleString('en-GB', {dateStyle: 'long', timeStyle: 'short'})",
        time.get_attribute("datetime"),
    )
    expect(time).to_have_text(shown)


def test_an_expired_page_says_so(page: Page, user: BrowserUser, expire: Callable[[str], None]) -> None:
    link = user.link("factors")
    user.open(page, link)
    expire(link["id"])
    page.get_by_role("button", name="Add an authenticator app").click()
    expect(page.get_by_role("heading")).to_have_text("This link has expired")
    assert user.status(link) == "expired"
