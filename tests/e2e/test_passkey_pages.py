"""Passkeys on the pages of links, in Chromium with its virtual authenticators."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from authfactor.client import Client
from tests.support.browser_user import CODE, BrowserUser
from tests.support.passkey_site import PasskeySite, passkey_site
from tests.support.server_process import API_KEY, CLIENT_ID, Server, assert_no_surprise, fields
from tests.support.virtual_authenticator import VirtualAuthenticator
from tests.support.web_application import Application

pytestmark = pytest.mark.e2e

Contexts = Callable[..., BrowserContext]
USE: Final = "Use a passkey"
CREATE: Final = "Create the passkey"
GET: Final = """async (options) => JSON.stringify((await navigator.credentials.get({
  publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)})).toJSON())"""
POST: Final = """(text) => { const field = document.querySelector("[data-passkey-response]");
  field.value = text; field.form.submit(); }"""


@pytest.fixture(scope="module")
def site() -> Iterator[PasskeySite]:
    """Another listed origin of the same RP ID: the application's own page."""
    with passkey_site() as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, app: Application, site: PasskeySite) -> Iterator[Server]:
    """A server whose pages browsers take for a site: on localhost instead of an IP address."""
    started = Server(tmp_path_factory.mktemp("passkeys") / "data", {"AUTHFACTOR_TEAM_NAME": "Acme"})
    started._environment["AUTHFACTOR_BASE_URL"] = own_url(started)
    started.start()
    settings(started, site)
    updated = started.run("environments", "update", "default", "--page-redirect", f"{app.url}/welcome")
    assert updated.returncode == 0, updated.stderr
    yield started
    assert started.stop() == 0, started.output()
    assert_no_surprise(started)


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def own_url(server: Server) -> str:
    return server.url.replace("127.0.0.1", "localhost")


def settings(server: Server, site: PasskeySite, *more: str, **changed: str) -> None:
    """Set the passkeys of the environment."""
    file = Path(server.data).parent / "webauthn.json"
    origins = [own_url(server), site.url, *more]
    file.write_text(json.dumps({"rp_id": "localhost", "origins": origins, **changed}))
    updated = server.run("environments", "update", "default", "--webauthn-file", str(file))
    assert updated.returncode == 0, updated.stderr


def create_passkey(page: Page, user: BrowserUser, name: str = "") -> None:
    """Follow an enrollment link and create a passkey."""
    user.open(page, user.link())
    page.get_by_role("button", name="Use a passkey instead").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name=CREATE).click()


def enrolled(page: Page, user: BrowserUser, name: str = "") -> dict[str, Any]:
    """Create the first passkey of a user, by a link; return its factor."""
    create_passkey(page, user, name)
    user.return_to_application(page)
    (factor,) = factors(user)
    return factor


def factors(user: BrowserUser) -> list[dict[str, Any]]:
    answer = user.setting.api.get(f"/authfactor/users/{user.user_id}/factors")
    return [each for each in fields(answer, 200)["data"] if each["state"] == "active"]


def reasons(user: BrowserUser) -> list[str]:
    """Return why proofs of the user were refused, newest first."""
    query: dict[str, str | int] = {"events": "authfactor.attempt_refused", "order": "desc", "limit": 100}
    found = fields(user.setting.api.get("/events", params=query), 200)["data"]
    return [each["data"]["reason"] for each in found if each["data"]["user_id"] == user.user_id]


def asked(page: Page, user: BrowserUser) -> dict[str, Any]:
    """Open the page of a challenge link."""
    link = user.link("challenge")
    user.open(page, link)
    return link


def refused(page: Page, user: BrowserUser, link: dict[str, Any], text: str) -> None:
    expect(page.get_by_role("alert")).to_contain_text(text)
    assert user.status(link) == "opened"


@pytest.mark.parametrize("synced", [True, False], ids=["synced", "device-bound"])
def test_a_user_creates_a_passkey_by_a_link_and_answers_with_it(
    page: Page, user: BrowserUser, synced: bool
) -> None:
    VirtualAuthenticator(page, defaultBackupEligibility=synced, defaultBackupState=synced)
    factor = enrolled(page, user, "My laptop")
    assert (factor["type"], factor["name"], factor["state"]) == ("webauthn", "My laptop", "active")
    assert factor["webauthn"]["backup_eligible"] is synced
    link = asked(page, user)
    expect(page.get_by_label(CODE, exact=True)).to_have_count(0)
    page.get_by_role("button", name=USE).click()
    page.wait_for_url(f"{user.setting.welcome}*")
    done = fields(user.setting.api.get(f"/authfactor/challenge_links/{link['id']}"), 200)
    assert (done["status"], done["method"]) == ("completed", "webauthn")


def test_a_user_with_an_app_proves_it_before_a_passkey_and_has_both_then(
    page: Page, user: BrowserUser, context: Contexts
) -> None:
    authenticator = VirtualAuthenticator(page)
    user.enroll_by_api()
    user.open(page, user.link())
    page.get_by_role("button", name="Use a passkey instead").click()
    expect(page.get_by_role("heading", name="Confirm it")).to_be_visible()
    user.type_code(page, user.wrong())
    user.expect_problem(page, "That code is not right")
    user.type_code(page, user.code(1))
    page.get_by_role("button", name=CREATE).click()
    user.return_to_application(page)
    assert {each["type"] for each in factors(user)} == {"totp", "webauthn"}
    link = asked(page, user)
    expect(page.get_by_label(CODE, exact=True)).to_be_visible()
    # With the keyboard alone: the passkey comes before the code.
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name=USE)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{user.setting.welcome}*")
    assert user.status(link) == "completed"
    authenticator.wait_for("Asserted")
    # A browser without scripts has the code.
    bare = context(java_script_enabled=False).new_page()
    link = asked(bare, user)
    expect(bare.get_by_role("button", name=USE)).to_be_hidden()
    expect(bare.get_by_label(CODE, exact=True)).to_be_visible()
    assert bare.get_by_text("use passkeys here").count() == 0


def test_without_scripts_the_app_stays(user: BrowserUser, context: Contexts) -> None:
    enroll_with_app(context(java_script_enabled=False).new_page(), user)


def test_in_a_browser_without_passkeys_the_app_stays(user: BrowserUser, page: Page) -> None:
    page.add_init_script("delete window.PublicKeyCredential")
    enroll_with_app(page, user)


def enroll_with_app(page: Page, user: BrowserUser) -> None:
    user.open(page, user.link())
    expect(page.get_by_role("button", name="Use a passkey instead")).to_be_hidden()
    user.scan(page)
    user.type_code(page, user.code())
    user.return_to_application(page)


def test_another_language_leads_back_to_the_page_of_the_link(page: Page, user: BrowserUser) -> None:
    VirtualAuthenticator(page)
    user.open(page, user.link())
    page.get_by_role("button", name="Use a passkey instead").click()
    page.get_by_role("link", name="Deutsch").click()
    page.get_by_role("button", name="Stattdessen einen Passkey verwenden").click()
    page.get_by_role("button", name="Passkey erstellen").click()
    expect(page.get_by_role("button", name="Wiederherstellungscodes anzeigen")).to_be_visible()


def test_a_device_that_has_the_passkey_already_says_so(page: Page, user: BrowserUser) -> None:
    authenticator = VirtualAuthenticator(page)
    enrolled(page, user)
    user.open(page, user.link())
    page.get_by_role("button", name="Use a passkey instead").click()
    page.get_by_role("button", name=USE).click()
    page.get_by_role("button", name=CREATE).click()
    expect(page.get_by_role("alert")).to_contain_text("already has a passkey")
    assert len(authenticator.credentials()) == len(factors(user)) == 1


def test_a_removed_passkey_is_refused_and_deleted_by_the_browser(page: Page, user: BrowserUser) -> None:
    authenticator = VirtualAuthenticator(page)
    with_app_and_passkey(page, user)
    link = asked(page, user)
    (passkey,) = (each for each in factors(user) if each["type"] == "webauthn")
    user.setting.api.delete(f"/auth/factors/{passkey['id']}").raise_for_status()
    page.get_by_role("button", name=USE).click()
    expect(page.get_by_role("alert")).to_contain_text("no longer belongs to your account")
    authenticator.wait_for("Deleted")
    assert authenticator.credentials() == []
    assert user.status(link) == "opened"


def with_app_and_passkey(page: Page, user: BrowserUser) -> None:
    """Give a user an app, and by a link a passkey."""
    user.enroll_by_api()
    user.open(page, user.link())
    page.get_by_role("button", name="Use a passkey instead").click()
    user.type_code(page, user.code(1))
    page.get_by_role("button", name=CREATE).click()
    user.return_to_application(page)


def test_a_copied_a_flipped_and_an_unverified_passkey_are_refused_and_kept(
    page: Page, user: BrowserUser, server: Server, site: PasskeySite
) -> None:
    authenticator = VirtualAuthenticator(page)
    enrolled(page, user)
    asked(page, user)
    page.get_by_role("button", name=USE).click()
    page.wait_for_url(f"{user.setting.welcome}*")

    (credential,) = authenticator.credentials()
    authenticator.send(
        "setCredentialProperties", credentialId=credential["credentialId"], backupEligibility=True
    )
    link = asked(page, user)
    page.get_by_role("button", name=USE).click()
    refused(page, user, link, "This passkey was not accepted")
    authenticator.send(
        "setCredentialProperties", credentialId=credential["credentialId"], backupEligibility=False
    )

    settings(server, site, user_verification="required")
    link = asked(page, user)
    authenticator.send("setResponseOverrideBits", isBadUV=True)
    page.get_by_role("button", name=USE).click()
    refused(page, user, link, "Your device did not confirm")
    authenticator.send("setResponseOverrideBits", isBadUV=False)
    settings(server, site)

    link = asked(page, user)
    (credential,) = authenticator.credentials()
    authenticator.send("removeCredential", credentialId=credential["credentialId"])
    authenticator.wait_for("Deleted")
    authenticator.events.clear()
    authenticator.send("addCredential", credential=credential | {"signCount": 1})
    page.get_by_role("button", name=USE).click()
    refused(page, user, link, "may have been copied")
    events = user.setting.api.get("/events", params={"events": "authfactor.passkey_suspect"}).json()["data"]
    assert user.user_id in {each["data"]["user_id"] for each in events}
    # A refusal is no reason for the browser to delete it.
    assert len(authenticator.credentials()) == 1
    assert "Deleted" not in authenticator.events


def test_what_was_signed_on_another_page_is_refused(
    page: Page, user: BrowserUser, server: Server, app: Application, site: PasskeySite
) -> None:
    VirtualAuthenticator(page)
    enrolled(page, user)
    # A page of another port, which the environment does not list; then listed, within another site.
    app.pages["/frame"] = f'<iframe allow="publickey-credentials-get *" src="{app.elsewhere}/"></iframe>'
    for address, in_frame, reason in (
        (f"{app.elsewhere}/", False, "webauthn_origin_mismatch"),
        (f"{app.url}/frame", True, "webauthn_cross_origin"),
    ):
        settings(server, site, *([app.elsewhere] if in_frame else []))
        link = asked(page, user)
        ours = page.url
        options = json.loads(page.locator("[data-passkey]").get_attribute("data-passkey-options") or "")
        page.goto(address)
        signed = (page.frames[1] if in_frame else page).evaluate(GET, options)
        assert json.loads(signed)["id"]
        page.goto(ours)
        page.evaluate(POST, signed)
        refused(page, user, link, "This passkey was not accepted")
        assert reasons(user)[0] == reason
        page.get_by_role("button", name=USE).click()
        page.wait_for_url(f"{user.setting.welcome}*")
    settings(server, site)


def test_a_subdomain_and_a_frame_get_no_passkey(
    page: Page, user: BrowserUser, app: Application, server: Server
) -> None:
    VirtualAuthenticator(page)
    enrolled(page, user)
    link = asked(page, user)
    options = json.loads(page.locator("[data-passkey]").get_attribute("data-passkey-options") or "")
    page.goto(app.elsewhere.replace("localhost", "evil.localhost"))
    caught = page.evaluate(f"(options) => ({GET})(options).catch((error) => error.name)", options)
    assert caught == "SecurityError"
    app.pages["/around"] = f'<iframe src="{own_url(server)}/challenge/{link["id"]}"></iframe>'
    page.goto(f"{app.elsewhere}/around")
    assert page.frames[1].locator("form").count() == 0
    assert user.status(link) == "opened"


def test_the_passkey_of_the_pages_signs_in_on_the_page_of_the_application(
    page: Page, user: BrowserUser, site: PasskeySite, server: Server
) -> None:
    authenticator = VirtualAuthenticator(page)
    enrolled(page, user)
    with Client(base_url=server.url, api_key=API_KEY, client_id=CLIENT_ID) as client:
        for more in ("", "data-passkey-conditional"):
            begun = client.user_management.begin_passkey_sign_in()
            site.show(page, "get", begun.public_key, more)
            if not more:
                page.get_by_role("button", name="Go").click()
            expect(page.get_by_role("heading", name="Posted")).to_be_visible()
            (credential,) = site.posted.pop()["credential"]
            signed_in = client.user_management.authenticate_with_passkey(
                authentication_id=begun.id, credential=json.loads(credential)
            )
            assert signed_in.user.id == user.user_id
    assert authenticator.credentials()[0]["signCount"] >= 2


def states(page: Page, user: BrowserUser) -> Iterator[str]:
    """Visit every state with passkeys and yield its name."""
    authenticator = VirtualAuthenticator(page)
    user.open(page, user.link())
    yield "enroll"
    page.get_by_role("button", name="passkey").or_(page.get_by_role("button", name="Passkey")).click()
    page.locator("#name").wait_for()
    yield "create"
    authenticator.send("setUserVerified", isUserVerified=False)
    page.locator("[data-passkey] button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    yield "canceled"
    authenticator.send("setUserVerified", isUserVerified=True)
    page.locator("[data-passkey] button").click()
    expect(page.get_by_role("status")).to_be_visible()
    yield "done"
    user.enroll_by_api()
    user.open(page, user.link())
    page.locator("form[data-passkey-only] button").click()
    page.locator("#code").wait_for()
    yield "prove"
    asked(page, user)
    yield "challenge"
    authenticator.send("setResponseOverrideBits", isBogusSignature=True)
    page.locator("[data-passkey] button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    yield "refused"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_pages_with_passkeys_are_accessible_and_fit_a_phone(
    context: Contexts, user: BrowserUser, scheme: str, language: str
) -> None:
    page = context(color_scheme=scheme, locale=language, viewport={"width": 390, "height": 844}).new_page()
    for state in states(page, user):
        results = Axe().run(page, options={"resultTypes": ["violations"]})
        assert results.violations_count == 0, f"{state}: {results.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, state
