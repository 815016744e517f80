"""Operators look after users in a real browser, as people do."""

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
from tests.support.qr_reader import picture_of
from tests.support.server_process import CLIENT_ID, Server, fields, running

pytestmark = pytest.mark.e2e

WIDE: Final = ViewportSize(width=1280, height=900)
PATIENCE_MILLISECONDS: Final = 15_000
PASSWORD: Final = "seven green bottles"
HOME: Final = f"/console/e/{CLIENT_ID}"
EVIL: Final = "<img src=x onerror=document.title='stolen'>"


@dataclass
class Operator:
    """An operator: their browser, and the phone that shows codes, each once."""

    page: Page
    email: str
    secret: str
    spent: int

    def code(self) -> str:
        """Show the next code that was not used; the server accepts one step ahead."""
        step = max(current_step(), self.spent + 1)
        if step > current_step() + 1:
            self.page.wait_for_timeout(30_000)
        self.spent = step
        return code_at(self.secret, step)


@pytest.fixture(scope="session")
def e2e_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all, with cheap settings for what a person would wait for."""
    data = tmp_path_factory.mktemp("e2e") / "data"
    with running(
        data, {"AUTHFACTOR_TEAM_NAME": "Acme", "AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true"}
    ) as server:
        yield server


@pytest.fixture
def new_context(browser: Browser, e2e_server: Server) -> Iterator[Callable[..., BrowserContext]]:
    """Open a browser of somebody's own: no cookies, and nothing that the page complains of."""
    opened: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:  # noqa: ANN401 - any option of Playwright
        context = browser.new_context(
            **{"base_url": e2e_server.url, "viewport": WIDE, "locale": "en-GB", **options}
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
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
    """Follow a set-up link; the phone's camera reads the picture on the screen."""
    page.goto(link)
    field = page.get_by_label("Email")
    if field.is_editable():
        field.fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)
    assert_accessible(page)
    page.get_by_role("button", name="Continue").click()
    [found] = zxingcpp.read_barcodes(picture_of(page))
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
    """Set the first owner up, by the link that the server printed when it started; keep the cookies."""
    [link] = re.findall(r"http://\S+/console/set-up/\S+", e2e_server.output())
    context = browser.new_context(base_url=e2e_server.url, viewport=WIDE)
    set_up(watched(context.new_page()), link, "kim@example.org")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def owner(signed_in: StorageState, new_context: Callable[..., BrowserContext]) -> Page:
    """The owner's browser, in a window of its own."""
    return watched(new_context(storage_state=signed_in).new_page())


def invited(server: Server, email: str, role: str) -> tuple[str, str]:
    """Invite somebody from the command line."""
    said = server.run("operators", "invite", email, "--role", role)
    assert said.returncode == 0, said.stderr
    [token] = re.findall(r"/console/set-up/(\S+)", said.stdout)
    return email, f"{server.url}/console/set-up/{token}"


def user(api: httpx.Client, email: str, **more: object) -> dict[str, str]:
    return fields(api.post("/user_management/users", json={"email": email, **more}), 201)


def enroll(api: httpx.Client, user_id: str, **more: object) -> None:
    body = {"type": "totp", **more}
    fields(api.post(f"/user_management/users/{user_id}/auth_factors", json=body), 201)


def test_an_operator_sets_up_signs_out_and_signs_in_again(
    page: Page, signed_in: StorageState, e2e_server: Server
) -> None:
    email, link = invited(e2e_server, "robin@example.org", "owner")
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


def test_a_user_who_lost_the_phone_is_found_and_reset(owner: Page, api: httpx.Client) -> None:
    page = owner
    known = user(api, "pat@example.com")
    enroll(api, known["id"], totp_issuer="Acme")
    page.goto(HOME)
    page.get_by_role("link", name="Users").click()
    page.get_by_label("Find a user").fill("pat@")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="pat@example.com").click()
    expect(page.get_by_text("awaiting first code")).to_be_visible()
    page.locator("summary", has_text="Reset factors").click()
    page.locator("details[open]").get_by_label("Reason").fill("lost the phone, called back")
    page.get_by_role("button", name="Reset factors").click()
    expect(page.get_by_text("No factor")).to_be_visible()
    expect(page.locator("#new-link")).to_contain_text("/link/")
    assert_accessible(page)
    listed = fields(api.get(f"/user_management/users/{known['id']}/auth_factors"), 200)
    assert listed["data"] == []
    assert_quiet(page)


def test_a_key_is_made_used_and_revoked(owner: Page, e2e_server: Server) -> None:
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


def test_support_and_viewers_see_only_what_they_may_do(
    e2e_server: Server,
    api: httpx.Client,
    new_context: Callable[..., BrowserContext],
) -> None:
    known = user(api, "sam@example.com")
    enroll(api, known["id"])
    for role, wanted in (("support", {"Reset factors"}), ("viewer", set())):
        email, link = invited(e2e_server, f"{role}-{known['id'][-6:]}@example.org", role)
        page = watched(new_context().new_page())
        set_up(page, link, email)
        page.goto(f"{HOME}/users/{known['id']}")
        assert set(page.locator("details.ask > summary").all_inner_texts()) == wanted
        # A form that no page offers, sent by the operator's own browser.
        refused = page.evaluate(
            "path => fetch(path, {method: 'POST', body: new URLSearchParams({reason: 'x'})})"
            ".then(answer => answer.status)",
            f"{HOME}/users/{known['id']}/delete",
        )
        assert refused == 403
    assert api.get(f"/user_management/users/{known['id']}").status_code == 200


def test_what_users_are_called_never_runs(owner: Page, api: httpx.Client) -> None:
    page = owner
    known = user(api, "evil@example.com", first_name=EVIL, metadata={"note": EVIL}, external_id="x<i>")
    enroll(api, known["id"], totp_issuer=EVIL, totp_user=EVIL)
    for path in ("/users", f"/users/{known['id']}", "/events"):
        page.goto(HOME + path)
        for summary in page.locator("td details > summary").all()[:5]:
            summary.click()
        assert page.title() != "stolen"
        assert page.locator("img[src=x]").count() == 0
    assert_quiet(page)


def test_another_site_can_neither_frame_the_console_nor_send_its_forms(
    owner: Page, api: httpx.Client
) -> None:
    page = owner
    known = user(api, "target@example.com")
    attack = f"""<iframe src="{page.url}"></iframe>
      <form method="post" action="{page.url.partition("/console")[0]}{HOME}/users/{known["id"]}/delete">
      <input name="reason" value="x"><button>Win a prize</button></form>"""
    other = watched(page.context.new_page())
    other.route("http://evil.example/", lambda route: route.fulfill(body=attack, content_type="text/html"))
    other.goto("http://evil.example/")
    framed = other.frames[-1]
    assert framed.get_by_role("heading", name="Overview").count() == 0
    other.get_by_role("button", name="Win a prize").click()
    other.wait_for_load_state()
    assert api.get(f"/user_management/users/{known['id']}").status_code == 200


def test_numbers_and_events_come_by_themselves(owner: Page, api: httpx.Client) -> None:
    page = owner
    page.goto(f"{HOME}/events")
    known = user(api, "late@example.com")
    expect(page.get_by_role("link", name=known["id"]).first).to_be_visible(timeout=10_000)
    assert_quiet(page)


# The first owner comes first: whoever else is set up as an owner ends the link of the first start.
@pytest.mark.usefixtures("signed_in")
def test_it_works_without_javascript(
    e2e_server: Server, new_context: Callable[..., BrowserContext], api: httpx.Client, tmp_path: Path
) -> None:
    _, link = invited(e2e_server, "plain@example.org", "owner")
    page = new_context(java_script_enabled=False).new_page()
    page.goto(link)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.locator("summary").click()
    secret = page.locator("#secret").inner_text().replace(" ", "")
    page.get_by_label("Code").fill(code_at(secret, current_step()))
    page.get_by_role("button", name="Finish").click()
    known = user(api, "noscript@example.com")
    enroll(api, known["id"])
    page.goto(f"{HOME}/users/{known['id']}")
    page.locator("summary", has_text="Reset factors").click()
    page.locator("details[open]").get_by_label("Reason").fill("lost")
    page.get_by_role("button", name="Reset factors").click()
    expect(page.get_by_text("No factor")).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_a_phone(owner: Page, api: httpx.Client, scheme: str) -> None:
    page = owner
    known = user(api, f"axe-{scheme}@example.com", metadata={"plan": "gold"})
    enroll(api, known["id"])
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two words
    for path in (
        HOME,
        f"{HOME}/users",
        f"{HOME}/users/{known['id']}",
        f"{HOME}/users?q=nobody",
        f"{HOME}/events",
        f"{HOME}/keys",
        f"{HOME}/webhooks",
        f"{HOME}/deliveries",
        f"{HOME}/settings",
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
