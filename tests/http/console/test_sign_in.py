"""Signing in to the console: once by a set-up link, then by password and code, never by a planted cookie."""

from pathlib import Path

import pytest

from tests.support.console import FROM_OUR_PAGE, HOME, PASSWORD, Browser, Console, opened, secret_on

MINUTE = 60


async def test_bootstrap_link_signs_in_an_owner_once(console: Console) -> None:
    token = await console.af.run(console.af.operators.first_link())
    assert token is not None
    kim = await console.set_up(token, "kim@example.org")
    assert (await kim.get("/console")).headers["location"] == HOME
    assert (await kim.get(HOME)).status_code == 200
    second_use = await console.stranger().get(f"/console/set-up/{token}")
    assert second_use.status_code == 410
    assert "no longer works" in second_use.text


async def test_console_over_plain_http_from_elsewhere_takes_and_shows_no_secret(
    console: Console, owner: Browser
) -> None:
    _, token = await console.af.run(console.af.operators.invite("lee@example.org", "viewer"))
    set_up = f"/console/set-up/{token}"
    elsewhere = {"host": "192.0.2.7:8080"}
    form = {"email": "lee@example.org", "password": PASSWORD, "again": PASSWORD}
    own_page = {**elsewhere, "origin": "http://192.0.2.7:8080"}
    browser = console.stranger()
    refused = [
        *[await browser.get(path, headers=elsewhere) for path in (set_up, "/console/sign-in")],
        *[await owner.get(path, headers=elsewhere) for path in (HOME, f"{HOME}/webhooks")],
        *[
            await browser.post(path, form, own_page)
            for path in (set_up, f"{set_up}/code", "/console/sign-in")
        ],
    ]
    for response in refused:
        assert response.status_code == 403
        assert "not encrypted" in response.text
        assert "set-cookie" not in response.headers
        assert "<form" not in response.text
    through_a_proxy = await browser.post(set_up, form, {**elsewhere, "origin": "https://192.0.2.7:8080"})
    assert through_a_proxy.status_code == 200
    assert secret_on(through_a_proxy)


async def test_set_up_form_reports_errors_and_keeps_the_email(console: Console) -> None:
    token = await console.af.run(console.af.operators.first_link())
    browser = console.stranger()
    path = f"/console/set-up/{token}"
    form = {"email": "kim@example.org", "password": PASSWORD, "again": "another"}
    mismatch = await browser.post(path, form)
    assert mismatch.status_code == 422
    assert "do not match" in mismatch.text
    assert 'value="kim@example.org"' in mismatch.text
    weak = await browser.post(path, {**form, "password": "password123", "again": "password123"})
    assert (weak.status_code, "harder to guess" in weak.text) == (400, True)
    assert PASSWORD not in mismatch.text
    await browser.post(path, {**form, "again": PASSWORD})
    malformed = await browser.post(f"{path}/code", {"code": "12345"})
    assert (malformed.status_code, "is six digits" in malformed.text) == (422, True)
    wrong = await browser.post(f"{path}/code", {"code": "000000"})
    assert (wrong.status_code, "is wrong" in wrong.text) == (422, True)
    assert browser.token() is None


async def test_pages_without_a_session_redirect_to_the_sign_in(console: Console) -> None:
    browser = console.stranger()
    for path in ("/console", HOME, f"{HOME}/users", "/console/operators"):
        response = await browser.get(path)
        assert (response.status_code, response.headers["location"]) == (303, "/console/sign-in")
    assert (await browser.get("/console/sign-in")).status_code == 200


async def test_htmx_request_without_a_session_redirects_the_whole_page(console: Console) -> None:
    response = await console.stranger().get(HOME, headers={"hx-request": "true"})
    assert (response.status_code, response.headers["hx-redirect"]) == (401, "/console/sign-in")


async def test_sign_out_clears_and_sign_in_sets_the_session_cookie(console: Console, owner: Browser) -> None:
    first_token = owner.token()
    response = await owner.post("/console/sign-out")
    assert response.headers["location"] == "/console/sign-in"
    assert owner.token() is None
    assert (await console.sign_in(owner)).headers["location"] == "/console"
    assert owner.token() not in {first_token, None}
    assert (await owner.get(HOME)).status_code == 200


async def test_stolen_session_cookie_is_refused_after_sign_out(console: Console, owner: Browser) -> None:
    other_browser = console.stranger(cookie=f"operator={owner.token()}")
    assert (await other_browser.get(HOME)).status_code == 200
    await owner.post("/console/sign-out")
    assert (await other_browser.get(HOME)).status_code == 303


async def test_planted_cookie_never_becomes_a_session(console: Console, owner: Browser) -> None:
    await owner.post("/console/sign-out")
    planted = "A" * 43
    owner.client.cookies.set("operator", planted, domain="127.0.0.1", path="/")
    assert (await owner.get(HOME)).status_code == 303
    response = await console.sign_in(owner)
    assert planted not in response.headers["set-cookie"]
    assert (await console.stranger(cookie=f"operator={planted}").get(HOME)).status_code == 303


async def test_new_sign_in_ends_the_browsers_previous_session(console: Console, owner: Browser) -> None:
    old_token = owner.token()
    await console.sign_in(owner)
    assert owner.token() != old_token
    assert (await console.stranger(cookie=f"operator={old_token}").get(HOME)).status_code == 303


@pytest.mark.parametrize(
    "changes", [{"password": "wrong"}, {"code": "000000"}, {"email": "unknown@example.org"}]
)
async def test_every_wrong_credential_gets_the_same_message(
    console: Console, owner: Browser, changes: dict[str, str]
) -> None:
    response = await console.sign_in(owner, **changes)
    assert response.status_code == 400
    assert "Email, password or code is wrong." in response.text
    assert "set-cookie" not in response.headers
    assert PASSWORD not in response.text


@pytest.mark.parametrize("changes", [{}, {"password": "wrong"}, {"email": "unknown@example.org"}])
async def test_what_cannot_be_a_code_is_explained_before_the_password_is_compared(
    console: Console, owner: Browser, changes: dict[str, str]
) -> None:
    for _ in range(12):
        response = await console.sign_in(owner, code="12345", **changes)
        assert response.status_code == 400
        assert "A code is six digits." in response.text
    assert (await console.sign_in(owner)).status_code == 303


async def test_reused_code_is_reported_as_used(console: Console, owner: Browser) -> None:
    form = {"email": owner.email, "password": PASSWORD, "code": console.code(owner.secret)}
    assert (await owner.post("/console/sign-in", form)).status_code == 303
    assert "used before" in (await owner.post("/console/sign-in", form)).text


async def test_lock_message_states_the_remaining_time(console: Console, owner: Browser) -> None:
    for _ in range(10):
        await console.sign_in(owner, code="000000")
    response = await console.sign_in(owner)
    assert response.status_code == 400
    assert "You can try again in 1" in response.text
    assert "minutes" in response.text


async def test_pace_message_states_the_remaining_time(console: Console, owner: Browser) -> None:
    form = {"email": "unknown@example.org", "password": "wrong", "code": "000000"}
    stranger = console.stranger()
    for _ in range(10):
        assert (await stranger.post("/console/sign-in", form)).status_code == 400
    response = await stranger.post("/console/sign-in", form)
    assert response.status_code == 400
    assert "Too many failed sign-ins from here." in response.text
    assert "You can try again in 30 seconds" in response.text


async def test_browser_that_has_signed_in_keeps_its_turn_beside_strangers_in_its_network(
    console: Console, owner: Browser
) -> None:
    await owner.post("/console/sign-out")
    form = {"email": owner.email, "password": "wrong", "code": "000000"}
    stranger = console.stranger()
    for _ in range(20):
        await stranger.post("/console/sign-in", form)
    right = {**form, "password": PASSWORD, "code": console.code(owner.secret)}
    assert (await stranger.post("/console/sign-in", right)).status_code == 400
    assert (await owner.post("/console/sign-in", right)).status_code == 303


async def test_cookies_are_http_only_and_same_site_strict(console: Console, owner: Browser) -> None:
    cookies = (await console.sign_in(owner)).headers.get_list("set-cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == ["operator", "operator_device"]
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Path=/" in cookie
    assert "Max-Age=15552000" in cookies[1]


async def test_session_cookie_over_https_has_the_host_prefix(empty_database: Path, tmp_path: Path) -> None:
    async with opened(empty_database, tmp_path, base_url="https://mfa.example.org") as console:
        browser = console.stranger()
        token = await console.af.run(console.af.operators.first_link())
        path = f"/console/set-up/{token}"
        form = {"email": "kim@example.org", "password": PASSWORD, "again": PASSWORD}
        page = await browser.post(path, form)
        completed = await browser.post(f"{path}/code", {"code": console.code(secret_on(page))})
        session, device = completed.headers.get_list("set-cookie")
        assert session.startswith("__Host-operator=")
        assert device.startswith("__Host-operator_device=")
        assert "Secure" in session
        assert "Secure" in device


async def test_background_polling_does_not_extend_the_session(console: Console, owner: Browser) -> None:
    for _ in range(29):
        console.clock.advance(MINUTE)
        assert (await owner.get(HOME, headers={"hx-request": "true"})).status_code == 200
    console.clock.advance(2 * MINUTE)
    assert (await owner.get(HOME)).status_code == 303


async def test_disabled_console_is_404(empty_database: Path, tmp_path: Path) -> None:
    async with opened(empty_database, tmp_path, console=False) as console:
        browser = console.stranger()
        for path in ("/console", "/console/sign-in", "/console/set-up/x", HOME):
            assert (await browser.get(path)).status_code == 404
        assert (await browser.post("/console/sign-in", headers=FROM_OUR_PAGE)).status_code == 404
