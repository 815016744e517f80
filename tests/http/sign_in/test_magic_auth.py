"""Magic codes: who may have one, what one does, and what stops those who guess."""

import asyncio
from collections import Counter
from typing import Final

import pytest

from authfactor import errors
from authfactor.models.tenants import SendLimits
from authfactor.rules.events.event_log import REFUSAL_BURST
from authfactor.rules.maintenance.after_restore import AfterRestore
from authfactor.wire.requests import Authenticate
from tests.support.application import (
    OTHER_CLIENT,
    OTHER_KEY,
    PASSWORD,
    SECRET,
    Application,
    Json,
    Pending,
    claims,
    oauth_refused,
    refused,
)
from tests.support.clock import DAY, HOUR, MINUTE
from tests.support.mailed import enter, magic, mails, other, send_mail, set_sign_in
from tests.support.server_process import fields

RACERS: Final = 50
TRIES: Final = 5
EMAIL: Final = "new@example.org"


async def test_a_code_signs_in_once_and_verifies_the_email(application: Application) -> None:
    user = await application.user()
    made = await magic(application, user["email"])
    assert (made["object"], made["user_id"], made["email"]) == ("magic_auth", user["id"], user["email"])
    assert len(made["code"]) == 6
    assert made["code"].isdecimal()
    got = fields(await application.api.get(f"/user_management/magic_auth/{made['id']}"), 200)
    assert got == made
    tokens = fields(
        await enter(application, user["email"].upper(), made["code"], ip_address="203.0.113.9"), 200
    )
    assert tokens["authentication_method"] == "MagicAuth"
    assert tokens["user"]["email_verified"] is True
    found = claims(tokens)
    assert (found["amr"], found["acr"]) == (["email"], "urn:authfactor:acr:1")
    (session,) = await application.sessions(user)
    assert (session["auth_method"], session["ip_address"]) == ("magic_code", "203.0.113.9")
    renewed = fields(await application.refresh(tokens["refresh_token"]), 200)
    assert (renewed["authentication_method"], claims(renewed)["amr"]) == ("MagicAuth", ["email"])
    refused(await enter(application, user["email"], made["code"]), "one_time_code_previously_used")
    names = ("magic_auth.created", "user.updated", "authentication.magic_auth_succeeded", "session.created")
    events = await application.events(*names)
    assert [event["event"] for event in events] == list(names)
    assert "code" not in events[0]["data"]
    assert (events[2]["data"]["type"], events[2]["data"]["status"]) == ("magic_auth", "succeeded")
    assert await application.count_sessions() == 1


async def test_an_unknown_email_becomes_a_user_where_sign_up_is_open(application: Application) -> None:
    made = await magic(application, f" {EMAIL} ")
    user = fields(await application.api.get(f"/user_management/users/{made['user_id']}"), 200)
    assert (user["email"], user["email_verified"]) == (EMAIL, False)
    again = await magic(application, EMAIL.upper())
    assert again["user_id"] == made["user_id"]
    fields(await enter(application, EMAIL, again["code"]), 200)
    events = [each["event"] for each in await application.events("user.created", "magic_auth.created")]
    assert events == ["user.created", "magic_auth.created", "magic_auth.created"]


async def test_an_unknown_email_is_refused_where_sign_up_is_closed(application: Application) -> None:
    await set_sign_in(application, sign_up="closed")
    answer = await application.api.post("/user_management/magic_auth", json={"email": EMAIL})
    oauth_refused(answer, "sign_up_not_allowed")
    assert await application.events("user.created", "magic_auth.created") == []
    user = await application.user()
    assert (await magic(application, user["email"]))["user_id"] == user["id"]


async def test_magic_codes_are_refused_where_they_do_not_sign_in(application: Application) -> None:
    user = await application.user()
    made = await magic(application, user["email"])
    await set_sign_in(application, methods=("password",))
    answer = await application.api.post("/user_management/magic_auth", json={"email": user["email"]})
    oauth_refused(answer, "authentication_method_not_allowed")
    refused(await enter(application, user["email"], made["code"]), "authentication_method_not_allowed", 403)
    await application.sign_in(user)


async def test_passwords_are_refused_where_they_do_not_sign_in(application: Application) -> None:
    user = await application.user()
    await set_sign_in(application, methods=("magic_auth",))
    refused(await application.password(user), "email_password_auth_disabled", 403)
    refused(await application.password(user, "wrong password"), "email_password_auth_disabled", 403)
    answer = await application.api.post("/authfactor/passkey_authentications")
    refused(answer, "authentication_method_not_allowed", 403)
    for path, body in (
        ("/user_management/password_reset", {"email": user["email"]}),
        ("/user_management/password_reset/confirm", {"token": "x", "new_password": PASSWORD}),
    ):
        refused(await application.api.post(path, json=body), "email_password_auth_disabled", 403)


async def test_an_older_code_is_wrong_when_a_newer_one_was_made(application: Application) -> None:
    user = await application.user()
    first = await magic(application, user["email"])
    second = await magic(application, user["email"])
    assert first["code"] != second["code"]
    refused(await enter(application, user["email"], first["code"]), "invalid_one_time_code")
    got = fields(await application.api.get(f"/user_management/magic_auth/{first['id']}"), 200)
    assert got["code"] == first["code"]
    fields(await enter(application, user["email"], second["code"]), 200)


async def test_guesses_are_limited_over_codes_by_the_one_budget_of_the_user(application: Application) -> None:
    member = await application.member()
    tried = 0
    for _ in range(2):
        made = await magic(application, member["email"])
        for _ in range(TRIES):
            refused(await enter(application, member["email"], other(made["code"])), "invalid_one_time_code")
            tried += 1
    made = await magic(application, member["email"])
    refused(await enter(application, member["email"], made["code"]), "one_time_code_too_many_attempts")
    # The same budget: the codes of the user's authenticator wait as well.
    pending = await application.begin(member)
    refused(await application.answer(pending), "one_time_code_too_many_attempts")
    (locked,) = await application.events("authfactor.user_locked")
    assert locked["data"] == {"factor_id": None, "user_id": member["id"]}
    assert len(await application.events("authentication.magic_auth_failed")) == tried + 1
    application.clock.advance(15 * MINUTE)
    made = await magic(application, member["email"])
    assert (await enter(application, member["email"], made["code"])).status_code == 403


async def test_wrong_codes_of_an_authenticator_lock_mailed_codes(application: Application) -> None:
    member = await application.member()
    for _ in range(2):
        pending = await application.begin(member)
        for _ in range(TRIES):
            await application.answer(pending, application.wrong())
    made = await magic(application, member["email"])
    refused(await enter(application, member["email"], made["code"]), "one_time_code_too_many_attempts")


async def test_one_code_is_tried_five_times(application: Application) -> None:
    user = await application.user()
    made = await magic(application, user["email"])
    for _ in range(TRIES):
        refused(await enter(application, user["email"], other(made["code"])), "invalid_one_time_code")
    refused(await enter(application, user["email"], made["code"]), "one_time_code_too_many_attempts")


async def test_a_right_mailed_code_does_not_forgive_wrong_codes(application: Application) -> None:
    member = await application.member()
    pending = await application.begin(member)
    for _ in range(3):
        await application.answer(pending, application.wrong())
    made = await magic(application, member["email"])
    fields(await enter(application, member["email"], made["code"]), 403)
    assert application.sql("SELECT in_a_row FROM failures") == [(3,)]


async def test_what_cannot_be_a_code_costs_no_try(application: Application) -> None:
    user = await application.user()
    made = await magic(application, user["email"])
    for _ in range(TRIES + 1):
        assert refused(await enter(application, user["email"], "12345"), "invalid_one_time_code")[
            "reason"
        ] == ("code_malformed")
    code = f" {made['code'][:3]}-{made['code'][3:]} "
    fields(await enter(application, user["email"], code), 200)


async def test_of_fifty_requests_with_one_code_one_signs_in(application: Application) -> None:
    user = await application.user()
    made = await magic(application, user["email"])
    done = await asyncio.gather(*(enter(application, user["email"], made["code"]) for _ in range(RACERS)))
    codes = Counter(each.json().get("code", "signed in") for each in done)
    assert codes["signed in"] == 1
    assert set(codes) <= {
        "signed in",
        "one_time_code_previously_used",
        "one_time_code_too_many_attempts",
        "service_unavailable",
    }
    assert await application.count_sessions() == 1


async def test_of_fifty_wrong_codes_five_are_compared(application: Application) -> None:
    user = await application.user()
    made = await magic(application, user["email"])
    wrong = [f"{(int(made['code']) + at) % 10**6:06d}" for at in range(1, RACERS + 1)]
    done = await asyncio.gather(*(enter(application, user["email"], code) for code in wrong))
    codes = Counter(each.json()["code"] for each in done)
    assert codes["invalid_one_time_code"] == TRIES
    refused(await enter(application, user["email"], made["code"]), "one_time_code_too_many_attempts")


async def test_of_fifty_first_codes_for_one_email_one_makes_the_user(application: Application) -> None:
    made = await asyncio.gather(*(magic(application, EMAIL) for _ in range(RACERS)))
    assert len({each["user_id"] for each in made}) == 1
    assert len(await application.events("user.created")) == 1
    current = application.sql("SELECT count(*) FROM mailed_codes WHERE replaced_at IS NULL")
    assert current == [(1,)]


async def test_a_code_is_refused_for_another_user_and_environment(application: Application) -> None:
    user, bystander = await application.user(), await application.user()
    made, theirs = await magic(application, user["email"]), await magic(application, bystander["email"])
    assert made["code"] != theirs["code"]
    refused(await enter(application, bystander["email"], made["code"]), "invalid_one_time_code")
    twin = await application.user(application.other, email=user["email"])
    assert twin["id"] != user["id"]
    elsewhere = await enter(
        application, user["email"], made["code"], client_id=OTHER_CLIENT, client_secret=OTHER_KEY
    )
    refused(elsewhere, "invalid_one_time_code")
    assert (await application.other.get(f"/user_management/magic_auth/{made['id']}")).status_code == 404
    verification = await application.api.get(f"/user_management/email_verification/{made['id']}")
    assert verification.status_code == 404
    fields(await enter(application, user["email"], made["code"]), 200)


async def test_a_code_row_copied_to_another_user_opens_nothing(application: Application) -> None:
    user, victim = await application.user(), await application.user()
    made, theirs = await magic(application, user["email"]), await magic(application, victim["email"])
    application.sql(
        "UPDATE mailed_codes SET digest = (SELECT digest FROM mailed_codes WHERE id = $1) WHERE id = $2",
        made["id"],
        theirs["id"],
    )
    refused(await enter(application, victim["email"], made["code"]), "invalid_one_time_code")


async def test_who_has_no_code_is_refused_in_the_words_of_who_has_one(application: Application) -> None:
    known, idle = await application.user(), await application.user()
    made = await magic(application, known["email"])
    answers = []
    for email in (known["email"], idle["email"], "unknown@example.org"):
        seen = [await enter(application, email, other(made["code"])) for _ in range(TRIES + 2)]
        answers.append([(each.status_code, each.json()) for each in seen])
    assert answers[0] == answers[1] == answers[2]
    failed = await application.events("authentication.magic_auth_failed")
    assert [each["data"]["email"] for each in failed[-1:]] == ["unknown@example.org"]


async def test_a_code_expires_after_ten_minutes(application: Application) -> None:
    user = await application.user()
    made = await magic(application, user["email"])
    application.clock.advance(10 * MINUTE)
    refused(await enter(application, user["email"], made["code"]), "one_time_code_expired")


async def test_a_code_of_an_email_that_has_changed_is_wrong(application: Application) -> None:
    user = await application.user()
    made = await magic(application, user["email"])
    path = f"/user_management/users/{user['id']}"
    fields(await application.api.put(path, json={"email": EMAIL}), 200)
    for email in (user["email"], EMAIL):
        refused(await enter(application, email, made["code"]), "invalid_one_time_code")


async def test_a_second_factor_comes_after_the_code(application: Application) -> None:
    member = await application.member()
    made = await magic(application, member["email"])
    body = refused(await enter(application, member["email"], made["code"]), "mfa_challenge", 403)
    answered = await application.answer(Pending(body, SECRET))
    tokens = fields(answered, 200)
    assert tokens["authentication_method"] == "MagicAuth"
    assert claims(tokens)["amr"] == ["email", "otp", "mfa"]
    # The answer is repeated once more, with the same method.
    assert fields(await application.answer(Pending(body, SECRET)), 200) == tokens
    (session,) = await application.sessions(member)
    assert session["auth_method"] == "magic_code"


async def test_a_session_without_its_second_factor_keeps_how_it_began(application: Application) -> None:
    member = await application.member()
    made = await magic(application, member["email"])
    body = refused(await enter(application, member["email"], made["code"]), "mfa_challenge", 403)
    tokens = fields(await application.answer(Pending(body, SECRET)), 200)
    factor = body["authentication_factors"][0]["id"]
    assert (await application.api.delete(f"/auth/factors/{factor}")).status_code == 204
    renewed = fields(await application.refresh(tokens["refresh_token"]), 200)
    assert claims(renewed)["amr"] == ["email"]


async def test_a_code_that_a_lock_kept_out_is_not_used_up_when_the_lock_ends(
    application: Application,
) -> None:
    member = await application.member()
    for _ in range(2):
        pending = await application.begin(member)
        for _ in range(TRIES):
            await application.answer(pending, application.wrong())
    made = await magic(application, member["email"])
    af, environment = application.af, await application.environment()
    request = Authenticate(email=member["email"], code=made["code"])
    sign_in = await af.email_flows.magic_sign_in.prepare(af.store, environment, request)
    await af.run(af.users.unlock(environment, member["id"]))
    with pytest.raises(errors.Unavailable):
        await af.run(sign_in)
    refused(await enter(application, member["email"], made["code"]), "mfa_challenge", 403)


async def test_refusals_that_nothing_counts_fill_no_log(application: Application) -> None:
    user = await application.user()
    await magic(application, user["email"])
    for email in (user["email"], "unknown@example.org"):
        for _ in range(REFUSAL_BURST + 2):
            await enter(application, email, "12345", ip_address="203.0.113.9")
    rows = application.sql("SELECT count(*) FROM events WHERE name = 'authentication.magic_auth_failed'")
    assert rows == [(2 * REFUSAL_BURST,)]


async def test_a_verified_user_is_not_changed(application: Application) -> None:
    user = await application.user(email_verified=True)
    made = await magic(application, user["email"])
    fields(await enter(application, user["email"], made["code"]), 200)
    assert await application.events("user.updated") == []


async def test_an_environment_allows_at_least_one_way_to_sign_in(application: Application) -> None:
    with pytest.raises(errors.InvalidRequest) as wrong:
        await set_sign_in(application, methods=())
    assert wrong.value.items[0].code == "sign_in_methods_invalid"
    with pytest.raises(errors.InvalidRequest) as wrong:
        await set_sign_in(application, invitation_url="http://app.example.org")
    assert wrong.value.items[0].code == "invitation_url_invalid"


async def test_a_restore_ends_codes_resets_and_invitations(application: Application) -> None:
    user = await application.user()
    made = await magic(application, user["email"])
    reset = fields(
        await application.api.post("/user_management/password_reset", json={"email": user["email"]}), 201
    )
    invited = fields(await application.api.post("/user_management/invitations", json={"email": EMAIL}), 201)
    af = application.af
    await AfterRestore(af.clock, af.settings, af.audit).mark(af.store, "test")
    refused(await enter(application, user["email"], made["code"]), "one_time_code_expired")
    body = {"token": reset["password_reset_token"], "new_password": "eight green bottles"}
    answer = await application.api.post("/user_management/password_reset/confirm", json=body)
    refused(answer, "password_reset_token_not_found", 404)
    state = fields(await application.api.get(f"/user_management/invitations/{invited['id']}"), 200)["state"]
    assert state == "expired"


async def test_mail_has_the_code_and_stops_at_the_limit(application: Application) -> None:
    await send_mail(application, SendLimits(interval=30))
    user = await application.user(locale="de")
    made = await magic(application, user["email"])
    assert await mails(application) == [("magic_auth", user["email"], {"code": made["code"]})]
    answer = await application.api.post("/user_management/magic_auth", json={"email": user["email"]})
    refused(answer, "daily_quota_exceeded", 429)
    # The code that was mailed is still good.
    application.clock.advance(30)
    newer = await magic(application, user["email"], locale="fr")
    assert await mails(application) == [("magic_auth", user["email"], {"code": newer["code"]})]
    languages = application.sql("SELECT locale FROM messages ORDER BY id")
    assert languages == [("de",), ("fr",)]
    fields(await enter(application, user["email"], newer["code"]), 200)


async def test_codes_are_deleted_with_their_user_and_after_a_day(application: Application) -> None:
    user, gone = await application.user(), await application.user()
    for each in (user, gone):
        await magic(application, each["email"])
        await application.api.post("/user_management/password_reset", json={"email": each["email"]})
    assert (await application.api.delete(f"/user_management/users/{gone['id']}")).status_code == 200
    for table in ("mailed_codes", "password_resets"):
        assert application.sql(f"SELECT user_id FROM {table}") == [(user["id"],)]  # noqa: S608 - names from above
    application.clock.advance(DAY + HOUR)
    await application.af.retention.run(application.af.store)
    for table in ("mailed_codes", "password_resets"):
        assert application.sql(f"SELECT user_id FROM {table}") == []  # noqa: S608 - names from above


async def test_codes_and_tokens_are_nowhere_in_plain_text(application: Application) -> None:
    user = await application.user()
    await send_mail(application)
    made = await magic(application, user["email"])
    reset = fields(
        await application.api.post("/user_management/password_reset", json={"email": user["email"]}), 201
    )
    stored = application.files()
    assert reset["password_reset_token"].encode() not in stored
    assert f'"{made["code"]}"'.encode() not in stored


async def test_the_legacy_route_tells_nothing(application: Application) -> None:
    await send_mail(application)
    user = await application.user()
    answer = await application.api.post("/user_management/magic_auth/send", json={"email": user["email"]})
    assert (answer.status_code, answer.content) == (200, b"")
    ((kind, to, values),) = await mails(application)
    assert (kind, to) == ("magic_auth", user["email"])
    fields(await enter(application, user["email"], values["code"]), 200)


@pytest.mark.parametrize("email", [None, "", " ", "kim", "kim@", "a b@example.org"])
async def test_what_is_no_email_is_refused(application: Application, email: str | None) -> None:
    answer = await application.api.post("/user_management/magic_auth", json={"email": email})
    assert fields(answer, 422)["errors"][0]["field"] == "email"


async def test_parameters_that_are_not_served_are_refused(application: Application) -> None:
    user = await application.user()
    body: Json = {"email": user["email"], "radar_auth_attempt_id": "x"}
    answer = await application.api.post("/user_management/magic_auth", json=body)
    assert fields(answer, 422)["errors"][0]["code"] == "radar_auth_attempt_id_not_supported"
    made = await magic(application, user["email"], signals_id="x", user_agent="y")
    fields(await enter(application, user["email"], made["code"], link_authorization_code="x"), 422)
