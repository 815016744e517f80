"""Passkeys on the users' own page: rows, steps, messages, and what works without a script."""

import html
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from authfactor.models import UserRecord
from authfactor.testing.software_authenticator import HONEST, Behavior, SoftwareAuthenticator
from authfactor.wire.links import CreateFactorsLink
from tests.support.clock import MINUTE
from tests.support.console import Browser, Console, opened
from tests.support.passkey_users import authenticator

BASE_URL = "http://localhost:8080"
ICLOUD = bytes.fromhex("fbfc3007154e4ecc8c0b6e020557d7bd")


@dataclass
class Visit:
    """A user's browser on the page."""

    site: Console
    user: UserRecord
    browser: Browser
    home: str

    async def get(self, path: str = "") -> httpx.Response:
        return await self.browser.get(self.home + path)

    async def post(self, path: str, form: dict[str, str] | None = None) -> httpx.Response:
        return await self.browser.post(self.home + path, form)

    async def add(self, device: SoftwareAuthenticator, behavior: Behavior = HONEST) -> httpx.Response:
        page = await self.post("/passkey")
        assert page.status_code == 200, page.text
        credential = json.dumps(device.create(options_on(page), BASE_URL, behavior))
        return await self.post("/passkey/new", {**hidden_on(page), "credential": credential})

    async def ids(self) -> list[str]:
        return re.findall(r"/remove/(auth_factor_\w+)", (await self.get()).text)

    async def confirm(
        self, then: str, device: SoftwareAuthenticator, behavior: Behavior = HONEST
    ) -> httpx.Response:
        page = await self.get(f"/confirm/{then}")
        text = json.dumps(device.get(options_on(page), BASE_URL, behavior))
        return await self.post(f"/confirm/{then}", {"code": text})


def options_on(page: httpx.Response) -> dict[str, Any]:
    found = re.search(r'data-passkey-options="([^"]+)"', page.text)
    assert found, page.text
    return dict(json.loads(html.unescape(found[1])))


def hidden_on(page: httpx.Response) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))


async def visit(site: Console, user: UserRecord, **headers: str) -> Visit:
    unit = site.af.links.create_factors(site.one, CreateFactorsLink(user_id=user.id))
    path = "/link/" + (await site.af.run(unit)).url.rpartition("/")[2]
    browser = site.stranger(**headers)
    return Visit(site, user, browser, (await browser.post(path)).headers["location"])


@pytest.fixture
async def site(empty_database: Path, tmp_path: Path) -> AsyncIterator[Console]:
    async with opened(empty_database, tmp_path, base_url=BASE_URL) as console:
        yield console


@pytest.fixture
async def at(site: Console) -> Visit:
    return await visit(site, await site.user())


async def test_a_passkey_is_added_listed_renamed_and_removed(at: Visit) -> None:
    phone = authenticator(5, aaguid=ICLOUD, backup_eligible=True, backed_up=True)
    added = await at.add(phone)
    assert added.headers["location"] == f"{at.home}?done=passkey_added"
    page = (await at.get("?done=passkey_added")).text
    assert "Your passkey was added." in page
    assert "<strong>iCloud Keychain</strong>" in page
    assert "backed up. Added" in page
    [factor_id] = await at.ids()
    renamed = await at.post(f"/rename/{factor_id}", {"name": "<i>Phone</i>"})
    assert renamed.headers["location"] == f"{at.home}?done=renamed"
    page = (await at.get()).text
    assert "<strong>&lt;i&gt;Phone&lt;/i&gt;</strong>" in page
    assert "iCloud Keychain, backed up. Added" in page
    wrong = await at.post(f"/rename/{factor_id}", {"name": "x" * 65})
    assert wrong.status_code == 422
    assert "at most 64 characters" in wrong.text
    removal = await at.get(f"/remove/{factor_id}")
    assert "This is your only passkey" in removal.text
    assert "Remove this passkey" in removal.text
    removed = await at.post(f"/remove/{factor_id}", {"passkey": "yes", "last": "yes"})
    assert removed.headers["location"] == f"{at.home}?done=passkey_removed_last"
    assert await at.ids() == []


async def test_a_passkey_beside_an_app_is_no_last_factor(at: Visit) -> None:
    await at.add(authenticator(5))
    await at.add(authenticator(6))
    first, _ = await at.ids()
    assert "only passkey" not in (await at.get(f"/remove/{first}")).text
    removed = await at.post(f"/remove/{first}", {"passkey": "yes"})
    assert removed.headers["location"] == f"{at.home}?done=passkey_removed"


async def test_a_passkey_confirms_in_place_of_a_code(site: Console, at: Visit) -> None:
    laptop = authenticator(7)
    await at.add(laptop)
    site.clock.advance(10 * MINUTE)
    asked = await at.post("/passkey")
    assert asked.headers["location"] == f"{at.home}/confirm/passkey"
    page = await at.get("/confirm/passkey")
    assert "Continue with a passkey" in page.text
    assert 'id="code"' not in page.text
    assert "publickey-credentials-get=(self)" in page.headers["permissions-policy"]
    wrong = await at.confirm("passkey", laptop, Behavior(challenge=bytes(32)))
    assert wrong.status_code == 422
    assert "This passkey was not accepted" in wrong.text
    # Straight to what it was asked for.
    right = await at.confirm("passkey", laptop)
    assert right.status_code == 200
    assert 'data-passkey="create"' in right.text
    page_of_codes = await at.get("/recovery-codes")
    assert page_of_codes.status_code == 200
    site.clock.advance(10 * MINUTE)
    again = await at.confirm("recovery-codes", laptop)
    assert again.headers["location"] == f"{at.home}/recovery-codes"


async def test_an_app_and_a_passkey_are_both_offered_to_confirm(site: Console) -> None:
    user = await site.user()
    enrolled = await site.enroll(user)
    unit = site.af.challenges.verify(site.one, enrolled.challenge.id, site.code(enrolled.secret))  # type: ignore[union-attr]  # it has one
    assert (await site.af.run(unit)).valid
    site.clock.advance(30)
    at, laptop = await visit(site, user), authenticator(7)
    asked = await at.post("/passkey")
    assert asked.headers["location"] == f"{at.home}/confirm/passkey"
    confirmed = await at.post("/confirm/passkey", {"code": site.code(enrolled.secret)})
    form = {**hidden_on(confirmed), "credential": json.dumps(laptop.create(options_on(confirmed), BASE_URL))}
    await at.post("/passkey/new", form)
    site.clock.advance(10 * MINUTE)
    page = await at.get("/confirm/sessions")
    assert "Use a passkey, or enter a code from an app" in page.text
    assert 'id="code"' in page.text
    # The passkey is no choice of the form that takes codes.
    assert "<select" not in page.text
    stale = json.dumps(laptop.get(options_on(page), BASE_URL))
    assert (await at.post("/confirm/sessions", {"code": site.code(enrolled.secret)})).status_code == 303
    site.clock.advance(10 * MINUTE)
    over = await at.post("/confirm/sessions", {"code": stale})
    assert over.status_code == 422
    assert "That took too long" in over.text
    assert (await at.confirm("sessions", laptop)).headers["location"] == f"{at.home}/sessions"


@pytest.mark.parametrize(
    ("behavior", "message"),
    [
        (Behavior(origin="https://evil.example.org"), "passkey_refused"),
        (Behavior(backed_up=True), "passkey_refused"),
    ],
)
async def test_a_refused_passkey_is_explained_and_leaves_nothing(
    at: Visit, behavior: Behavior, message: str
) -> None:
    refused = await at.add(authenticator(8), behavior)
    assert refused.headers["location"] == f"{at.home}?done={message}"
    assert "not accepted" in (await at.get(f"?done={message}")).text
    assert await at.ids() == []


async def test_adding_says_what_is_wrong(site: Console, at: Visit) -> None:
    page = await at.post("/passkey")
    laptop = authenticator(9)
    form = {**hidden_on(page), "credential": json.dumps(laptop.create(options_on(page), BASE_URL))}
    assert (
        (await at.post("/passkey/new", {"credential": "{}"})).headers["location"].endswith("passkey_refused")
    )
    unknown = {**form, "registration_id": "passkey_registration_x"}
    assert (await at.post("/passkey/new", unknown)).headers["location"].endswith("passkey_expired")
    for _ in range(2):
        # Sent twice, it was added once.
        assert (await at.post("/passkey/new", form)).headers["location"].endswith("passkey_added")
    assert len(await at.ids()) == 1
    for seed in range(9):
        await at.add(authenticator(60 + seed))
    assert (await at.post("/passkey")).headers["location"].endswith("done=full")
    assert "as many apps and passkeys" in (await at.get()).text


async def test_the_browser_learns_the_passkeys_and_the_name_that_are_left(site: Console, at: Visit) -> None:
    assert "data-passkey-signals" not in (await at.get()).text
    await at.add(authenticator(5))
    [factor_id] = await at.ids()

    async def told() -> dict[str, Any]:
        found = re.search(r'data-passkey-signals="([^"]+)"', (await at.get()).text)
        assert found
        return dict(json.loads(html.unescape(found[1])))

    before = await told()
    assert len(before["signalAllAcceptedCredentials"]["allAcceptedCredentialIds"]) == 1
    details = before["signalCurrentUserDetails"]
    assert (details["name"], details["rpId"]) == (at.user.email, "localhost")
    await at.post(f"/remove/{factor_id}", {"last": "yes"})
    assert (await told())["signalAllAcceptedCredentials"]["allAcceptedCredentialIds"] == []


async def test_without_a_script_passkeys_are_listed_and_removable(at: Visit) -> None:
    await at.add(authenticator(5))
    page = (await at.get()).text
    [button] = re.findall(r'<form method="post" action="[^"]+/passkey".*?</form>', page)
    assert "hidden data-passkey-only" in button
    assert "needs a browser that supports passkeys" in page
    assert re.search(r'<a class="button small" href="[^"]+/remove/auth_factor_', page)


async def test_the_page_speaks_german(site: Console) -> None:
    at = await visit(site, await site.user(), **{"accept-language": "de"})
    added = await at.add(authenticator(5))
    page = (await at.browser.get(added.headers["location"])).text
    assert "Ihr Passkey wurde hinzugefügt." in page
    assert "bleibt auf seinem Gerät" in page
    [factor_id] = await at.ids()
    assert "Diesen Passkey entfernen" in (await at.get(f"/remove/{factor_id}")).text


async def test_where_browsers_refuse_passkeys_the_page_has_none(empty_database: Path, tmp_path: Path) -> None:
    async with opened(empty_database, tmp_path) as console:
        at = await visit(console, await console.user())
        assert 'aria-labelledby="passkeys"' not in (await at.get()).text
        assert (await at.post("/passkey")).headers["location"].endswith("passkey_refused")


async def test_the_console_shows_a_users_passkeys_and_renames_and_deletes_them(
    site: Console, at: Visit
) -> None:
    owner = await site.operator("owner")
    phone = authenticator(5, aaguid=ICLOUD, backup_eligible=True)
    await at.add(phone)
    await at.add(authenticator(6))
    first, second = await at.ids()
    path = f"/console/e/client_one/users/{at.user.id}"
    page = (await owner.get(path)).text
    assert "iCloud Keychain" in page
    assert "not backed up yet" in page
    assert "stays on its device" in page
    await site.af.store.write(lambda tx: tx.passkeys.suspect(site.one.number, second, site.clock.now))
    assert '<span class="badge error">suspect</span>' in (await owner.get(path)).text
    assert (await owner.post(f"{path}/factors/{first}/rename", {"factor_name": "<b>"})).status_code == 303
    assert "&lt;b&gt;" in (await owner.get(path)).text
    wrong = await owner.post(f"{path}/factors/{first}/rename", {"factor_name": "x" * 65})
    assert wrong.status_code == 422
    other = f"/console/e/client_one/users/{(await site.user('other@example.com')).id}"
    assert (await owner.post(f"{other}/factors/{first}/rename", {"factor_name": "x"})).status_code == 404
    deleted = await owner.post(f"{path}/factors/{second}/delete", {"reason": "copied"})
    assert deleted.status_code == 303
    assert await at.ids() == [first]
