<<<<<<< HEAD
"""The script of the pages, in Chromium with virtual authenticators: what it asks, and what it tells."""
=======
"""The script passkeys.js on a page of its own: what it posts, offers and signals."""
>>>>>>> c0e3c73 (Let users answer and enroll with passkeys on link pages)

import html
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, expect

from authfactor.http.pages import assets, browser_security
from authfactor.webauthn import base64url, ceremony, options, relying_party, responses
from authfactor.webauthn.relying_party import RelyingParty
from tests.support.virtual_authenticator import VirtualAuthenticator

CHALLENGE: Final = bytes(range(32))
HANDLE: Final = b"h" * 32
SCRIPT: Final = (assets.FOLDER / "passkeys.js").read_text(encoding="utf-8")
# What a browser of 2023 lacks.
OLDER_BROWSER: Final = """
delete PublicKeyCredential.parseCreationOptionsFromJSON;
delete PublicKeyCredential.parseRequestOptionsFromJSON;
delete PublicKeyCredential.prototype.toJSON;
"""


class Site:
    """A page on localhost with the script, under the policy of our pages; it keeps what is posted."""

    def __init__(self) -> None:
        self.body = ""
        self.posted: list[dict[str, list[str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/passkeys.js":
                    self._send("text/javascript", SCRIPT)
                else:
                    self._send(
                        "text/html", f'<!doctype html><script src="/passkeys.js" defer></script>{site.body}'
                    )

            def do_POST(self) -> None:
                site.posted.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
                self._send("text/html", "<!doctype html><h1>Posted</h1>")

            def _send(self, media: str, text: str) -> None:
                self.send_response(200)
                for name, value in browser_security.page_headers(passkeys=True):
                    if name != b"content-type":
                        self.send_header(name.decode(), value.decode())
                self.send_header("content-type", f"{media}; charset=utf-8")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}"

    @property
    def settings(self) -> RelyingParty:
        return relying_party.for_base_url(self.url, "Acme")

    def show(self, page: Page, kind: str, given: dict[str, Any], more: str = "", field: str = "") -> None:
        """Open a page with a form of this kind, and more beside it."""
        self.body = (
            f'<form method="post" data-passkey="{kind}" {more}'
            f' data-passkey-options="{html.escape(json.dumps(given))}">'
            f'{field}<input type="hidden" name="credential" data-passkey-response>'
            '<p role="alert" hidden data-passkey-problem data-canceled="Canceled" data-exists="Exists"'
            ' data-failed="Failed"></p><button hidden data-passkey-only>Go</button></form>'
            "<p data-passkey-missing>No passkeys here</p>"
        )
        page.goto(self.url)

    def create(self, page: Page, existing: list[bytes] | None = None, field: str = "") -> None:
        known = [options.KnownCredential(each) for each in existing or ()]
        account = options.Account(HANDLE, "ada@example.org", "Ada")
        self.show(
            page, "create", options.creation_options(self.settings, account, CHALLENGE, known), field=field
        )

    def signal(self, page: Page, signals: dict[str, Any]) -> None:
        """Open a page with signals."""
        self.body = f'<p data-passkey-signals="{html.escape(json.dumps(signals))}"></p>'
        page.goto(self.url)

    def made(self) -> ceremony.NewCredential:
        (posted,) = self.posted.pop()["credential"]
        return ceremony.verify_registration(
            self.settings, CHALLENGE, responses.read_registration(posted.encode())
        )


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def press(page: Page) -> None:
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("heading", name="Posted")).to_be_visible()


@pytest.mark.parametrize("older", [False, True], ids=["new browser", "older browser"])
def test_what_the_script_posts_passes_every_check(site: Site, page: Page, older: bool) -> None:
    if older:
        page.add_init_script(OLDER_BROWSER)
    authenticator = VirtualAuthenticator(page)
    site.create(page, field='<input name="name" value="Laptop">')
    expect(page.get_by_text("No passkeys here")).to_be_hidden()
    press(page)
    assert site.posted[0]["name"] == ["Laptop"]
    made = site.made()
    assert made.transports == ("internal",)
    assert made.discoverable is True
    for allowed in ([options.KnownCredential(made.id, made.transports)], None):
        site.show(page, "get", options.request_options(site.settings, CHALLENGE, allowed))
        press(page)
        (posted,) = site.posted.pop()["credential"]
        response = responses.read_assertion(posted.encode())
        expected = ceremony.AssertionExpected(CHALLENGE, None if allowed is None else (made.id,))
        known = ceremony.RegisteredCredential(
            made.public_key, made.sign_count, made.backup_eligible, made.aaguid, HANDLE
        )
        assert ceremony.verify_assertion(site.settings, expected, response, known).sign_count > 0
    assert len(authenticator.credentials()) == 1


def test_a_failure_is_named_and_can_be_tried_again(site: Site, page: Page) -> None:
    authenticator = VirtualAuthenticator(page)
    site.create(page)
    press(page)
    made = site.made()
    site.create(page, [made.id])
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("alert")).to_have_text("Exists")
    authenticator.send("setUserVerified", isUserVerified=False)
    given = options.request_options(site.settings, CHALLENGE, None)
    site.show(page, "get", given)
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("alert")).to_have_text("Canceled")
    assert site.posted == []
    authenticator.send("setUserVerified", isUserVerified=True)
    press(page)
    site.show(page, "get", given | {"rpId": "example.org"})
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("alert")).to_have_text("Failed")


def test_autofill_offers_passkeys_until_the_button_is_pressed(site: Site, page: Page) -> None:
    authenticator = VirtualAuthenticator(page)
    site.create(page)
    press(page)
    site.made()
    given = options.request_options(site.settings, CHALLENGE, None)
    # The user chooses no passkey in the autofill: the conditional request waits.
    authenticator.send("setAutomaticPresenceSimulation", enabled=False)
    site.show(page, "get", given, "data-passkey-conditional")
    page.wait_for_function("PublicKeyCredential.isConditionalMediationAvailable()")
    authenticator.send("setAutomaticPresenceSimulation", enabled=True)
    press(page)
    assert len(site.posted) == 1
    site.posted.clear()
    # Chromium's virtual authenticator chooses by itself; no button is pressed.
    site.show(page, "get", given, "data-passkey-conditional")
    expect(page.get_by_role("heading", name="Posted")).to_be_visible()
    (posted,) = site.posted.pop()["credential"]
    assert responses.read_assertion(posted.encode()).user_handle == HANDLE


def test_a_signal_makes_the_browser_remove_or_rename_a_passkey(site: Site, page: Page) -> None:
    authenticator = VirtualAuthenticator(page)
    site.create(page)
    press(page)
    made = site.made()
    signals: dict[str, Any] = {
        "signalCurrentUserDetails": {
            "rpId": "localhost",
            "userId": base64url.encode(HANDLE),
            "name": "new@example.org",
            "displayName": "New",
        },
        "signalNotKnownToAnyBrowser": {},
        "getClientCapabilities": {},
    }
    site.signal(page, signals)
    authenticator.wait_for("Updated")
    assert authenticator.credentials()[0]["userName"] == "new@example.org"
    site.signal(
        page, {"signalUnknownCredential": {"rpId": "localhost", "credentialId": base64url.encode(made.id)}}
    )
    authenticator.wait_for("Deleted")
    assert authenticator.credentials() == []


def test_without_passkeys_the_button_stays_hidden(site: Site, page: Page) -> None:
    page.add_init_script("delete window.PublicKeyCredential")
    site.create(page)
    expect(page.get_by_text("No passkeys here")).to_be_visible()
    expect(page.get_by_role("button", name="Go")).to_be_hidden()
