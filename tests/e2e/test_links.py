"""A user follows a link: open it, scan, type the code, return to the application."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.browser_user import CODE, BrowserUser

Contexts = Callable[..., BrowserContext]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"color_scheme": "dark"},
        {"java_script_enabled": False},
        {"viewport": {"width": 390, "height": 844}},
    ],
    ids=["light", "dark", "no JavaScript", "phone"],
)
def test_a_user_enrolls_and_returns_to_the_application(
    context: Contexts, user: BrowserUser, options: dict[str, Any]
) -> None:
    page = context(**options).new_page()
    link = user.link(state="order 7&x=1")
    assert user.status(link) == "pending"
    user.open(page, link)
    assert user.status(link) == "opened"
    expect(page.locator("dl")).to_contain_text("Acme")
    expect(page.locator("dl")).to_contain_text(user.email)
    user.scan(page)
    user.type_code(page, user.code())
    user.return_to_application(page)

    arrival = [seen for seen in user.setting.app.arrivals if seen.path.startswith("/welcome")][-1]
    assert parse_qs(urlsplit(arrival.path).query) == {"state": ["order 7&x=1"]}
    assert arrival.referer is None
    assert user.status(link) == "completed"
    # The same factor confirms a challenge, opened by another link, with the next code.
    challenge_link = user.link("challenge")
    user.open(page, challenge_link)
    user.type_code(page, user.code(1))
    page.wait_for_url(user.setting.welcome)
    assert user.status(challenge_link) == "completed"


def test_enrollment_without_return_to_ends_on_a_confirmation(page: Page, user: BrowserUser) -> None:
    link = user.link(return_to=None)
    user.open(page, link)
    user.scan(page)
    user.type_code(page, user.code())
    expect(page.get_by_role("status")).to_contain_text("From now on, Acme may ask you for a code")
    page.reload()
    expect(page.get_by_role("status")).to_be_visible()
    assert user.secret not in page.content().replace(" ", "")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_recovery_codes_can_be_read_whole(context: Contexts, user: BrowserUser, width: int) -> None:
    page = context(viewport={"width": width, "height": 844}).new_page()
    user.open(page, user.link(return_to=None))
    user.scan(page)
    user.type_code(page, user.code())
    page.get_by_role("button", name="Show recovery codes").click()
    codes = page.locator(".recovery-codes code")
    expect(codes).to_have_count(10)
    widths = codes.evaluate_all("codes => codes.map(code => [code.scrollWidth, code.clientWidth])")
    assert [shown for needed, shown in widths if needed > shown] == []


def test_a_code_pasted_with_a_space_is_accepted(context: Contexts, user: BrowserUser) -> None:
    browser_context = context()
    browser_context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = browser_context.new_page()
    user.open(page, user.link())
    user.scan(page)
    code = user.code()
    page.evaluate("text => navigator.clipboard.writeText(text)", f"{code[:3]} {code[3:]}")
    page.get_by_label(CODE, exact=True).focus()
    page.keyboard.press("Control+V")
    expect(page.get_by_label(CODE, exact=True)).to_have_value(f"{code[:3]} {code[3:]}")
    page.keyboard.press("Enter")
    user.return_to_application(page)


def test_the_code_field_supports_autofill(page: Page, user: BrowserUser) -> None:
    user.open(page, user.link())
    box = page.get_by_label(CODE, exact=True)
    for name, value in (("autocomplete", "one-time-code"), ("inputmode", "numeric"), ("type", "text")):
        expect(box).to_have_attribute(name, value)


def test_the_key_can_be_read_and_copied_instead_of_scanned(context: Contexts, user: BrowserUser) -> None:
    browser_context = context()
    browser_context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = browser_context.new_page()
    user.open(page, user.link())
    user.scan(page)
    expect(page.locator("#key")).to_be_hidden()
    page.get_by_text("scan?").click()
    key = page.locator("#key").inner_text()
    assert re.fullmatch(r"([A-Z2-7]{4} ){7}[A-Z2-7]{4}", key)
    assert key.replace(" ", "") == user.secret
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == user.secret


def test_the_copy_button_is_hidden_without_javascript(context: Contexts, user: BrowserUser) -> None:
    page = context(java_script_enabled=False).new_page()
    user.open(page, user.link())
    page.get_by_text("scan?").click()
    expect(page.locator("#key")).to_be_visible()
    expect(page.locator("[data-copy]")).to_be_hidden()


def test_the_authenticator_link_is_shown_on_phones_only(context: Contexts, user: BrowserUser) -> None:
    phone = context(is_mobile=True, has_touch=True, viewport={"width": 390, "height": 844}).new_page()
    user.open(phone, user.link())
    uri = user.scan(phone)
    expect(phone.get_by_role("link", name="Open in my authenticator app")).to_have_attribute("href", uri)
    desktop = context().new_page()
    user.open(desktop, user.link())
    expect(desktop.get_by_role("link", name="Open in my authenticator app")).to_be_hidden()


def test_a_wrong_code_is_explained_and_the_right_one_still_works(page: Page, user: BrowserUser) -> None:
    user.open(page, user.link())
    user.scan(page)
    user.type_code(page, user.wrong())
    user.expect_problem(page, "That code is not right.")
    user.type_code(page, "12345")
    user.expect_problem(page, "A code is six digits.")
    user.type_code(page, user.code())
    user.return_to_application(page)


def test_a_used_and_an_old_code_are_explained(page: Page, user: BrowserUser) -> None:
    user.enroll_by_api()
    user.open(page, user.link("challenge"))
    user.type_code(page, user.spent[0])
    user.expect_problem(page, "This code has already been used.")
    user.expect_problem(page, "You have 4 attempts left.")
    user.type_code(page, user.code(-6))
    user.expect_problem(page, "the clock on your phone is slow")


def test_wrong_codes_end_a_challenge_and_then_lock_the_user(page: Page, user: BrowserUser) -> None:
    user.enroll_by_api()
    user.open(page, user.link("challenge"))
    for left in ("4 attempts", "3 attempts", "2 attempts", "one attempt"):
        user.type_code(page, user.wrong())
        user.expect_problem(page, left)
    user.type_code(page, user.wrong())
    expect(page.get_by_role("alert")).to_contain_text("Go back and request a new link.")
    expect(page.get_by_label(CODE, exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="Back to Acme")).to_have_attribute("href", user.setting.welcome)

    user.open(page, user.link("challenge"))
    for _ in range(4):
        user.type_code(page, user.wrong())
    user.expect_problem(page, "You have one attempt left.")
    user.type_code(page, user.wrong())
    user.expect_problem(page, "Too many wrong codes. Try again in 15 minutes.")
    user.type_code(page, user.code(1))
    user.expect_problem(page, "Too many wrong codes. Try again in 15 minutes.")


def test_expired_links_and_pages_are_reported(
    page: Page, user: BrowserUser, expire: Callable[[str], None]
) -> None:
    link = user.link()
    expire(link["id"])
    response = page.goto(link["url"])
    assert response is not None
    assert response.status == 410
    expect(page.get_by_role("heading")).to_have_text("This link has expired")
    link = user.link()
    user.open(page, link)
    user.scan(page)
    expire(link["id"])
    user.type_code(page, user.code())
    expect(page.get_by_role("heading")).to_have_text("This link has expired")
    assert user.status(link) == "expired"


def test_reloading_and_going_back_keep_the_same_secret(page: Page, user: BrowserUser) -> None:
    link = user.link()
    user.open(page, link)
    uri = user.scan(page)
    page.reload()
    assert user.scan(page) == uri
    page.goto(link["url"])
    page.wait_for_url("**/enroll/*")
    assert user.scan(page) == uri


def test_a_double_click_opens_the_link_once(page: Page, user: BrowserUser) -> None:
    page.goto(user.link()["url"])
    page.get_by_role("button").dblclick()
    page.wait_for_url("**/enroll/*")
    user.scan(page)


def test_pages_are_in_german_and_keep_the_chosen_language(context: Contexts, user: BrowserUser) -> None:
    page = context(locale="de-AT").new_page()
    page.goto(user.link()["url"])
    expect(page.get_by_role("heading")).to_have_text("Anmeldung in zwei Schritten einrichten")
    assert page.locator("html").get_attribute("lang") == "de"
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading")).to_have_text("Set up two-step sign-in")
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Add your authenticator app")


def test_the_users_locale_overrides_the_browsers(page: Page, user: BrowserUser) -> None:
    user.setting.api.put(f"/user_management/users/{user.user_id}", json={"locale": "de"})
    page.goto(user.link()["url"])
    expect(page.get_by_role("heading")).to_have_text("Anmeldung in zwei Schritten einrichten")
