"""Attacks on the sign-in pages: by other sites, other browsers, other flows, guesses and skipped steps."""

import asyncio
import re
from typing import Final

import httpx
import pytest

from tests.support.application import (
    CLIENT,
    OTHER_CLIENT,
    PASSWORD,
    Application,
    refused,
)
from tests.support.hosted_sign_in import CALLBACK, list_callbacks
from tests.support.sign_in_pages import (
    OWN_FORM,
    PageBrowser,
    next_page,
    problem,
    sent_to_application,
    shown,
)

RACERS: Final = 50
TRIES: Final = 11
STEPS: Final = (
    "/code",
    "/enroll",
    "/enroll/app",
    "/enroll/passkey",
    "/finish",
    "/recovery-codes",
    "/account",
    "/verify",
    "/verify/send",
)


@pytest.fixture
async def browser(application: Application) -> PageBrowser:
    await list_callbacks(application)
    return PageBrowser(application)


def codes_made(application: Application) -> int:
    """Return how many authorization codes there are."""
    ((count,),) = application.sql("SELECT count(*) FROM authorization_codes")
    return int(str(count))


async def test_forms_cannot_say_where_to_redirect(browser: PageBrowser) -> None:
    user = await browser.application.user()
    await browser.start()
    evil = "https://evil.example/"
    more = dict.fromkeys(("redirect_uri", "return_to", "location", "next"), evil)
    response = await browser.post(f"?redirect_uri={evil}", email=user["email"], password=PASSWORD, **more)
    sent_to_application(response)
    assert "evil" not in response.headers["location"]


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {},
    ],
)
async def test_form_of_another_site_does_nothing(browser: PageBrowser, headers: dict[str, str]) -> None:
    user = await browser.application.user()
    await browser.start()
    form = {"email": user["email"], "password": PASSWORD}
    for step in ("", "/cancel", "/start-over", *STEPS):
        response = await browser.http.post(browser.flow_path + step, data=form, headers=headers)
        assert response.status_code == 403, step
    assert codes_made(browser.application) == 0
    sent_to_application(await browser.password(user))


async def test_flow_of_an_attacker_is_of_no_use_in_another_browser(browser: PageBrowser) -> None:
    """Login CSRF: the attacker has proven their own password and sends the URL to a victim."""
    application = browser.application
    attacker = await application.member()
    await browser.start()
    await browser.password(attacker)
    victim = PageBrowser(application)
    victim.flow_path = browser.flow_path
    for step in ("", "/code", "/enroll", "/finish"):
        assert (await victim.get(step)).status_code == 404, step
    assert (await victim.code(application.code())).status_code == 404
    # A cookie of a flow of their own does not open another one.
    await victim.start()
    own, victim.flow_path = victim.flow_path, browser.flow_path
    secret = next(cookie.value for cookie in victim.http.cookies.jar if cookie.path == own)
    response = await victim.http.post(
        browser.flow_path + "/code",
        data={"code": application.code()},
        headers={**OWN_FORM, "cookie": f"sign-in={secret}"},
    )
    assert response.status_code == 404
    assert codes_made(application) == 0


async def test_who_knew_the_cookie_before_the_password_is_out_after_it(browser: PageBrowser) -> None:
    """Session fixation: the attacker has planted the cookie of a flow that they began."""
    application = browser.application
    user = await application.member()
    await browser.start()
    known = next(cookie.value for cookie in browser.http.cookies.jar if cookie.path == browser.flow_path)
    await browser.password(user)
    attacker = httpx.AsyncClient(transport=browser.http._transport, base_url=browser.http.base_url)
    headers = {**OWN_FORM, "cookie": f"sign-in={known}"}
    for step in ("", "/code", "/finish"):
        assert (await attacker.get(browser.flow_path + step, headers=headers)).status_code == 404, step
    stolen = await attacker.post(
        f"{browser.flow_path}/code", data={"code": application.code()}, headers=headers
    )
    assert stolen.status_code == 404
    sent_to_application(await browser.code(application.code()))


async def test_no_page_can_be_framed_or_cached_or_read_by_others(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    pages = [await browser.start(), await browser.password(user, "wrong")]
    await browser.password(user)
    pages += [await browser.follow(), await browser.code(application.wrong())]
    sent_to_application(await browser.code(application.code()))
    pages.append(await browser.get())
    for page in pages:
        headers = page.headers
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "'unsafe-inline'" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert not re.search(r"<script(?! src=)", page.text)


async def test_forms_may_be_sent_to_the_application_alone(browser: PageBrowser) -> None:
    policy = (await browser.start()).headers["content-security-policy"]
    assert "form-action 'self' https://app.example.org;" in policy


async def test_unknown_emails_get_the_page_of_a_wrong_password(browser: PageBrowser) -> None:
    application = browser.application
    known = await application.user()
    locked = await application.member()
    without = (await application.api.post("/user_management/users", json={"email": "no@example.org"})).json()
    seen = set()
    for email in (known["email"], locked["email"], without["email"], "stranger@example.org", "x", ""):
        await browser.start()
        page = await browser.post(email=email, password="wrong")
        body = page.text.replace(f'value="{email}"', 'value=""').replace(browser.flow_path, "")
        body = re.sub(r'(authentication_id" value|data-passkey-options)="[^"]*"', "", body)
        body = body.replace(" autofocus", "")
        seen.add((page.status_code, body, page.headers["content-security-policy"]))
    assert len(seen) == 1


async def test_unknown_emails_are_limited_like_known_ones(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.user()
    texts = []
    for email in (user["email"], "stranger@example.org"):
        await browser.start()
        texts.append(
            [problem(await browser.post(email=email, password=f"wrong {tried}")) for tried in range(TRIES)]
        )
    assert texts[0] == texts[1]
    assert texts[0][-1] == "Too many wrong passwords. Try again in a few minutes."


async def test_guesses_on_the_pages_count_for_the_api(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.user()
    for tried in range(TRIES):
        await browser.start()
        await browser.password(user, f"wrong {tried}")
    answer = await application.password(user, ip_address="127.0.0.1")
    refused(answer, "too_many_password_attempts")


async def test_wrong_codes_on_the_pages_lock_the_user_everywhere(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await browser.start()
    for _ in range(2):
        await browser.password(user)
        for _ in range(5):
            await browser.code(application.wrong())
    assert "Too many wrong codes" in problem(browser.page)
    pending = await application.begin(user)
    refused(await application.answer(pending), "one_time_code_too_many_attempts")
    # A right code is refused while the lock lasts, in another flow too.
    await browser.start()
    await browser.password(user)
    assert "Too many wrong codes" in problem(await browser.code(application.code()))
    assert codes_made(application) == 0


async def test_no_step_can_be_skipped(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await browser.start()
    form = {"code": application.code(), "credential": "{}"}
    for step in STEPS:
        response = await browser.post(step, **form)
        assert next_page(response) == "", step
    await browser.password(user)
    for step in ("/enroll", "/enroll/app", "/enroll/passkey", "/finish", "/recovery-codes", "/account"):
        response = await browser.post(step, **form)
        assert next_page(response) == "", step
    assert codes_made(application) == 0
    assert application.sql("SELECT count(*) FROM recovery_codes") == [(0,)]
    assert len(application.sql("SELECT id FROM factors")) == 1


async def test_factor_of_another_user_proves_nothing(browser: PageBrowser) -> None:
    application = browser.application
    user, other = await application.member(), await application.user()
    factor = (await application.enroll(other, totp_secret="MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK"))["factor"]
    await browser.start()
    await browser.password(user)
    code = application.code("MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK")
    assert next_page(await browser.code(code, factor_id=factor["id"])) == ""
    assert "not right" in problem(await browser.code(code))


async def test_user_of_another_environment_is_unknown_to_a_flow(browser: PageBrowser) -> None:
    application = browser.application
    other = await application.user(application.other)
    await browser.start(client_id=CLIENT)
    assert "do not match" in problem(await browser.password(other))
    await browser.start(client_id=OTHER_CLIENT)
    sent_to_application(await browser.password(other))
    # The hosted session is that environment's alone.
    page = await browser.start(client_id=CLIENT)
    assert 'name="password"' in page.text


async def test_password_that_was_changed_meanwhile_begins_again(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await browser.start()
    await browser.password(user)
    changed = await application.api.put(
        f"/user_management/users/{user['id']}", json={"password": PASSWORD * 2}
    )
    assert changed.status_code == 200
    assert next_page(await browser.code(application.code())) == ""
    assert 'name="password"' in (await browser.get()).text


async def test_deleted_user_begins_again(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await browser.start()
    await browser.password(user)
    assert (await application.api.delete(f"/user_management/users/{user['id']}")).status_code == 200
    assert (await browser.code(application.code())).status_code in {303, 404}
    assert codes_made(application) == 0


async def test_expired_flow_takes_no_code(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await browser.start()
    await browser.password(user)
    application.clock.advance(600)
    assert (await browser.code(application.code())).status_code == 410
    assert codes_made(application) == 0


async def test_get_and_head_change_nothing(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await browser.start()
    await browser.password(user)

    def stored() -> list[object]:
        tables = ("sign_in_flows", "challenges", "factors", "authorization_codes", "throttles", "events")
        return [application.sql(f"SELECT * FROM {table}") for table in tables]  # noqa: S608 - from above

    before = stored()
    query = f"?code={application.code()}&email={user['email']}&password={PASSWORD}&remember_device=1"
    for step in ("", "/code", "/enroll", "/finish", "/enroll/passkey"):
        for method in ("GET", "HEAD"):
            await browser.http.request(method, browser.flow_path + step + query)
    for step in ("/cancel", "/start-over", "/account", "/recovery-codes", "/enroll/app"):
        response = await browser.http.get(browser.flow_path + step + query)
        assert response.status_code == 405, step
    assert stored() == before


async def test_what_was_typed_is_text_on_the_page(browser: PageBrowser) -> None:
    await browser.start(login_hint='"><script>alert(1)</script>')
    assert "<script>alert" not in browser.page.text
    page = await browser.post(email='"><script>alert(1)</script>', password="x")
    assert "<script>alert" not in page.text


async def test_one_of_many_concurrent_passwords_gets_a_code(browser: PageBrowser) -> None:
    user = await browser.application.user()
    await browser.start()
    form = {"email": user["email"], "password": PASSWORD}
    posts = [browser.http.post(browser.flow_path, data=form, headers=OWN_FORM) for _ in range(RACERS)]
    answers = await asyncio.gather(*posts)
    won = [each for each in answers if each.headers.get("location", "").startswith(CALLBACK)]
    assert len(won) == 1
    assert codes_made(browser.application) == 1


async def test_one_of_many_concurrent_codes_gets_a_code(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await browser.start()
    await browser.password(user)
    form, path = {"code": application.code()}, f"{browser.flow_path}/code"
    posts = [browser.http.post(path, data=form, headers=OWN_FORM) for _ in range(RACERS)]
    answers = await asyncio.gather(*posts)
    won = [each for each in answers if each.headers.get("location", "").startswith(CALLBACK)]
    assert len(won) == 1
    assert {each.status_code for each in answers} <= {303, 410}
    assert codes_made(application) == 1
    assert len(await application.events("authentication.mfa_succeeded")) == 1


async def test_one_code_signs_in_one_of_many_flows(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    paths = []
    for _ in range(10):
        await browser.start()
        await browser.password(user)
        paths.append(f"{browser.flow_path}/code")
    form = {"code": application.code()}
    answers = await asyncio.gather(*(browser.http.post(path, data=form, headers=OWN_FORM) for path in paths))
    assert sum(each.status_code == 303 for each in answers) == 1
    assert codes_made(application) == 1


async def test_error_pages_of_a_flow_reveal_nothing_of_it(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await browser.start()
    await browser.password(user)
    stranger = PageBrowser(application)
    stranger.flow_path = browser.flow_path
    known = await stranger.get()
    stranger.flow_path = "/sign-in/flow_01H0000000000000000000000"
    assert shown(known) == shown(await stranger.get())
    assert user["email"] not in known.text
