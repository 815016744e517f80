"""The link pages with a keyboard, a screen reader, a small screen and a slow connection."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, Response, expect

from tests.support.browser_user import CODE, BrowserUser

Contexts = Callable[..., BrowserContext]
MAX_BYTES: Final = 60 * 1024
# Best practices of axe as well as WCAG 2.0 to 2.2, A and AA.
OPTIONS: Final = {"resultTypes": ["violations"]}


def page_states(page: Page, user: BrowserUser) -> Iterator[str]:
    """Visit every page that a user can see and yield its name."""
    link = user.link(return_to=None)
    page.goto(link["url"])
    yield "start"
    page.get_by_role("button").click()
    page.wait_for_url("**/enroll/*")
    page.locator("summary").click()
    yield "enroll"
    user.scan(page)
    user.type_code(page, user.wrong())
    expect(page.get_by_role("alert")).to_be_visible()
    yield "wrong code"
    user.type_code(page, user.code())
    expect(page.get_by_role("status")).to_be_visible()
    yield "done"
    page.get_by_role("button", name="Show recovery codes").or_(
        page.get_by_role("button", name="Wiederherstellungscodes anzeigen")
    ).click()
    page.locator(".recovery-codes").wait_for()
    yield "recovery codes"
    challenge = user.link("challenge")
    user.open(page, challenge)
    yield "challenge"
    page.locator("summary").click()
    yield "challenge, recovery code"
    page.locator("#recovery-code").fill("zzzz-zzzz-zzzz-zzzz")
    page.locator("#recovery-code").press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    yield "wrong recovery code"
    for _ in range(5):
        user.type_code(page, user.wrong())
    expect(page.get_by_role("textbox")).to_have_count(0)
    yield "used up"
    page.goto(link["url"] + "x")
    yield "unknown link"


def public_states(page: Page, user: BrowserUser) -> Iterator[str]:
    """Visit the landing page and an error page, in both languages, and yield their names."""
    url = user.setting.server.url
    for path, status in (("/", 200), ("/nowhere", 404)):
        response = page.goto(url + path)
        assert response is not None
        assert response.status == status
        yield f"{path} {page.locator('html').get_attribute('lang')}"
        page.get_by_role("contentinfo").get_by_role("link").click()
        page.wait_for_url(f"{url}{path}?language=*")
        yield f"{path} {page.locator('html').get_attribute('lang')}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_landing_and_error_pages_have_no_accessibility_violations(
    context: Contexts, user: BrowserUser, scheme: str
) -> None:
    page = context(color_scheme=scheme).new_page()
    states = []
    for state in public_states(page, user):
        results = Axe().run(page, options=OPTIONS)
        assert results.violations_count == 0, f"{state}: {results.generate_report()}"
        states.append(state)
    assert states == ["/ en", "/ de", "/nowhere de", "/nowhere en"]


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_landing_and_error_pages_fit_a_screen_of_320_pixels(
    context: Contexts, user: BrowserUser, locale: str
) -> None:
    page = context(locale=locale, viewport={"width": 320, "height": 568}).new_page()
    for state in public_states(page, user):
        assert page.evaluate("document.documentElement.scrollWidth") == 320, state


def test_the_landing_page_leads_to_the_reference_and_the_console(page: Page, user: BrowserUser) -> None:
    url = user.setting.server.url
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("requestfailed", lambda request: problems.append(request.url))
    page.goto(url, wait_until="networkidle")  # leaving sooner aborts the request for the icon
    page.get_by_role("link", name="API reference").click()
    expect(page.get_by_role("heading", name="Reference", exact=True)).to_be_visible()
    page.goto(url, wait_until="networkidle")
    page.get_by_role("link", name="Console").click()
    page.wait_for_url("**/console/sign-in", wait_until="networkidle")
    page.goto(f"{url}/docs/")
    page.wait_for_url(f"{url}/docs")
    assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_accessibility_violations(context: Contexts, user: BrowserUser, scheme: str) -> None:
    page = context(color_scheme=scheme).new_page()
    for state in page_states(page, user):
        results = Axe().run(page, options=OPTIONS)
        assert results.violations_count == 0, f"{state}: {results.generate_report()}"


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_pages_fit_a_screen_of_320_pixels(context: Contexts, user: BrowserUser, locale: str) -> None:
    page = context(locale=locale, viewport={"width": 320, "height": 568}).new_page()
    page.set_default_timeout(15_000)
    for state in page_states(page, user):
        too_wide = page.evaluate(
            "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 320.5)"
            ".map(e => e.outerHTML.slice(0, 80))"
        )
        assert page.evaluate("document.documentElement.scrollWidth") == 320, (state, too_wide)


def test_enrollment_works_with_the_keyboard_alone(page: Page, user: BrowserUser) -> None:
    page.goto(user.link()["url"])
    expect(page.get_by_role("button")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/enroll/*")
    user.scan(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_contain_text("scan?")
    assert focused.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#key")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label(CODE, exact=True)).to_be_focused()
    page.keyboard.type(user.code())
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Confirm")).to_be_focused()
    page.keyboard.press("Enter")
    user.return_to_application(page)


def test_recovery_codes_work_with_the_keyboard_alone(page: Page, user: BrowserUser) -> None:
    user.open(page, user.link(return_to=None))
    user.scan(page)
    user.type_code(page, user.code())
    expect(page.get_by_role("status")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Show recovery codes"))
    page.keyboard.press("Enter")
    page.locator(".recovery-codes").wait_for()
    codes = page.locator(".recovery-codes code").all_inner_texts()
    assert len(codes) == 10
    tab_to(page, page.get_by_role("button", name="Download as a file"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.path().read_text(encoding="utf-8").split() == codes

    user.open(page, user.link("challenge"))
    tab_to(page, page.locator("summary"))
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Recovery code", exact=True)).to_be_focused()
    page.keyboard.type(codes[0])
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Use this code")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{user.setting.welcome}*")


def tab_to(page: Page, wanted: Locator) -> None:
    """Move the focus with the Tab key alone, at most as often as a page has controls, and see where it is."""
    for _ in range(12):
        page.keyboard.press("Tab")
        if wanted.evaluate("e => e === document.activeElement"):
            break
    expect(wanted).to_be_focused()
    assert wanted.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"


def test_pages_are_small_and_their_files_are_cached(context: Contexts, user: BrowserUser) -> None:
    page = context().new_page()
    sizes: dict[str, int] = {}

    def record(response: Response) -> None:
        sizes[response.url] = sizes.get(response.url, 0) + len(response.body())

    page.on("response", lambda response: record(response) if response.status == 200 else None)
    for kind, count in (("enrollment", 4), ("challenge", 4)):
        if kind == "challenge":
            user.enroll_by_api()
        sizes.clear()
        link = user.link(kind)
        user.open(page, link)
        page.wait_for_load_state("networkidle")
        pages = {url: size for url, size in sizes.items() if "/link/" not in url}
        assert sum(pages.values()) < MAX_BYTES, pages
        assert len(pages) <= count
    requested: list[Any] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(user.link()["url"])
    page.wait_for_load_state("networkidle")
    assert page.evaluate("performance.getEntriesByType('resource').every(e => e.transferSize === 0)")
