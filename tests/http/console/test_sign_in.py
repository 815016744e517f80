"""Getting into the console: once by a link, then by password and code, never by what a browser brought."""

from pathlib import Path

import pytest

from tests.support.console import FROM_OUR_PAGE, HOME, PASSWORD, Browser, Console, opened, secret_on

MINUTE = 60


async def test_the_first_link_leads_to_a_signed_in_owner(console: Console) -> None:
    token = await console.af.run(console.af.operators.first_link())
    assert token is not None
    kim = await console.set_up(token, "kim@example.org")
    assert (await kim.get("/console")).headers["location"] == HOME
    assert (await kim.get(HOME)).status_code == 200
    again = await console.stranger().get(f"/console/set-up/{token}")
    assert again.status_code == 410
    assert "no longer works" in again.text


async def test_set_up_says_what_is_wrong_and_keeps_what_was_typed(console: Console) -> None:
    token = await console.af.run(console.af.operators.first_link())
    browser = console.stranger()
    path = f"/console/set-up/{token}"
    form = {"email": "kim@example.org", "password": PASSWORD, "again": "another"}
    differ = await browser.post(path, form)
    assert differ.status_code == 422
    assert "do not match" in differ.text
    assert 'value="kim@example.org"' in differ.text
    weak = await browser.post(path, {**form, "password": "password123", "again": "password123"})
    assert (weak.status_code, "harder to guess" in weak.text) == (400, True)
    assert PASSWORD not in differ.text
    await browser.post(path, {**form, "again": PASSWORD})
    wrong = await browser.post(f"{path}/code", {"code": "000000"})
    assert (wrong.status_code, "is wrong" in wrong.text) == (422, True)
    assert browser.token() is None


async def test_without_a_session_every_page_leads_to_the_sign_in(console: Console) -> None:
    browser = console.stranger()
    for path in ("/console", HOME, f"{HOME}/users", "/console/operators"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    assert (await browser.get("/console/sign-in")).status_code == 200


async def test_a_part_of_a_page_sends_the_whole_page_to_the_sign_in(console: Console) -> None:
    answer = await console.stranger().get(HOME, headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/console/sign-in")


async def test_signing_in_and_out(console: Console, owner: Browser) -> None:
    first = owner.token()
    answer = await owner.post("/console/sign-out")
    assert answer.headers["location"] == "/console/sign-in"
    assert owner.token() is None
    assert (await console.sign_in(owner)).headers["location"] == "/console"
    assert owner.token() not in {first, None}
    assert (await owner.get(HOME)).status_code == 200


async def test_a_session_ended_by_signing_out_does_not_work_from_elsewhere(
    console: Console, owner: Browser
) -> None:
    thief = console.stranger(cookie=f"operator={owner.token()}")
    assert (await thief.get(HOME)).status_code == 200
    await owner.post("/console/sign-out")
    assert (await thief.get(HOME)).status_code == 303


async def test_a_planted_cookie_is_no_session_and_is_not_the_one_that_signing_in_gives(
    console: Console, owner: Browser
) -> None:
    await owner.post("/console/sign-out")
    planted = "A" * 43
    owner.client.cookies.set("operator", planted, domain="127.0.0.1", path="/")
    assert (await owner.get(HOME)).status_code == 303
    answer = await console.sign_in(owner)
    assert planted not in answer.headers["set-cookie"]
    assert (await console.stranger(cookie=f"operator={planted}").get(HOME)).status_code == 303


async def test_the_session_that_a_browser_had_ends_when_somebody_signs_in_there(
    console: Console, owner: Browser
) -> None:
    before = owner.token()
    await console.sign_in(owner)
    assert owner.token() != before
    assert (await console.stranger(cookie=f"operator={before}").get(HOME)).status_code == 303


@pytest.mark.parametrize("changes", [{"password": "wrong"}, {"code": "000000"}, {"email": "who@example.org"}])
async def test_whatever_is_wrong_sounds_the_same(
    console: Console, owner: Browser, changes: dict[str, str]
) -> None:
    answer = await console.sign_in(owner, **changes)
    assert answer.status_code == 400
    assert "Email, password or code is wrong." in answer.text
    assert "set-cookie" not in answer.headers
    assert PASSWORD not in answer.text


async def test_a_code_used_before_says_so(console: Console, owner: Browser) -> None:
    form = {"email": owner.email, "password": PASSWORD, "code": console.code(owner.secret)}
    assert (await owner.post("/console/sign-in", form)).status_code == 303
    assert "used before" in (await owner.post("/console/sign-in", form)).text


async def test_a_lock_says_how_long(console: Console, owner: Browser) -> None:
    for _ in range(10):
        await console.sign_in(owner, password="wrong")
    answer = await console.sign_in(owner)
    assert answer.status_code == 400
    assert "You can try again in 1" in answer.text
    assert "minutes" in answer.text


async def test_the_cookie_cannot_be_read_by_scripts_nor_sent_from_other_sites(
    console: Console, owner: Browser
) -> None:
    cookie = (await console.sign_in(owner)).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie


async def test_behind_https_the_cookie_is_bound_to_the_host(empty_database: Path, tmp_path: Path) -> None:
    async with opened(empty_database, tmp_path, base_url="https://mfa.example.org") as console:
        browser = console.stranger()
        token = await console.af.run(console.af.operators.first_link())
        path = f"/console/set-up/{token}"
        form = {"email": "kim@example.org", "password": PASSWORD, "again": PASSWORD}
        page = await browser.post(path, form)
        done = await browser.post(f"{path}/code", {"code": console.code(secret_on(page))})
        assert done.headers["set-cookie"].startswith("__Host-operator=")
        assert "Secure" in done.headers["set-cookie"]


async def test_what_the_page_fetches_by_itself_keeps_nobody_signed_in(
    console: Console, owner: Browser
) -> None:
    for _ in range(29):
        console.clock.advance(MINUTE)
        assert (await owner.get(HOME, headers={"hx-request": "true"})).status_code == 200
    console.clock.advance(2 * MINUTE)
    assert (await owner.get(HOME)).status_code == 303


async def test_a_console_that_is_turned_off_is_not_there(empty_database: Path, tmp_path: Path) -> None:
    async with opened(empty_database, tmp_path, console=False) as console:
        browser = console.stranger()
        for path in ("/console", "/console/sign-in", "/console/set-up/x", HOME):
            assert (await browser.get(path)).status_code == 404
        assert (await browser.post("/console/sign-in", headers=FROM_OUR_PAGE)).status_code == 404
