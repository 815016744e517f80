"""Operators' passkeys in the console: added, listed, renamed, removed, and used to sign in and to confirm."""

import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from authfactor.models import PageQuery
from authfactor.rules.console.roles import ROLES
from authfactor.testing.software_authenticator import SoftwareAuthenticator
from tests.support.clock import MINUTE
from tests.support.console import HOME, PASSWORD, Browser, Console, opened
from tests.support.passkey_users import authenticator

BASE_URL = "http://localhost:8080"
ACCOUNT = "/console/account"
FIVE_MINUTES = 5 * MINUTE


@pytest.fixture
async def site(empty_database: Path, tmp_path: Path) -> AsyncIterator[Console]:
    async with opened(empty_database, tmp_path, base_url=BASE_URL) as console:
        yield console


@pytest.fixture
async def kim(site: Console) -> Browser:
    return await site.operator("owner")


@pytest.fixture
def laptop() -> SoftwareAuthenticator:
    return authenticator(3)


def options_on(page: httpx.Response) -> dict[str, object]:
    """Return the options of the page's form that asks for a passkey."""
    found = re.search(r'data-passkey-options="([^"]+)"', page.text)
    assert found, page.text
    return dict(json.loads(html.unescape(found[1])))


def hidden_on(page: httpx.Response) -> dict[str, str]:
    """Return the hidden fields of the form that asks for a passkey."""
    form = re.search(r"<form [^>]*data-passkey-options.*?</form>", page.text, re.DOTALL)
    assert form, page.text
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form[0]))


def answered(page: httpx.Response, device: SoftwareAuthenticator, kind: str = "get") -> str:
    answer = device.get if kind == "get" else device.create
    return json.dumps(answer(options_on(page), BASE_URL))


async def add(browser: Browser, device: SoftwareAuthenticator, name: str = "Laptop") -> httpx.Response:
    page = await browser.post(f"{ACCOUNT}/passkeys/new", {"passkey_name": name})
    assert page.status_code == 200, page.text
    form = {**hidden_on(page), "credential": answered(page, device, "create")}
    return await browser.post(f"{ACCOUNT}/passkeys", form)


async def rows(site: Console) -> list[str]:
    found = await site.af.read(lambda tx: tx.db.all("SELECT factor_id FROM passkeys ORDER BY factor_id"))
    return [row[0] for row in found]


async def audited(site: Console, action: str) -> list[str]:
    page = await site.af.read(site.af.audit.page(PageQuery(), action))
    return [f"{entry.actor} {entry.target}" for entry in page.items]


@pytest.mark.parametrize("role", ROLES)
async def test_every_operator_adds_renames_and_removes_passkeys_of_their_own(
    site: Console, laptop: SoftwareAuthenticator, role: str
) -> None:
    browser = await site.operator(role)  # type: ignore[arg-type]  # a role's name
    added = await add(browser, laptop)
    assert (added.status_code, added.headers["location"]) == (303, f"{ACCOUNT}?done=passkey_added")
    [factor_id] = await rows(site)
    page = (await browser.get(added.headers["location"])).text
    assert "The passkey was added" in page
    assert "Laptop" in page
    assert "stays on its device" in page
    renamed = await browser.post(f"{ACCOUNT}/passkeys/{factor_id}/rename", {"passkey_name": "<b>Key</b>"})
    assert renamed.status_code == 303
    assert "&lt;b&gt;Key&lt;/b&gt;" in (await browser.get(ACCOUNT)).text
    removed = await browser.post(f"{ACCOUNT}/passkeys/{factor_id}/delete")
    assert removed.status_code == 303
    assert await rows(site) == []
    for action in ("create", "rename", "delete"):
        assert await audited(site, f"operator_passkey.{action}") == [f"{browser.email} {factor_id}"]


@pytest.mark.parametrize(
    ("path", "form"),
    [("new", {"passkey_name": "Laptop"}), ("", {}), ("/delete", {})],
    ids=["begin", "finish", "delete"],
)
async def test_adding_and_removing_need_a_fresh_second_factor(
    site: Console, kim: Browser, laptop: SoftwareAuthenticator, path: str, form: dict[str, str]
) -> None:
    await add(kim, laptop)
    [factor_id] = await rows(site)
    phone = authenticator(4)
    if path == "":
        page = await kim.post(f"{ACCOUNT}/passkeys/new")
        form = {**hidden_on(page), "credential": answered(page, phone, "create")}
    url = (
        f"{ACCOUNT}/passkeys/{factor_id}/delete"
        if path == "/delete"
        else f"{ACCOUNT}/passkeys/{path}".rstrip("/")
    )
    site.clock.advance(FIVE_MINUTES)
    asked = await kim.post(url, form)
    assert asked.status_code == 403
    assert "Confirm with a code or a passkey" in asked.text
    assert "clientDataJSON" not in re.sub(r'value="[^"]*"', "", asked.text)
    assert await rows(site) == [factor_id]
    confirmed = {**hidden_on(asked), "confirmation_code": site.code(kim.secret)}
    done = await kim.post(url, {name: html.unescape(value) for name, value in confirmed.items()})
    assert done.status_code in {200, 303}, done.text
    assert len(await rows(site)) == {"new": 1, "": 2, "/delete": 0}[path]


async def test_a_refused_response_is_explained_on_the_account_page_and_can_be_repeated(
    site: Console, kim: Browser, laptop: SoftwareAuthenticator
) -> None:
    page = await kim.post(f"{ACCOUNT}/passkeys/new")
    wrong = json.dumps(laptop.create(options_on(page), "https://evil.example.org"))
    refused = await kim.post(f"{ACCOUNT}/passkeys", {**hidden_on(page), "credential": wrong})
    assert refused.status_code == 422
    assert "origin is not listed" in refused.text
    junk = await kim.post(f"{ACCOUNT}/passkeys", {**hidden_on(page), "credential": "junk"})
    assert junk.status_code == 422
    assert await rows(site) == []
    assert (
        await kim.post(f"{ACCOUNT}/passkeys", {"registration_id": "none", "credential": wrong})
    ).status_code == 404
    named = await kim.post(f"{ACCOUNT}/passkeys/new", {"passkey_name": "x" * 65})
    assert named.status_code == 422


async def test_passkeys_of_other_operators_are_not_found(
    site: Console, kim: Browser, laptop: SoftwareAuthenticator
) -> None:
    await add(kim, laptop)
    [factor_id] = await rows(site)
    lee = await site.operator("owner", "lee@example.org")
    for verb in ("rename", "delete"):
        assert (await lee.post(f"{ACCOUNT}/passkeys/{factor_id}/{verb}")).status_code == 404
    assert await rows(site) == [factor_id]
    assert "Laptop" not in (await lee.get(ACCOUNT)).text


async def test_sign_in_by_a_passkey_alone(site: Console, kim: Browser, laptop: SoftwareAuthenticator) -> None:
    await add(kim, laptop)
    browser = site.stranger()
    page = await browser.get("/console/sign-in")
    assert options_on(page)["allowCredentials"] == []
    assert b"publickey-credentials-get=(self)" in page.headers["permissions-policy"].encode()
    form = {**hidden_on(page), "credential": answered(page, laptop)}
    done = await browser.post("/console/sign-in/passkey", form)
    assert (done.status_code, done.headers["location"]) == (303, "/console")
    assert kim.email in (await browser.get(ACCOUNT)).text
    again = await site.stranger().post("/console/sign-in/passkey", form)
    assert again.status_code == 400
    assert "The passkey was not accepted" in again.text


async def test_sign_in_with_password_and_passkey(
    site: Console, kim: Browser, laptop: SoftwareAuthenticator
) -> None:
    await add(kim, laptop)
    browser = site.stranger()
    page = await browser.get("/console/sign-in?with=password")
    assert 'name="code" data-passkey-response' in page.text
    form = {"email": kim.email, **hidden_on(page), "code": answered(page, laptop)}
    wrong = await browser.post("/console/sign-in", {**form, "password": "wrong"})
    unknown = await browser.post(
        "/console/sign-in", {**form, "email": "no@example.org", "password": PASSWORD}
    )
    assert (wrong.status_code, unknown.status_code) == (400, 400)
    for refused in (wrong, unknown):
        assert "Email, password or passkey is wrong" in refused.text
        assert 'name="code" data-passkey-response' in refused.text
    done = await browser.post("/console/sign-in", {**form, "password": PASSWORD})
    assert (done.status_code, done.headers["location"]) == (303, "/console")


async def test_the_sign_in_page_asks_everyone_for_the_same_and_stores_nothing(
    site: Console, kim: Browser, laptop: SoftwareAuthenticator
) -> None:
    before = options_on(await site.stranger().get("/console/sign-in"))
    await add(kim, laptop)
    after = options_on(await site.stranger().get("/console/sign-in"))
    assert before.pop("challenge") != after.pop("challenge")
    assert before == after
    stored = await site.af.read(lambda tx: tx.db.all("SELECT purpose FROM passkey_ceremonies"))
    assert [row[0] for row in stored] == ["registration"]


async def test_known_devices_alone_are_asked_for_the_operators_passkeys_after_the_password(
    site: Console, kim: Browser, laptop: SoftwareAuthenticator
) -> None:
    await add(kim, laptop)
    path = "/console/sign-in?with=password"
    assert options_on(await site.stranger().get(path))["allowCredentials"] == []
    await kim.post("/console/sign-out")
    asked = options_on(await kim.get(path))
    assert len(asked["allowCredentials"]) == 1  # type: ignore[arg-type]  # a list of JSON
    assert options_on(await kim.get("/console/sign-in"))["allowCredentials"] == []


async def test_a_passkey_confirms_a_dangerous_action_once(
    site: Console, kim: Browser, laptop: SoftwareAuthenticator
) -> None:
    await add(kim, laptop)
    site.clock.advance(FIVE_MINUTES)
    form = {"email": "new@example.org", "role": "viewer"}
    asked = await kim.post("/console/operators", form)
    assert asked.status_code == 403
    assert '"transports":["internal"]' in html.unescape(asked.text)
    answer = {**hidden_on(asked), "confirmation_code": answered(asked, laptop)}
    wrong = {**answer, "passkey_request": "passkey_authentication_0"}
    refused = await kim.post("/console/operators", wrong)
    assert "The passkey was not accepted" in refused.text
    assert "confirmation_code" not in refused.request.url.query.decode()
    done = await kim.post("/console/operators", answer)
    assert done.status_code == 200, done.text
    assert "Set-up link for new@example.org" in done.text
    site.clock.advance(FIVE_MINUTES)
    repeated = await kim.post("/console/operators", {**answer, "email": "other@example.org"})
    assert "The passkey was not accepted" in repeated.text


async def test_the_browser_learns_which_passkeys_are_left(
    site: Console, kim: Browser, laptop: SoftwareAuthenticator
) -> None:
    assert "data-passkey-signals" not in (await kim.get(ACCOUNT)).text
    await add(kim, laptop)
    [factor_id] = await rows(site)

    async def told() -> dict[str, object]:
        found = re.search(r'data-passkey-signals="([^"]+)"', (await kim.get(ACCOUNT)).text)
        assert found
        return dict(json.loads(html.unescape(found[1]))["signalAllAcceptedCredentials"])

    before = await told()
    assert before["rpId"] == "localhost"
    assert len(before["allAcceptedCredentialIds"]) == 1  # type: ignore[arg-type]  # a list of JSON
    await kim.post(f"{ACCOUNT}/passkeys/{factor_id}/delete")
    assert await told() == {**before, "allAcceptedCredentialIds": []}


async def test_where_browsers_refuse_passkeys_the_console_says_what_to_do_and_asks_for_none(
    empty_database: Path, tmp_path: Path
) -> None:
    async with opened(empty_database, tmp_path, base_url="https://203.0.113.7") as console:
        browser = console.stranger(host="203.0.113.7")
        page = await browser.get("/console/sign-in")
        assert page.status_code == 200, page.text
        assert "passkey" not in page.text
        form = {"email": "kim@example.org", "password": PASSWORD, "code": "{}"}
        refused = await browser.post("/console/sign-in", form)
        assert refused.status_code == 422
        assert "HTTPS" in refused.text
        refused = await browser.post("/console/sign-in/passkey", {"credential": "{}"})
        assert refused.status_code == 422
    other = tmp_path / "other"
    other.mkdir()
    async with opened(empty_database, other) as console:
        kim = await console.operator("owner")
        settings = (await kim.get(f"{HOME}/settings")).text
        assert "open http://localhost:PORT" in settings
        assert "<dt>RP ID" not in settings
        account = (await kim.get(ACCOUNT)).text
        assert "open http://localhost:PORT" in account
        assert "Add a passkey" not in account
        assert (await kim.post(f"{ACCOUNT}/passkeys/new")).status_code == 422
        console.clock.advance(FIVE_MINUTES)
        asked = await kim.post("/console/operators", {"email": "new@example.org", "role": "viewer"})
        assert "data-passkey-options" not in asked.text


async def test_other_sites_cannot_post_a_sign_in(site: Console, kim: Browser) -> None:
    for path in ("/console/sign-in/passkey", f"{ACCOUNT}/passkeys", f"{ACCOUNT}/passkeys/new"):
        assert (await kim.post(path, headers={"sec-fetch-site": "cross-site"})).status_code == 403


async def test_the_page_of_the_policy_shows_the_settings_of_passkeys(site: Console, kim: Browser) -> None:
    shown = (await kim.get(f"{HOME}/settings")).text
    for text in ("<dt>RP ID: the site that passkeys are for</dt><dd>localhost</dd>", BASE_URL, "preferred"):
        assert text in shown


async def test_operators_are_listed_with_the_number_of_their_passkeys(
    site: Console, kim: Browser, laptop: SoftwareAuthenticator
) -> None:
    await add(kim, laptop)
    await site.operator("viewer")
    numbers = re.findall(r'<td class="number">(\d+)</td>', (await kim.get("/console/operators")).text)
    assert sorted(numbers) == ["0", "1"]
