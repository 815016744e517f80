"""Mail on the sign-in pages: codes instead of passwords, verified emails, resets, invitations, sign-up."""

import asyncio
from typing import Final

import pytest

from authfactor.models import SendLimits
from tests.support.application import PASSWORD, Application, Json, claims
from tests.support.hosted_sign_in import list_callbacks
from tests.support.mailed import mails, other, send_mail, set_sign_in
from tests.support.server_process import fields
from tests.support.sign_in_pages import (
    OWN_FORM,
    PageBrowser,
    next_page,
    problem,
    sent_to_application,
    shown,
    value_of,
)

STRANGER: Final = "stranger@example.org"
NEW: Final = "six purple elephants"
RACERS: Final = 50


@pytest.fixture
async def browser(application: Application) -> PageBrowser:
    await list_callbacks(application)
    await send_mail(application)
    return PageBrowser(application)


async def mailed(application: Application, kind: str) -> str:
    """Return the newest code or link of a kind that waits to be sent."""
    found = [values for each, _, values in await mails(application) if each == kind]
    return str(next(iter(found[-1].values())))


async def redeemed(browser: PageBrowser) -> Json:
    code = sent_to_application(browser.page)["code"]
    return fields(await browser.application.grant("authorization_code", code=code), 200)


async def test_mailed_code_replaces_the_password(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.user()
    assert "Email me a code instead" in (await browser.start()).text
    assert next_page(await browser.post("/email-code/send", email=user["email"])) == "email-code"
    assert user["email"] in shown(await browser.follow())
    code = await mailed(application, "magic_auth")
    page = await browser.post("/email-code", code=other(code))
    assert problem(page) == "That code is not right. Enter the six digits of the newest message."
    await browser.post("/email-code", code=code)
    tokens = await redeemed(browser)
    assert (tokens["authentication_method"], claims(tokens)["amr"]) == ("MagicAuth", ["email"])
    assert tokens["user"]["email_verified"] is True


async def test_second_factor_follows_a_mailed_code(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.member()
    await browser.start()
    await browser.post("/email-code/send", email=user["email"])
    await browser.post("/email-code", code=await mailed(application, "magic_auth"))
    assert next_page(browser.page) == "code"
    await browser.code(application.code())
    assert claims(await redeemed(browser))["amr"] == ["email", "otp", "mfa"]


async def test_page_of_a_mailed_code_tells_nothing_about_an_email(browser: PageBrowser) -> None:
    application = browser.application
    await set_sign_in(application, sign_up="closed")
    user = await application.user()
    seen = []
    for email in (user["email"], STRANGER):
        await browser.start()
        pages = [await browser.post("/email-code/send", email=email), await browser.follow()]
        pages += [await browser.post("/email-code", code="000000") for _ in range(6)]
        seen.append(
            [
                (page.status_code, page.text.replace(email, "").replace(browser.flow_path, ""))
                for page in pages
            ]
        )
    assert seen[0] == seen[1]
    assert [to for _, to, _ in await mails(application)] == [user["email"]]
    assert len((await application.api.get("/user_management/users")).json()["data"]) == 1


async def test_unknown_email_becomes_a_user_where_sign_up_is_open(browser: PageBrowser) -> None:
    await browser.start()
    await browser.post("/email-code/send", email=STRANGER)
    await browser.post("/email-code", code=await mailed(browser.application, "magic_auth"))
    assert (await redeemed(browser))["user"]["email"] == STRANGER


async def test_no_code_is_mailed_without_a_sender(application: Application) -> None:
    await list_callbacks(application)
    browser = PageBrowser(application)
    user = await application.user()
    page = await browser.start()
    assert "Email me a code" not in page.text
    assert "Forgot your password" not in page.text
    for step in ("/email-code/send", "/email-code", "/forgotten"):
        assert next_page(await browser.post(step, email=user["email"], code="000000")) == "", step


async def test_strangers_of_one_network_send_a_bounded_amount_of_mail(browser: PageBrowser) -> None:
    statuses = []
    for number in range(31):
        await browser.start()
        page = await browser.post("/email-code/send", email=f"x{number}@example.org")
        statuses.append(page.status_code)
    assert statuses == [303] * 30 + [429]


async def test_limit_of_mail_is_not_told_and_makes_no_user(application: Application) -> None:
    await list_callbacks(application)
    await send_mail(application, SendLimits(environment_per_hour=1))
    browser = PageBrowser(application)
    for email in ("a@example.org", "b@example.org"):
        await browser.start()
        assert next_page(await browser.post("/email-code/send", email=email)) == "email-code"
    assert len((await application.api.get("/user_management/users")).json()["data"]) == 1


async def test_email_is_verified_before_the_second_factor(browser: PageBrowser) -> None:
    application = browser.application
    await set_sign_in(application, verify_email="required")
    user = await application.member()
    await browser.start()
    assert next_page(await browser.password(user)) == "verify"
    assert user["email"] in shown(await browser.follow())
    first = await mailed(application, "email_verification")
    assert "not right" in problem(await browser.post("/verify", code=other(first)))
    assert next_page(await browser.post("/code", code=application.code())) == ""
    assert next_page(await browser.post("/finish")) == ""
    await browser.post("/verify/send")
    code = await mailed(application, "email_verification")
    assert next_page(await browser.post("/verify", code=code)) == "code"
    await browser.code(application.code())
    tokens = await redeemed(browser)
    assert tokens["user"]["email_verified"] is True


async def test_limit_of_verification_mail_is_said(application: Application) -> None:
    await list_callbacks(application)
    await send_mail(application, SendLimits(interval=0, per_hour=1))
    await set_sign_in(application, verify_email="required")
    browser = PageBrowser(application)
    user = await application.user()
    await browser.start()
    assert next_page(await browser.password(user)) == "verify"
    assert next_page(await browser.post("/verify/send")) == "verify"
    # The one before has expired, and no other may be sent.
    application.sql("UPDATE mailed_codes SET expires_at = 1")
    assert problem(await browser.post("/verify/send")).startswith("Too many messages")
    await browser.start()
    assert next_page(await browser.password(user)) == "verify"


async def test_forgotten_password_is_replaced_by_the_mailed_link(browser: PageBrowser) -> None:
    await set_sign_in(browser.application, verify_email="off")
    application = browser.application
    user = await application.user()
    await application.sign_in(user)
    assert "Forgot your password?" in (await browser.start()).text
    await browser.get("/forgotten")
    response = await browser.post("/forgotten", email=user["email"])
    browser.page = await browser.http.get(response.headers["location"])
    assert "a message is on its way" in shown(browser.page)
    url = await mailed(application, "password_reset")
    page = await browser.http.get(url)
    for _ in range(2):
        # A preview of the mail opens it too.
        assert "Choose a new password" in shown(await browser.http.get(url))
    form = {"token": value_of(page, "token")}
    weak = await browser.http.post("/reset-password", data={**form, "password": "short"}, headers=OWN_FORM)
    assert problem(weak) == "This password is too short: use at least 10 characters."
    posts = [
        browser.http.post("/reset-password", data={**form, "password": NEW}, headers=OWN_FORM)
        for _ in range(RACERS)
    ]
    statuses = [each.status_code for each in await asyncio.gather(*posts)]
    assert statuses.count(200) == 1
    assert (await browser.http.get(url)).status_code == 404
    assert await application.sessions(user) == []
    await browser.start()
    sent_to_application(await browser.password(user, NEW))


async def test_reset_tells_nothing_about_an_email(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.user()
    seen = []
    for email in (user["email"], STRANGER, "x"):
        await browser.start()
        response = await browser.post("/forgotten", email=email)
        page = await browser.http.get(response.headers["location"])
        seen.append((response.status_code, page.text.replace(browser.flow_path, "")))
    assert seen[0] == seen[1] == seen[2]
    assert [to for _, to, _ in await mails(application)] == [user["email"]]


@pytest.mark.parametrize("path", ["/reset-password", "/invitation"])
async def test_unknown_token_is_refused_and_not_repeated(browser: PageBrowser, path: str) -> None:
    name = "token" if path == "/reset-password" else "invitation_token"
    for token in ("", "nothing", "<script>"):
        page = await browser.http.get(path, params={name: token})
        assert page.status_code == 404
        assert not token or token not in page.text.replace("<script src", "")
        form = {name: token, "password": NEW}
        assert (await browser.http.post(path, data=form, headers=OWN_FORM)).status_code == 404
        cross = {"sec-fetch-site": "cross-site"}
        assert (await browser.http.post(path, data=form, headers=cross)).status_code == 403


async def test_links_of_another_environment_are_its_own(browser: PageBrowser) -> None:
    application = browser.application
    other_user = await application.user(application.other)
    answer = await application.other.post(
        "/user_management/password_reset", json={"email": other_user["email"]}
    )
    url = fields(answer, 201)["password_reset_url"]
    page = await browser.http.get(url)
    assert "replaces your password at Two" in shown(page)


async def test_invitation_opens_sign_up_and_is_accepted_by_the_sign_in(browser: PageBrowser) -> None:
    application = browser.application
    await set_sign_in(application, sign_up="closed", verify_email="off")
    invited = fields(
        await application.api.post("/user_management/invitations", json={"email": STRANGER}), 201
    )
    assert "Sign up" not in (await browser.start()).text
    assert next_page(await browser.post("/sign-up", email=STRANGER, password=NEW)) == ""
    url = invited["accept_invitation_url"]
    page = await browser.http.get(url)
    assert "You are invited to Acme" in shown(page)
    assert "invitation-" not in page.headers.get("set-cookie", "")
    form = {"invitation_token": value_of(page, "invitation_token")}
    kept = await browser.http.post("/invitation", data=form, headers=OWN_FORM)
    assert "within an hour" in shown(kept)
    assert (await state_of(application, invited)) == "pending"
    assert "Sign up" in (await browser.start()).text
    sent_to_application(await browser.post("/sign-up", email=STRANGER, password=NEW))
    assert (await state_of(application, invited)) == "accepted"
    assert not [name for name in browser.http.cookies if name.startswith("invitation-")]


async def test_invitation_of_the_link_to_authorize_is_accepted_too(browser: PageBrowser) -> None:
    application = browser.application
    await set_sign_in(application, sign_up="closed")
    invited = fields(
        await application.api.post("/user_management/invitations", json={"email": STRANGER}), 201
    )
    await browser.start(invitation_token=invited["token"])
    await browser.post("/email-code/send", email=STRANGER)
    await browser.post("/email-code", code=await mailed(application, "magic_auth"))
    sent_to_application(browser.page)
    assert (await state_of(application, invited)) == "accepted"


async def test_revoked_invitation_opens_nothing(browser: PageBrowser) -> None:
    application = browser.application
    await set_sign_in(application, sign_up="closed", verify_email="off")
    path = "/user_management/invitations"
    invited = fields(await application.api.post(path, json={"email": STRANGER}), 201)
    await application.api.post(f"{path}/{invited['id']}/revoke")
    assert (await browser.http.get(invited["accept_invitation_url"])).status_code == 404
    await browser.start(invitation_token=invited["token"])
    assert next_page(await browser.post("/sign-up", email=STRANGER, password=NEW)) == ""
    user = await application.user()
    sent_to_application(await browser.password(user))


async def state_of(application: Application, invited: Json) -> str:
    answer = await application.api.get(f"/user_management/invitations/{invited['id']}")
    return str(fields(answer, 200)["state"])


async def test_sign_up_makes_a_user_who_is_then_signed_in(browser: PageBrowser) -> None:
    await set_sign_in(browser.application, verify_email="off")
    page = await browser.start(screen_hint="sign-up", login_hint=STRANGER)
    assert "Sign up for Acme" in shown(page)
    assert value_of(page, "email") == STRANGER
    for password, text in (
        ("short", "too short"),
        ("aaaaaaaaaaaa", "easy to guess"),
        (f"{STRANGER}1", "contains your email"),
    ):
        page = await browser.post("/sign-up", email=STRANGER, password=password)
        assert text in problem(page)
    assert "not an email address" in problem(await browser.post("/sign-up", email="x", password=NEW))
    await browser.post("/sign-up", email=STRANGER, password=NEW)
    assert (await redeemed(browser))["user"]["email"] == STRANGER


async def test_sign_up_does_not_take_over_a_user(browser: PageBrowser) -> None:
    await set_sign_in(browser.application, verify_email="off")
    application = browser.application
    user = await application.member()
    await browser.start(screen_hint="sign-up")
    page = await browser.post("/sign-up", email=user["email"], password=NEW)
    assert "You cannot sign up with this email" in problem(page)
    # The right password signs in, and does not spare the code.
    assert next_page(await browser.post("/sign-up", email=user["email"], password=PASSWORD)) == "code"


async def test_guesses_at_sign_up_count_like_others(browser: PageBrowser) -> None:
    await set_sign_in(browser.application, verify_email="off")
    application = browser.application
    user = await application.user()
    for number in range(11):
        await browser.start(screen_hint="sign-up")
        await browser.post("/sign-up", email=user["email"], password=f"{NEW} {number}")
    assert "Too many wrong passwords" in problem(browser.page)
    await browser.start()
    assert "Too many wrong passwords" in problem(await browser.password(user))


async def test_one_network_makes_a_bounded_number_of_users(browser: PageBrowser) -> None:
    await set_sign_in(browser.application, verify_email="off")
    statuses = []
    for number in range(31):
        await browser.start(screen_hint="sign-up")
        page = await browser.post("/sign-up", email=f"x{number}@example.org", password=NEW)
        statuses.append(page.status_code)
        browser.http.cookies.clear()
    assert statuses == [303] * 30 + [429]


async def test_of_many_concurrent_sign_ups_one_makes_the_user(browser: PageBrowser) -> None:
    await set_sign_in(browser.application, verify_email="off")
    posts = []
    for number in range(10):
        other_browser = PageBrowser(browser.application)
        await other_browser.start(screen_hint="sign-up")
        posts.append(other_browser.post("/sign-up", email=STRANGER, password=f"{NEW} {number}"))
    answers = await asyncio.gather(*posts)
    assert [each.status_code for each in answers].count(303) == 1
    assert len((await browser.application.api.get("/user_management/users")).json()["data"]) == 1


async def test_no_password_is_chosen_before_the_email_is_verified(browser: PageBrowser) -> None:
    """Else a stranger who signs up with an address would know the password of its later user."""
    await set_sign_in(browser.application, verify_email="required")
    page = await browser.start(screen_hint="sign-up")
    assert "/sign-up" not in page.text
    assert "have a code sent" in page.text
    assert next_page(await browser.post("/sign-up", email=STRANGER, password=NEW)) == ""
    assert (await browser.application.api.get("/user_management/users")).json()["data"] == []


async def test_password_is_not_asked_for_where_none_signs_in(browser: PageBrowser) -> None:
    application = browser.application
    user = await application.user()
    await set_sign_in(application, methods=("magic_auth",))
    page = await browser.start()
    assert 'name="password"' not in page.text
    assert "Passwords are not used here" in (await browser.password(user)).text
    await set_sign_in(application, methods=("password",))
    page = await browser.start()
    assert "Email me a code" not in page.text
    assert next_page(await browser.post("/email-code/send", email=user["email"])) == ""
