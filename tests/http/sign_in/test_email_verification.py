"""Email verification: sending and confirming a code, and sign-ins that need it first."""

import asyncio
from collections import Counter
from typing import Final

import httpx
import msgspec
import pytest

from authfactor import errors
from authfactor.models.tenants import MailOptions, SendLimits
from authfactor.rules.authentication.applied_policy import options_of, verifies_emails
from authfactor.rules.events.event_log import REFUSAL_BURST
from authfactor.wire.requests import Authenticate
from tests.support.application import KEY, SECRET, Application, Json, Pending, claims, refused
from tests.support.clock import MINUTE
from tests.support.mailed import (
    EMAIL_VERIFICATION,
    MAGIC_AUTH,
    enter,
    magic,
    mails,
    other,
    send_mail,
    set_sign_in,
)
from tests.support.server_process import fields

RACERS: Final = 50


async def send(application: Application, user: Json) -> httpx.Response:
    return await application.api.post(f"/user_management/users/{user['id']}/email_verification/send")


async def confirm(application: Application, user: Json, code: object) -> httpx.Response:
    path = f"/user_management/users/{user['id']}/email_verification/confirm"
    return await application.api.post(path, json={"code": code})


async def sent(application: Application, user: Json) -> Json:
    """Send a verification and return it, as an application that mails it itself would get it."""
    fields(await send(application, user), 200)
    created = (await application.events("email_verification.created"))[-1]["data"]
    return fields(await application.api.get(f"/user_management/email_verification/{created['id']}"), 200)


async def begun(application: Application, user: Json) -> tuple[Json, str]:
    """Send the right password; return the body of the refusal and the code that was mailed."""
    body = refused(await application.password(user), "email_verification_required", 403)
    path = f"/user_management/email_verification/{body['email_verification_id']}"
    return body, fields(await application.api.get(path), 200)["code"]


async def finish(application: Application, body: Json, code: object) -> httpx.Response:
    token = body["pending_authentication_token"]
    return await application.grant(EMAIL_VERIFICATION, pending_authentication_token=token, code=code)


@pytest.fixture
async def required(application: Application) -> Application:
    await set_sign_in(application, verify_email="required")
    return application


async def test_a_code_verifies_the_email_once(application: Application) -> None:
    user = await application.user()
    answer = fields(await send(application, user), 200)
    assert answer["user"]["id"] == user["id"]
    made = await sent(application, user)
    assert (made["object"], made["email"], made["user_id"]) == (
        "email_verification",
        user["email"],
        user["id"],
    )
    answer = fields(await confirm(application, user, made["code"]), 200)
    assert answer["user"]["email_verified"] is True
    refused(await confirm(application, user, made["code"]), "email_previously_verified")
    refused(await send(application, user), "email_already_verified")
    names = ("email_verification.created", "user.updated", "authentication.email_verification_succeeded")
    events = await application.events(*names)
    assert [event["event"] for event in events] == [names[0], *names]
    assert "code" not in events[0]["data"]
    assert events[-1]["data"]["type"] == "email_verification"
    for path in ("email_verification/send", "email_verification/confirm"):
        missing = f"/user_management/users/user_01/{path}"
        assert (await application.api.post(missing, json={"code": "123456"})).status_code == 404


async def test_wrong_old_and_expired_codes_have_their_own_errors(application: Application) -> None:
    user = await application.user()
    refused(await confirm(application, user, "123456"), "email_verification_code_incorrect")
    first, second = await sent(application, user), await sent(application, user)
    refused(await confirm(application, user, first["code"]), "email_verification_code_incorrect")
    refused(await confirm(application, user, other(second["code"])), "email_verification_code_incorrect")
    application.clock.advance(10 * MINUTE)
    refused(await confirm(application, user, second["code"]), "email_verification_code_expired")
    path = f"/user_management/users/{user['id']}"
    third = await sent(application, user)
    fields(await confirm(application, user, third["code"]), 200)
    fields(await application.api.put(path, json={"email_verified": False}), 200)
    refused(await confirm(application, user, third["code"]), "email_verification_code_previously_used")
    failed = await application.events("authentication.email_verification_failed")
    assert len(failed) == 5


async def test_a_code_is_good_for_its_purpose_alone(
    application: Application,
) -> None:
    user = await application.user()
    code, verification = (await magic(application, user["email"]))["code"], await sent(application, user)
    refused(await confirm(application, user, code), "email_verification_code_incorrect")
    refused(await enter(application, user["email"], verification["code"]), "invalid_one_time_code")


async def test_an_open_code_is_of_no_use_once_the_email_has_changed(application: Application) -> None:
    user = await application.user()
    made = await sent(application, user)
    path = f"/user_management/users/{user['id']}"
    fields(await application.api.put(path, json={"email": "new@example.org"}), 200)
    refused(await confirm(application, user, made["code"]), "email_verification_code_incorrect")


async def test_of_fifty_confirmations_one_verifies(application: Application) -> None:
    user = await application.user()
    made = await sent(application, user)
    done = await asyncio.gather(*(confirm(application, user, made["code"]) for _ in range(RACERS)))
    assert Counter(each.status_code for each in done)[200] == 1
    assert len(await application.events("authentication.email_verification_succeeded")) == 1


async def test_reading_a_code_uses_nothing(application: Application) -> None:
    user = await application.user()
    made = await sent(application, user)
    path = f"/user_management/email_verification/{made['id']}"
    for _ in range(3):
        assert fields(await application.api.get(path), 200) == made
    assert (await application.other.get(path)).status_code == 404
    fields(await confirm(application, user, made["code"]), 200)


async def test_a_password_signs_in_after_the_code_where_that_is_required(required: Application) -> None:
    user = await required.user()
    body, code = await begun(required, user)
    assert set(body) == {
        "code",
        "message",
        "email",
        "email_verification_id",
        "pending_authentication_token",
    }
    assert body["email"] == user["email"]
    refused(await finish(required, body, other(code)), "invalid_one_time_code")
    tokens = fields(await finish(required, body, code), 200)
    assert (tokens["authentication_method"], claims(tokens)["amr"]) == ("Password", ["pwd"])
    assert tokens["user"]["email_verified"] is True
    refused(await finish(required, body, code), "invalid_pending_authentication_token")
    await required.sign_in(user)


async def test_the_wrong_password_tells_nothing_about_the_email(required: Application) -> None:
    user = await required.user()
    refused(await required.password(user, "wrong password"), "invalid_credentials")
    assert await required.events("email_verification.created") == []


async def test_the_second_factor_comes_after_the_email(required: Application) -> None:
    member = await required.member()
    body, code = await begun(required, member)
    challenged = refused(await finish(required, body, code), "mfa_challenge", 403)
    assert await required.count_sessions() == 0
    fields(await required.answer(Pending(challenged, SECRET)), 200)


async def test_a_code_sent_with_the_password_does_not_pass_the_email(required: Application) -> None:
    member = await required.member()
    refused(await required.password(member, code=required.wrong()), "invalid_credentials")
    assert await required.events("email_verification.created") == []
    refused(await required.password(member, code=required.code()), "email_verification_required", 403)
    assert await required.count_sessions() == 0


async def test_a_token_that_waits_for_one_thing_is_of_no_use_for_another(required: Application) -> None:
    member = await required.member()
    body, code = await begun(required, member)
    factor = (await required.api.get(f"/user_management/users/{member['id']}/auth_factors")).json()["data"][0]
    challenge = fields(await required.api.post(f"/auth/factors/{factor['id']}/challenge"), 201)
    token = body["pending_authentication_token"]
    answer = await required.answer(Pending({**body, "authentication_challenge": challenge}, SECRET))
    refused(answer, "invalid_pending_authentication_token")
    challenged = refused(await finish(required, body, code), "mfa_challenge", 403)
    assert challenged["pending_authentication_token"] != token
    path = f"/user_management/users/{member['id']}"
    fields(await required.api.put(path, json={"email_verified": False}), 200)
    made = await sent(required, member)
    refused(await finish(required, challenged, made["code"]), "invalid_pending_authentication_token")


async def test_the_pending_token_ends_with_the_password_and_with_time(required: Application) -> None:
    user = await required.user()
    body, code = await begun(required, user)
    path = f"/user_management/users/{user['id']}"
    fields(await required.api.put(path, json={"password": "eight green bottles"}), 200)
    refused(await finish(required, body, code), "invalid_pending_authentication_token")
    user = await required.user()
    body, code = await begun(required, user)
    required.clock.advance(10 * MINUTE)
    refused(await finish(required, body, code), "invalid_pending_authentication_token")


async def test_a_token_spent_meanwhile_leaves_the_code_unused(required: Application) -> None:
    user = await required.user()
    body, code = await begun(required, user)
    af, environment = required.af, await required.environment()
    request = Authenticate(
        pending_authentication_token=body["pending_authentication_token"], code=code, client_secret=KEY
    )
    sign_in = af.email_flows.email_verification_sign_in
    first, second = [await sign_in.prepare(af.store, environment, request) for _ in range(2)]
    await af.run(first)
    required.sql("UPDATE mailed_codes SET used_at = NULL")
    with pytest.raises(errors.SignInRefused) as refusal:
        await af.run(second)
    assert refusal.value.code == "invalid_pending_authentication_token"
    assert required.sql("SELECT used_at FROM mailed_codes") == [(None,)]


async def test_refusals_that_nothing_counts_fill_no_log(application: Application) -> None:
    user = await application.user()
    for _ in range(REFUSAL_BURST + 2):
        await confirm(application, user, "12345")
    rows = application.sql("SELECT count(*) FROM events WHERE name LIKE 'authentication.email_verif%'")
    assert rows == [(REFUSAL_BURST,)]


async def test_a_magic_code_needs_no_other_verification(required: Application) -> None:
    user = await required.user()
    made = await magic(required, user["email"])
    answer = await required.grant(MAGIC_AUTH, email=user["email"], code=made["code"])
    assert fields(answer, 200)["user"]["email_verified"] is True


async def test_at_the_limit_a_sign_in_goes_on_with_the_code_before(required: Application) -> None:
    await send_mail(required, SendLimits(interval=30))
    user = await required.user()
    first, code = await begun(required, user)
    second, _ = await begun(required, user)
    assert second["email_verification_id"] == first["email_verification_id"]
    ((kind, _, values),) = await mails(required)
    assert (kind, values) == ("email_verification", {"code": code})
    fields(await finish(required, second, code), 200)
    user = await required.user()
    _, code = await begun(required, user)
    for _ in range(5):
        await confirm(required, user, other(code))
    refused(await required.password(user), "daily_quota_exceeded", 429)


async def test_new_environments_verify_emails_once_they_send_mail(application: Application) -> None:
    environment = await application.environment()
    options = options_of(environment.options)
    for policy, mail, expected in (
        ("off", MailOptions(), False),
        ("with_mail", None, False),
        ("with_mail", MailOptions(), True),
        ("required", None, True),
    ):
        sign_in = msgspec.structs.replace(options.sign_in, verify_email=policy)
        text = msgspec.json.encode(msgspec.structs.replace(options, sign_in=sign_in, mail=mail)).decode()
        assert verifies_emails(msgspec.structs.replace(environment, options=text)) is expected
    assert options.sign_in.verify_email == "with_mail"
    # An environment of an older release has no such option.
    assert options_of("{}").sign_in.verify_email == "off"


async def test_sessions_from_before_go_on(application: Application) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    await set_sign_in(application, verify_email="required")
    fields(await application.refresh(tokens["refresh_token"]), 200)
