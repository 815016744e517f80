"""The script passkeys.js on a page of its own: what it posts, offers and signals."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from authfactor.webauthn import base64url, ceremony, options, responses
from tests.support.passkey_site import CHALLENGE, HANDLE, PasskeySite, passkey_site
from tests.support.virtual_authenticator import VirtualAuthenticator

pytestmark = pytest.mark.e2e

# What a browser of 2023 lacks.
OLDER_BROWSER: Final = """
delete PublicKeyCredential.parseCreationOptionsFromJSON;
delete PublicKeyCredential.parseRequestOptionsFromJSON;
delete PublicKeyCredential.prototype.toJSON;
"""


@pytest.fixture
def site() -> Iterator[PasskeySite]:
    with passkey_site() as made:
        yield made


def press(page: Page) -> None:
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("heading", name="Posted")).to_be_visible()


@pytest.mark.parametrize("older", [False, True], ids=["new browser", "older browser"])
def test_what_the_script_posts_passes_every_check(site: PasskeySite, page: Page, older: bool) -> None:
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


def test_a_failure_is_named_and_can_be_tried_again(site: PasskeySite, page: Page) -> None:
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


def test_autofill_offers_passkeys_until_the_button_is_pressed(site: PasskeySite, page: Page) -> None:
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


def test_a_signal_makes_the_browser_remove_or_rename_a_passkey(site: PasskeySite, page: Page) -> None:
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


def test_without_passkeys_the_button_stays_hidden(site: PasskeySite, page: Page) -> None:
    page.add_init_script("delete window.PublicKeyCredential")
    site.create(page)
    expect(page.get_by_text("No passkeys here")).to_be_visible()
    expect(page.get_by_role("button", name="Go")).to_be_hidden()
