"""The reference as developers use it: choose a language, copy a sample, search, send a request."""

import re
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, Request, expect

from authfactor import reference
from tests.support.server_process import API_KEY, Server, running

PAGES = [
    "/docs",
    "/docs/guide",
    "/docs/errors",
    "/docs/enroll-auth-factor",
    "/docs/list-sessions?lang=java",
]


@pytest.fixture(scope="module")
def docs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("docs") / "data", {"AUTHFACTOR_DOCS_TRY": "true"}) as started:
        yield started


@pytest.fixture
def page(context: Callable[..., BrowserContext], docs_server: Server) -> Page:
    browser_context = context(base_url=docs_server.url, permissions=["clipboard-read", "clipboard-write"])
    return browser_context.new_page()


@pytest.fixture
def user_id(docs_server: Server) -> str:
    with docs_server.client() as client:
        listed = client.get("/user_management/users").json()["data"]
        users = listed or [client.post("/user_management/users", json={"email": "kim@example.org"}).json()]
        return str(users[0]["id"])


def chosen_language(page: Page) -> str:
    return page.locator(".tabs [aria-current]").inner_text()


def test_the_chosen_language_persists_across_pages_and_visits(page: Page) -> None:
    page.goto("/docs/enroll-auth-factor")
    assert chosen_language(page) == "cURL"
    page.get_by_role("link", name="Python", exact=True).click()
    assert "user_management.enroll_auth_factor(" in page.locator("#sample").inner_text()
    expect(page.locator("#parameters + p + ul")).to_contain_text("totp_issuer")
    page.get_by_role("link", name="Verify a challenge", exact=True).click()
    page.wait_for_url("**/verify-challenge")
    assert chosen_language(page) == "Python"
    later_visit = page.context.new_page()
    later_visit.goto("/docs/get-user")
    assert chosen_language(later_visit) == "Python"


def test_language_and_search_work_without_javascript(
    context: Callable[..., BrowserContext], docs_server: Server
) -> None:
    page = context(base_url=docs_server.url, java_script_enabled=False).new_page()
    page.goto("/docs/get-user")
    page.get_by_role("link", name="Go", exact=True).click()
    page.goto("/docs/delete-user")
    assert chosen_language(page) == "Go"
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    expect(page.get_by_text("needs JavaScript")).to_be_visible()
    expect(page.locator("form[data-try]")).to_be_hidden()
    page.goto("/docs")
    page.get_by_role("searchbox").fill("revoke session")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".docs-index a")).to_have_count(1)


@pytest.mark.parametrize("language", ["curl", "go"])
def test_the_copy_button_copies_the_sample(page: Page, language: str) -> None:
    page.goto(f"/docs/create-user?lang={language}")
    page.get_by_role("button", name="Copy sample").click()
    expect(page.get_by_role("button", name="Copied").first).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == reference.samples()[language]["create_user"].code


def test_typing_filters_the_index(page: Page) -> None:
    page.goto("/docs")
    entries = page.locator(".docs-index li:visible")
    expect(entries).to_have_count(len(reference.endpoints()))
    page.get_by_role("searchbox").fill("verifyChallenge")
    expect(entries).to_have_count(1)
    expect(page.get_by_role("heading", level=2)).to_have_count(1)
    page.get_by_role("searchbox").fill("no such thing")
    expect(page.locator("#nothing-found")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    expect(entries).to_have_count(len(reference.endpoints()))


def test_the_try_form_sends_a_request_and_shows_the_response(page: Page, user_id: str) -> None:
    page.goto("/docs/enroll-auth-factor")
    page.get_by_label("API key of a test environment").fill(API_KEY)
    page.locator("#try-user_id").fill(user_id)
    page.get_by_text("3 optional parameters").click()
    page.locator("#try-totp_issuer").fill("Acme & Söhne")
    page.get_by_role("button", name="Send POST").click()
    response = page.locator("[data-response]")
    expect(response.locator(".badge")).to_have_text(re.compile(r"^201 · \d+ ms$"))
    expect(response.locator("pre")).to_contain_text('"issuer": "Acme & Söhne"')


def test_the_try_form_shows_a_refused_request(page: Page) -> None:
    page.goto("/docs/get-user")
    page.get_by_label("API key of a test environment").fill("sk_test_wrong")
    page.locator("#try-user_id").fill("../../events?events=user.created")
    page.get_by_role("button", name="Send GET").click()
    response = page.locator("[data-response]")
    expect(response.locator(".badge")).to_have_text(re.compile("^401 "))
    expect(response.locator("pre")).to_contain_text("Unauthorized")


def test_the_try_form_sends_values_with_their_types(page: Page, user_id: str) -> None:
    page.goto("/docs/update-user")
    page.get_by_label("API key of a test environment").fill(API_KEY)
    page.locator("#try-user_id").fill(user_id)
    page.get_by_text("12 optional parameters").click()
    page.locator("#try-email_verified").select_option("true")
    page.locator("#try-metadata").fill("{plan")
    page.get_by_role("button", name="Send PUT").click()
    expect(page.locator("[data-response] .badge")).to_have_text("Invalid JSON")
    page.locator("#try-metadata").fill('{"plan": "pro"}')
    page.get_by_role("button", name="Send PUT").click()
    expect(page.locator("[data-response] pre")).to_contain_text('"email_verified": true')
    expect(page.locator("[data-response] pre")).to_contain_text('"plan": "pro"')


def test_the_api_key_goes_only_into_the_authorization_header(
    page: Page, docs_server: Server, user_id: str
) -> None:
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))  # noqa: PLW0108 - Playwright sets attributes on it
    page.goto("/docs/get-user")
    page.get_by_label("API key of a test environment").fill(API_KEY)
    page.locator("#try-user_id").fill(user_id)
    page.get_by_role("button", name="Send GET").click()
    expect(page.locator("[data-response] pre")).to_contain_text(user_id)
    with_key = [request for request in requests if API_KEY in str(request.all_headers())]
    assert [request.url for request in with_key] == [f"{docs_server.url}/user_management/users/{user_id}"]
    assert with_key[0].all_headers().get("cookie") is None
    assert not [r for r in requests if API_KEY in r.url or API_KEY in (r.post_data or "")]
    assert {r.url.split("/")[2] for r in requests} == {docs_server.url.split("/")[2]}
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert API_KEY not in stored
    page.reload()
    assert page.get_by_label("API key of a test environment").input_value() == ""
    assert API_KEY not in docs_server.output()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_docs_pages_are_accessible_and_fit_a_small_screen(
    context: Callable[..., BrowserContext], docs_server: Server, scheme: str
) -> None:
    page = context(base_url=docs_server.url, color_scheme=scheme).new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    for path in PAGES:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(path)
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        results = Axe().run(page)
        assert results.violations_count == 0, f"{path}: {results.generate_report()}"
        page.set_viewport_size({"width": 320, "height": 600})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
    assert problems == []


def test_controls_can_be_reached_by_keyboard(page: Page) -> None:
    page.goto("/docs/get-user")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.innerText || document.activeElement.id"))
    assert {"Python", "sample"} & reached
    assert any("Copy" in name for name in reached)
    assert {"try-key", "try-user_id", "Send GET"} <= reached
