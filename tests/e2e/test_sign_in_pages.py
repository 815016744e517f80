"""The sign-in pages in Chromium: keyboard, screen reader, small screens, no scripts, passkeys."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.browser_user import BrowserUser, Setting
from tests.support.server_process import CLIENT_ID, Server, assert_no_surprise, fields
from tests.support.virtual_authenticator import VirtualAuthenticator
from tests.support.web_application import Application

pytestmark = pytest.mark.e2e

Contexts = Callable[..., BrowserContext]
PASSWORD: Final = "seven green bottles"
OPTIONS: Final = {"resultTypes": ["violations"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on localhost, where browsers use passkeys."""
    started = Server(tmp_path_factory.mktemp("sign-in") / "data", {"AUTHFACTOR_TEAM_NAME": "Acme"})
    started._environment["AUTHFACTOR_BASE_URL"] = started.url.replace("127.0.0.1", "localhost")
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
    """A user with a password and without a factor."""
    email = f"kim-{uuid.uuid4().hex[:8]}@example.org"
    made = fields(api.post("/user_management/users", json={"email": email, "password": PASSWORD}), 201)
    return BrowserUser(Setting(api, server, app), made["id"], email)


@pytest.fixture
def policy(api: httpx.Client) -> Iterator[Callable[..., None]]:
    """Return a function that sets the policy of the environment, until the test ends."""

    def put(**document: Any) -> None:  # noqa: ANN401 - any member
        assert api.put("/authfactor/mfa_policy", json=document).status_code == 200

    yield put
    put(policy="if_enrolled")


def link_of(user: BrowserUser, **more: str) -> str:
    """Return the URL to which the application sends a browser."""
    query = {
        "client_id": CLIENT_ID,
        "redirect_uri": f"{user.setting.app.url}/callback",
        "response_type": "code",
        "provider": "authkit",
        "state": "mine",
        **more,
    }
    base = user.setting.server.url.replace("127.0.0.1", "localhost")
    return f"{base}/user_management/authorize?{urlencode(query)}"


def fill_password(page: Page, user: BrowserUser, password: str = PASSWORD) -> None:
    page.locator("#email").fill(user.email)
    page.locator("#password").fill(password)
    page.locator("#password").press("Enter")


def returned(page: Page, user: BrowserUser) -> dict[str, list[str]]:
    """Wait until the application has the browser back, and return what it was given."""
    page.wait_for_url(f"{user.setting.app.url}/callback*")
    return parse_qs(urlsplit(page.url).query)


def start(page: Page, user: BrowserUser, **more: str) -> None:
    response = page.goto(link_of(user, **more))
    assert response is not None
    assert response.status == 200, response.text()


def press(page: Page, step: str) -> None:
    """Press the button of the form that leads to a step, in any language."""
    page.locator(f'form[action$="{step}"] button:visible').click()


def states(page: Page, user: BrowserUser, policy: Callable[..., None]) -> Iterator[str]:
    """Visit every page that a user can see and yield its name."""
    start(page, user)
    yield "sign in"
    fill_password(page, user, "wrong")
    expect(page.get_by_role("alert").first).to_be_visible()
    yield "wrong password"
    policy(policy="required", grace_days=14)
    fill_password(page, user)
    page.wait_for_url("**/enroll")
    yield "enrollment can wait"
    policy(policy="required")
    page.reload()
    yield "enrollment"
    press(page, "/enroll/app")
    page.locator(".figure").wait_for()
    page.locator("summary").click()
    yield "app"
    user.scan(page)
    user.type_code(page, user.wrong())
    expect(page.get_by_role("alert")).to_be_visible()
    yield "wrong first code"
    user.type_code(page, user.code())
    page.wait_for_url("**/finish")
    yield "finish"
    press(page, "/recovery-codes")
    page.locator(".recovery-codes").wait_for()
    yield "recovery codes"
    press(page, "/finish")
    returned(page, user)
    start(page, user, prompt="select_account")
    yield "account"
    start(page, user, max_age="0")
    yield "again"
    start(page, user, prompt="login")
    fill_password(page, user)
    page.wait_for_url("**/code")
    page.locator("summary").click()
    yield "code"
    user.type_code(page, user.wrong())
    expect(page.get_by_role("alert")).to_be_visible()
    yield "wrong code"
    here = page.url
    press(page, "/cancel")
    assert returned(page, user)["error"] == ["access_denied"]
    page.goto(here)
    yield "over"


@pytest.fixture
def sender(api: httpx.Client) -> Iterator[None]:
    """Have the environment send mail, until the test ends."""
    assert api.put("/authfactor/senders/mail", json={"kind": "console"}).status_code == 200
    yield
    assert api.delete("/authfactor/senders/mail").status_code == 204


def newest(user: BrowserUser, event: str, path: str) -> dict[str, Any]:
    """Return the newest object of a kind that was mailed, as the application reads it."""
    query = {"events": event, "order": "desc", "limit": "1"}
    (found,) = fields(user.setting.api.get("/events", params=query), 200)["data"]
    return fields(user.setting.api.get(f"{path}/{found['data']['id']}"), 200)


def mail_states(page: Page, user: BrowserUser) -> Iterator[str]:
    """Visit every page that has to do with mail and yield its name."""
    start(page, user)
    yield "sign in"
    page.locator('a[href$="/forgotten"]').click()
    yield "forgotten"
    page.locator("#email").fill(user.email)
    page.locator("#email").press("Enter")
    page.get_by_role("status").wait_for()
    yield "link is on its way"
    url = newest(user, "password_reset.created", "/user_management/password_reset")["password_reset_url"]
    page.goto(url)
    yield "new password"
    page.locator("#password").fill("aaaaaaaaaaaa")
    page.locator("#password").press("Enter")
    page.get_by_role("alert").wait_for()
    yield "weak password"
    page.locator("#password").fill("six purple elephants")
    page.locator("#password").press("Enter")
    page.get_by_role("status").wait_for()
    yield "changed"
    start(page, user)
    page.locator("#email").fill(user.email)
    page.locator('button[formaction$="/email-code/send"]').click()
    page.wait_for_url("**/email-code")
    yield "mailed code"
    code = newest(user, "magic_auth.created", "/user_management/magic_auth")["code"]
    user.type_code(page, f"{(int(code) + 1) % 10**6:06d}")
    page.get_by_role("alert").wait_for()
    yield "wrong mailed code"
    user.type_code(page, code)
    assert returned(page, user)["code"]
    body = {"email": f"new-{uuid.uuid4().hex[:8]}@example.org"}
    invited = fields(user.setting.api.post("/user_management/invitations", json=body), 201)
    page.goto(invited["accept_invitation_url"])
    yield "invitation"
    press(page, "/invitation")
    page.get_by_role("status").wait_for()
    yield "invitation is ready"


@pytest.mark.usefixtures("sender")
@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_pages_of_mail_are_accessible_on_a_small_screen(
    context: Contexts, user: BrowserUser, locale: str
) -> None:
    page = context(locale=locale, viewport={"width": 390, "height": 800}).new_page()
    for state in mail_states(page, user):
        assert page.evaluate("document.documentElement.scrollWidth") == 390, state
        results = Axe().run(page, options=OPTIONS)
        assert results.violations_count == 0, f"{state}: {results.generate_report()}"


def test_sign_up_in_the_browser(page: Page, user: BrowserUser) -> None:
    start(page, user, screen_hint="sign-up")
    results = Axe().run(page, options=OPTIONS)
    assert results.violations_count == 0, results.generate_report()
    page.get_by_label("Email").fill(f"new-{uuid.uuid4().hex[:8]}@example.org")
    page.get_by_label("New password").fill("six purple elephants")
    page.get_by_role("button", name="Sign up").click()
    assert returned(page, user)["code"]


@pytest.fixture(autouse=True)
def in_english_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let codes be typed whatever the language: the label is the same in both."""
    monkeypatch.setattr("tests.support.browser_user.CODE", "Code")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_accessibility_violations(
    context: Contexts, user: BrowserUser, policy: Callable[..., None], scheme: str
) -> None:
    page = context(color_scheme=scheme).new_page()
    for state in states(page, user, policy):
        results = Axe().run(page, options=OPTIONS)
        assert results.violations_count == 0, f"{state}: {results.generate_report()}"


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
@pytest.mark.parametrize("width", [320, 390])
def test_pages_fit_a_small_screen(
    context: Contexts, user: BrowserUser, policy: Callable[..., None], locale: str, width: int
) -> None:
    page = context(locale=locale, viewport={"width": width, "height": 800}).new_page()
    for state in states(page, user, policy):
        assert page.evaluate("document.documentElement.scrollWidth") == width, state
        language = page.locator("html").get_attribute("lang")
        assert language == locale[:2], state


def test_sign_in_works_with_the_keyboard_alone(page: Page, user: BrowserUser) -> None:
    user.enroll_by_api()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    start(page, user)
    expect(page.get_by_label("Email")).to_be_focused()
    page.keyboard.type(user.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/code")
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    page.keyboard.type(user.code(1))
    page.keyboard.press("Enter")
    answer = returned(page, user)
    assert answer["state"] == ["mine"]
    assert answer["code"]
    assert problems == []
    seen = [arrival.referer for arrival in user.setting.app.arrivals if arrival.path.startswith("/callback")]
    assert set(seen) == {None}


def test_sign_in_works_without_scripts(context: Contexts, user: BrowserUser) -> None:
    user.enroll_by_api()
    page = context(java_script_enabled=False).new_page()
    start(page, user)
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    fill_password(page, user)
    page.wait_for_url("**/code")
    user.type_code(page, user.code(1))
    assert returned(page, user)["code"]


def test_reloading_a_refused_form_and_going_back_are_harmless(page: Page, user: BrowserUser) -> None:
    user.enroll_by_api()
    start(page, user)
    fill_password(page, user)
    page.wait_for_url("**/code")
    page.go_back()
    page.wait_for_url("**/code")
    page.reload()
    user.type_code(page, user.code(1))
    returned(page, user)
    page.go_back()
    expect(page.get_by_role("heading")).to_have_text("You have already signed in")


def test_passkey_is_made_and_then_signs_in_by_itself(
    context: Contexts, user: BrowserUser, policy: Callable[..., None]
) -> None:
    policy(policy="required")
    page = context().new_page()
    key = VirtualAuthenticator(page)
    start(page, user)
    fill_password(page, user)
    page.wait_for_url("**/enroll")
    page.get_by_role("button", name="Create a passkey").click()
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Create the passkey").click()
    page.wait_for_url("**/finish")
    page.get_by_role("button", name="Go on to Acme").click()
    returned(page, user)
    assert len(key.credentials()) == 1
    # Offered in the field for the email, which this authenticator answers at once.
    page.goto(link_of(user, prompt="login"))
    answer = returned(page, user)
    assert answer["code"]
    key.wait_for("Asserted")


def test_passkey_button_signs_in(context: Contexts, user: BrowserUser, policy: Callable[..., None]) -> None:
    policy(policy="required")
    page = context().new_page()
    VirtualAuthenticator(page)
    start(page, user)
    fill_password(page, user)
    page.get_by_role("button", name="Create a passkey").click()
    page.get_by_role("button", name="Create the passkey").click()
    page.wait_for_url("**/finish")
    page.get_by_role("button", name="Go on to Acme").click()
    returned(page, user)
    # Else the field would be answered before the button is pressed.
    page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
    start(page, user, prompt="login")
    page.get_by_role("button", name="Sign in with a passkey").click()
    assert returned(page, user)["code"]
    # As the second factor after the password.
    start(page, user, prompt="login")
    fill_password(page, user)
    page.wait_for_url("**/code")
    page.get_by_role("button", name="Use a passkey").click()
    assert returned(page, user)["code"]


def test_a_page_of_another_site_cannot_frame_the_pages(page: Page, user: BrowserUser) -> None:
    start(page, user)
    app = user.setting.app
    app.pages["/frame"] = f'<iframe src="{link_of(user)}"></iframe>'
    page.goto(f"{app.url}/frame")
    page.wait_for_timeout(500)
    frame = page.frames[-1]
    assert frame.locator("#password").count() == 0
