"""Operators manage users in the console, in a real browser."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import zxingcpp
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, ViewportSize, expect

from tests.support.authenticator import code_at, current_step
from tests.support.browser_page import assert_accessible, assert_quiet, watched
from tests.support.qr_reader import screenshot_of
from tests.support.server_process import CLIENT_ID, Server, fields, running

WIDE: Final = ViewportSize(width=1280, height=900)
TIMEOUT_MILLISECONDS: Final = 15_000
PASSWORD: Final = "seven green bottles"
HOME: Final = f"/console/e/{CLIENT_ID}"
EVIL: Final = "<img src=x onerror=document.title='stolen'>"


@dataclass
class Operator:
    """An operator's browser and authenticator app, which shows each code once."""

    page: Page
    email: str
    secret: str
    spent: int

    def code(self) -> str:
        """Return the next unused code; the server accepts one step ahead."""
        step = max(current_step(), self.spent + 1)
        if step > current_step() + 1:
            self.page.wait_for_timeout(30_000)
        self.spent = step
        return code_at(self.secret, step)


@pytest.fixture(scope="session")
def e2e_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this module."""
    data = tmp_path_factory.mktemp("e2e") / "data"
    with running(
        data, {"AUTHFACTOR_TEAM_NAME": "Acme", "AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true"}
    ) as server:
        yield server


@pytest.fixture
def new_context(browser: Browser, e2e_server: Server) -> Iterator[Callable[..., BrowserContext]]:
    """Open isolated browser contexts without cookies; keyword arguments are Playwright's."""
    opened: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:  # noqa: ANN401 - any option of Playwright
        context = browser.new_context(
            **{"base_url": e2e_server.url, "viewport": WIDE, "locale": "en-GB", **options}
        )
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    return watched(new_context().new_page())


@pytest.fixture(scope="session")
def api(e2e_server: Server) -> Iterator[httpx.Client]:
    with e2e_server.client() as client:
        yield client


def set_up(page: Page, link: str, email: str) -> Operator:
    """Follow a set-up link, scanning the QR code on the screen."""
    page.goto(link)
    field = page.get_by_label("Email")
    if field.is_editable():
        field.fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)
    assert_accessible(page)
    page.get_by_role("button", name="Continue").click()
    [found] = zxingcpp.read_barcodes(screenshot_of(page))
    secret = re.search("secret=([A-Z2-7]+)", found.text)
    assert secret, found.text
    assert_accessible(page)
    operator = Operator(page, email, secret[1], current_step() - 2)
    page.get_by_label("Code").fill(operator.code())
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return operator


@pytest.fixture(scope="session")
def signed_in(browser: Browser, e2e_server: Server) -> StorageState:
    """Set the first owner up with the link of the first start, and return the browser's cookies."""
    link = (e2e_server.data / "console-set-up-link").read_text().strip()
    context = browser.new_context(base_url=e2e_server.url, viewport=WIDE)
    set_up(watched(context.new_page()), link, "kim@example.org")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def owner(signed_in: StorageState, new_context: Callable[..., BrowserContext]) -> Page:
    """The owner's browser, in a new context."""
    return watched(new_context(storage_state=signed_in).new_page())


def invite(server: Server, email: str, role: str) -> tuple[str, str]:
    """Invite an operator from the command line; return the email and the set-up link."""
    invitation = server.run("operators", "invite", email, "--role", role)
    assert invitation.returncode == 0, invitation.stderr
    [token] = re.findall(r"/console/set-up/(\S+)", invitation.stdout)
    return email, f"{server.url}/console/set-up/{token}"


def create_user(api: httpx.Client, email: str, **more: object) -> dict[str, str]:
    return fields(api.post("/user_management/users", json={"email": email, **more}), 201)


def enroll(api: httpx.Client, user_id: str, **more: object) -> None:
    body = {"type": "totp", **more}
    fields(api.post(f"/user_management/users/{user_id}/auth_factors", json=body), 201)


def test_an_operator_can_set_up_sign_out_and_sign_in(
    page: Page, signed_in: StorageState, e2e_server: Server
) -> None:
    email, link = invite(e2e_server, "robin@example.org", "owner")
    operator = set_up(page, link, email)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Console")).to_be_visible()
    assert_accessible(page)
    page.goto(HOME)
    expect(page).to_have_url(re.compile("/console/sign-in$"))
    page.get_by_label("Email").fill(operator.email)
    page.get_by_label("Password").fill("wrong password")
    page.get_by_label("Code from").fill(operator.code())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Email, password or code is wrong.")
    assert_accessible(page)
    page.get_by_label("Password").fill(PASSWORD)
    # The wrong password did not spend the code.
    page.get_by_label("Code from").fill(code_at(operator.secret, operator.spent))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert_quiet(page)


def test_an_operator_can_find_a_user_and_reset_factors(owner: Page, api: httpx.Client) -> None:
    page = owner
    end_user = create_user(api, "pat@example.com")
    enroll(api, end_user["id"], totp_issuer="Acme")
    page.goto(HOME)
    page.get_by_role("link", name="Users").click()
    page.get_by_label("Find a user").fill("pat@")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="pat@example.com").click()
    expect(page.get_by_text("awaiting first code")).to_be_visible()
    page.locator("summary", has_text="Reset factors").click()
    page.locator("details[open]").get_by_label("Reason").fill("lost the phone, called back")
    page.get_by_role("button", name="Reset factors").click()
    expect(page.get_by_text("No factor", exact=True)).to_be_visible()
    expect(page.locator("#new-link")).to_contain_text("/link/")
    assert_accessible(page)
    listed = fields(api.get(f"/user_management/users/{end_user['id']}/auth_factors"), 200)
    assert listed["data"] == []
    assert_quiet(page)


def test_an_operator_can_create_and_revoke_an_api_key(owner: Page, e2e_server: Server) -> None:
    page = owner
    page.goto(f"{HOME}/keys")
    page.get_by_label("Name").fill("shop")
    page.get_by_role("button", name="Create key").click()
    key = page.locator("#new-key").inner_text()
    assert_accessible(page)
    with e2e_server.client(key) as shop:
        assert shop.get("/user_management/users").status_code == 200
        row = page.get_by_role("row", name="shop")
        row.locator("summary", has_text="Revoke").click()
        row.get_by_label("Reason").fill("no longer used")
        row.get_by_role("button", name="Revoke").click()
        expect(page.get_by_role("status")).to_have_text("Revoked.")
        page.wait_for_timeout(1000)
        assert shop.get("/user_management/users").status_code == 401
    expect(page.get_by_text(key)).to_have_count(0)


def test_support_and_viewers_get_only_their_roles_actions(
    e2e_server: Server,
    api: httpx.Client,
    new_context: Callable[..., BrowserContext],
) -> None:
    end_user = create_user(api, "sam@example.com")
    enroll(api, end_user["id"])
    for role, wanted in (("support", {"Reset factors"}), ("viewer", set())):
        email, link = invite(e2e_server, f"{role}-{end_user['id'][-6:]}@example.org", role)
        page = watched(new_context().new_page())
        set_up(page, link, email)
        page.goto(f"{HOME}/users/{end_user['id']}")
        assert set(page.locator("details.ask > summary").all_inner_texts()) == wanted
        # A form that no page offers, submitted by the operator's own browser.
        refused = page.evaluate(
            "path => fetch(path, {method: 'POST', body: new URLSearchParams({reason: 'x'})})"
            ".then(answer => answer.status)",
            f"{HOME}/users/{end_user['id']}/delete",
        )
        assert refused == 403
    assert api.get(f"/user_management/users/{end_user['id']}").status_code == 200


def test_user_names_never_run_as_scripts(owner: Page, api: httpx.Client) -> None:
    page = owner
    end_user = create_user(
        api, "evil@example.com", first_name=EVIL, metadata={"note": EVIL}, external_id="x<i>"
    )
    enroll(api, end_user["id"], totp_issuer=EVIL, totp_user=EVIL)
    for path in ("/users", f"/users/{end_user['id']}", "/events"):
        page.goto(HOME + path)
        for summary in page.locator("td details > summary").all()[:5]:
            summary.click()
        assert page.title() != "stolen"
        assert page.locator("img[src=x]").count() == 0
    assert_quiet(page)


def test_another_site_cannot_frame_the_console_or_submit_its_forms(owner: Page, api: httpx.Client) -> None:
    page = owner
    end_user = create_user(api, "target@example.com")
    attack = f"""<iframe src="{page.url}"></iframe>
      <form method="post" action="{page.url.partition("/console")[0]}{HOME}/users/{end_user["id"]}/delete">
      <input name="reason" value="x"><button>Win a prize</button></form>"""
    other = watched(page.context.new_page())
    other.route("http://evil.example/", lambda route: route.fulfill(body=attack, content_type="text/html"))
    other.goto("http://evil.example/")
    framed = other.frames[-1]
    assert framed.get_by_role("heading", name="Overview").count() == 0
    other.get_by_role("button", name="Win a prize").click()
    other.wait_for_load_state()
    assert api.get(f"/user_management/users/{end_user['id']}").status_code == 200


def test_new_events_appear_without_a_reload(owner: Page, api: httpx.Client) -> None:
    page = owner
    page.goto(f"{HOME}/events")
    end_user = create_user(api, "late@example.com")
    expect(page.get_by_role("link", name=end_user["id"]).first).to_be_visible(timeout=10_000)
    assert_quiet(page)


# The first owner must exist: setting up another owner would invalidate the bootstrap link.
@pytest.mark.usefixtures("signed_in")
def test_the_console_works_without_javascript(
    e2e_server: Server, new_context: Callable[..., BrowserContext], api: httpx.Client, tmp_path: Path
) -> None:
    _, link = invite(e2e_server, "plain@example.org", "owner")
    page = new_context(java_script_enabled=False).new_page()
    page.goto(link)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.locator("summary").click()
    secret = page.locator("#secret").inner_text().replace(" ", "")
    page.get_by_label("Code").fill(code_at(secret, current_step()))
    page.get_by_role("button", name="Finish").click()
    end_user = create_user(api, "noscript@example.com")
    enroll(api, end_user["id"])
    page.goto(f"{HOME}/users/{end_user['id']}")
    page.locator("summary", has_text="Reset factors").click()
    page.locator("details[open]").get_by_label("Reason").fill("lost")
    page.get_by_role("button", name="Reset factors").click()
    expect(page.get_by_text("No factor", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_console_page_is_accessible_and_fits_a_phone(
    owner: Page, api: httpx.Client, scheme: str
) -> None:
    page = owner
    end_user = create_user(api, f"axe-{scheme}@example.com", metadata={"plan": "gold"})
    enroll(api, end_user["id"])
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two words
    for path in (
        HOME,
        f"{HOME}/users",
        f"{HOME}/users/{end_user['id']}",
        f"{HOME}/users?q=no-match",
        f"{HOME}/events",
        f"{HOME}/keys",
        f"{HOME}/webhooks",
        f"{HOME}/deliveries",
        f"{HOME}/messages",
        f"{HOME}/sender",
        f"{HOME}/sender/preview",
        f"{HOME}/settings",
        f"{HOME}/mfa-policy",
        "/console/environments",
        "/console/operators",
        "/console/account",
        "/console/audit",
        "/console/e/client_x",
    ):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(path)
        for summary in page.locator("summary").all()[:8]:
            summary.click()
        assert_accessible(page)
        page.set_viewport_size({"width": 360, "height": 740})
        page.goto(path)
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, f"{path} is {wider} px too wide"
    assert_quiet(page)
