"""Attacks in the browser: links used twice or elsewhere, frames, forged forms, planted cookies, scripts."""

import json
import uuid
from collections.abc import Callable
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.browser_user import BrowserUser
from tests.support.server_process import Server, fields

Contexts = Callable[..., BrowserContext]
SCRIPT: Final = "<script>hacked=1</script>"
NASTY: Final = "\"'><img src=x onerror=hacked=1>"


def test_an_opened_link_is_refused_in_other_browsers(context: Contexts, user: BrowserUser) -> None:
    link = user.link()
    first, second = context().new_page(), context().new_page()
    second.goto(link["url"])
    user.open(first, link)
    second.get_by_role("button").click()
    expect(second.get_by_role("heading")).to_have_text("This link has already been used")
    response = second.goto(link["url"])
    assert response is not None
    assert response.status == 410
    response = second.goto(f"{user.setting.server.url}/enroll/{link['id']}")
    assert response is not None
    assert response.status == 404
    assert user.scan(first)


def test_link_previews_do_not_use_up_a_link(user: BrowserUser, page: Page) -> None:
    link = user.link()
    with httpx.Client() as bot:
        for _ in range(3):
            preview = bot.get(link["url"])
            assert preview.status_code == 200
            assert user.email not in preview.text
            assert bot.head(link["url"]).status_code == 200
    assert user.status(link) == "pending"
    user.open(page, link)
    assert user.scan(page)


def test_links_belong_to_their_environment(server: Server, user: BrowserUser) -> None:
    link = user.link()
    made = server.run("--json", "environments", "create", f"other-{uuid.uuid4().hex[:6]}")
    with server.client(json.loads(made.stdout)["api_key"]) as other_application:
        assert other_application.get(f"/authfactor/enrollment_links/{link['id']}").status_code == 404
        response = other_application.post("/authfactor/enrollment_links", json={"user_id": user.user_id})
        assert response.status_code == 404
        # The other environment does not allow this application's redirects.
        other_user = fields(
            other_application.post("/user_management/users", json={"email": "kim@example.org"}), 201
        )
        body = {"user_id": other_user["id"], "return_to": user.setting.welcome}
        assert other_application.post("/authfactor/enrollment_links", json=body).status_code == 422


def test_a_session_cookie_works_for_its_own_link_only(context: Contexts, user: BrowserUser) -> None:
    mine, theirs = user.link(), user.link()
    own, page = context(), context().new_page()
    user.open(own.new_page(), mine)
    user.open(page, theirs)
    secret = own.cookies()[0]["value"]
    forged = {"name": theirs["id"], "value": secret, "url": user.setting.server.url}
    own.add_cookies([forged])  # type: ignore[list-item]  # a TypedDict
    response = own.new_page().goto(f"{user.setting.server.url}/enroll/{theirs['id']}")
    assert response is not None
    assert response.status == 404


def test_a_planted_session_cookie_is_not_adopted(context: Contexts, user: BrowserUser) -> None:
    link = user.link()
    victim = context()
    planted = {"name": link["id"], "value": "planted", "url": user.setting.server.url}
    victim.add_cookies([planted])  # type: ignore[list-item]  # a TypedDict
    page = victim.new_page()
    user.open(page, link)
    assert user.scan(page)
    assert [cookie["value"] for cookie in victim.cookies() if cookie["name"] == link["id"]] != ["planted"]
    attacker = context()
    attacker.add_cookies([planted])  # type: ignore[list-item]  # a TypedDict
    response = attacker.new_page().goto(f"{user.setting.server.url}/enroll/{link['id']}")
    assert response is not None
    assert response.status == 404


def test_the_session_cookie_is_http_only_and_expires(context: Contexts, user: BrowserUser) -> None:
    browser_context = context()
    page = browser_context.new_page()
    user.open(page, user.link())
    cookie: Any = browser_context.cookies()[0]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
    assert 0 < cookie["expires"] - page.evaluate("Date.now() / 1000") <= 600
    assert page.evaluate("document.cookie") == ""


def test_pages_cannot_be_framed_by_another_site(page: Page, user: BrowserUser) -> None:
    link = user.link()
    app = user.setting.app
    app.pages["/frame"] = f'<iframe src="{link["url"]}"></iframe>'
    with page.expect_response(link["url"]):
        page.goto(f"{app.elsewhere}/frame")
    page.wait_for_function("document.querySelector('iframe').contentDocument === null")
    expect(page.frame_locator("iframe").get_by_role("button", name="Start")).to_have_count(0)
    assert page.frames[1].url == "chrome-error://chromewebdata/"


@pytest.mark.parametrize("host", ["elsewhere", "url"], ids=["another site", "the same site, another port"])
def test_cross_site_forms_neither_open_a_link_nor_submit_a_code(
    page: Page, user: BrowserUser, host: str
) -> None:
    app = user.setting.app
    waiting, opened = user.link(), user.link()
    user.open(page, opened)
    user.scan(page)
    target = f"{user.setting.server.url}/enroll/{opened['id']}"
    for action in (waiting["url"], target):
        app.pages["/forge"] = (
            f'<form method="post" action="{action}"><input name="code" value="{user.code()}">'
            "<button>Win a prize</button></form>"
        )
        page.goto(f"{getattr(app, host)}/forge")
        with page.expect_response(action) as submitted:
            page.get_by_role("button").click()
        assert submitted.value.status == 403
        expect(page.get_by_role("heading")).to_have_text("This form was not sent from our page")
    assert (user.status(waiting), user.status(opened)) == ("pending", "opened")


@pytest.mark.parametrize("bypass", [True, False], ids=["policy off", "policy on"])
def test_names_are_escaped_and_never_run(
    context: Contexts, user: BrowserUser, server: Server, bypass: bool
) -> None:
    """With the content security policy off in the browser, escaping alone must suffice."""
    key = json.loads(server.run("--json", "environments", "create", f"x{uuid.uuid4().hex[:6]}").stdout)[
        "api_key"
    ]
    with server.client(key) as api:
        assert api.put("/authfactor/branding", json={"name": f"{SCRIPT}{NASTY}"}).status_code == 200
        email = f"pat.{uuid.uuid4().hex[:8]}@example.org"
        metadata = {"note": NASTY}
        named = fields(api.post("/user_management/users", json={"email": email, "metadata": metadata}), 201)
        body = {"user_id": named["id"], "totp_issuer": f"{SCRIPT}{NASTY}"[:64], "totp_user": NASTY}
        link = fields(api.post("/authfactor/enrollment_links", json=body), 201)
        page = context(bypass_csp=bypass).new_page()
        page.goto(link["url"])
        expect(page.locator("header")).to_have_text(f"{SCRIPT}{NASTY}")
        page.get_by_role("button").click()
        page.wait_for_url("**/enroll/*")
        expect(page.locator("dl")).to_contain_text(SCRIPT)
        expect(page.locator("dl")).to_contain_text(NASTY)
        assert page.evaluate("typeof hacked") == "undefined"
        assert page.locator("img[src=x]").count() == 0


def test_pages_do_not_violate_their_content_security_policy(page: Page, user: BrowserUser) -> None:
    violations: list[str] = []
    page.on("console", lambda message: violations.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: violations.append(str(error)))
    user.open(page, user.link())
    user.scan(page)
    user.type_code(page, user.code())
    user.return_to_application(page)
    assert violations == []
    user.open(page, user.link("challenge"))
    page.evaluate("document.body.setAttribute('onclick', 'hacked=1')")
    page.locator("body").click()
    assert any("Content Security Policy" in text for text in violations)


def test_pages_with_secrets_are_neither_cached_nor_logged(page: Page, user: BrowserUser) -> None:
    link = user.link()
    with page.expect_response("**/enroll/*") as response:
        user.open(page, link)
    headers = response.value.headers
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    user.scan(page)
    assert user.secret not in user.setting.server.output()
    assert link["url"].rpartition("/")[2] not in user.setting.server.output()
