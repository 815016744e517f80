"""Sessions are checked, raised by a code and reauthenticated by a password, each for itself alone."""

import asyncio
from collections import Counter
from typing import Final

import httpx
import pytest

from authfactor import errors
from authfactor.models import CheckedSession
from authfactor.rules.authentication.sign_in import PasswordHashChanged
from authfactor.store import Unit
from authfactor.wire.session_checks import ReauthenticateSession
from tests.support.application import PASSWORD, SECRET, Application, Json, claims, refused
from tests.support.clock import DAY, HOUR, MINUTE
from tests.support.server_process import fields

ACR: Final = [f"urn:authfactor:acr:{level}" for level in range(4)]
UNKNOWN: Final = "session_01ZZZZZZZZZZZZZZZZZZZZZZZZ"
OTHER_SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
REVOKE: Final = "/user_management/sessions/revoke"
RACERS: Final = 50


def sid(tokens: Json) -> str:
    return str(claims(tokens)["sid"])


async def password_session(application: Application, user: Json | None = None) -> tuple[Json, Json]:
    """Sign in by password alone a user who enrolls a factor afterwards; return user and tokens."""
    await application.configure("off")
    user = user or await application.member()
    tokens = await application.sign_in(user)
    application.clock.advance(HOUR)
    return user, tokens


async def proven_session(application: Application) -> tuple[Json, Json]:
    """Sign in by password and code; return user and tokens."""
    user = await application.member()
    return user, await application.sign_in_twice_proven(user)


async def check(application: Application, session: str, **asked: object) -> Json:
    return fields(await application.api.post(f"/authfactor/sessions/{session}/check", json=asked), 200)


async def challenge(application: Application, session: str, **asked: object) -> str:
    made = await application.api.post(f"/authfactor/sessions/{session}/challenges", json=asked)
    return str(fields(made, 201)["id"])


async def verify(application: Application, challenge_id: str, code: str | None = None) -> httpx.Response:
    code = application.code() if code is None else code
    return await application.api.post(f"/auth/challenges/{challenge_id}/verify", json={"code": code})


async def reauthenticate(
    application: Application, session: str, password: str = PASSWORD, **more: str
) -> httpx.Response:
    body = {"password": password, **more}
    return await application.api.post(f"/authfactor/sessions/{session}/reauthenticate", json=body)


async def revoke(application: Application, session: str) -> None:
    assert (await application.api.post(REVOKE, json={"session_id": session})).status_code == 200


async def event_names(application: Application) -> Counter[str]:
    names = ["authfactor.session_raised", "authentication.reauthentication_succeeded"]
    return Counter(each["event"] for each in await application.events(*names))


def row_of(application: Application, session: str) -> list[tuple[object, ...]]:
    return application.sql("SELECT amr, mfa_at, authenticated_at FROM sessions WHERE id = ?", session)


# --- checks ---


async def test_check_of_a_session_by_password_alone(application: Application) -> None:
    _, tokens = await password_session(application)
    body = await check(application, sid(tokens))
    assert (body["object"], body["session_id"], body["satisfied"]) == ("session_check", sid(tokens), True)
    assert (body["amr"], body["acr"], body["mfa_at"], body["age"]) == (["pwd"], ACR[1], None, HOUR)
    assert not {"reason", "www_authenticate"} & set(body)
    body = await check(application, sid(tokens), acr=ACR[2], max_age=300)
    assert (body["satisfied"], body["reason"], body["age"]) == (False, "acr_too_low", None)
    assert body["www_authenticate"] == (
        'Bearer error="insufficient_user_authentication", error_description="More factors are required",'
        f' acr_values="{ACR[2]}", max_age="300"'
    )


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"acr": ACR[1]}, None),
        ({"acr": ACR[2]}, None),
        ({"acr": ACR[3]}, "acr_too_low"),
        ({"methods": ["otp", "mfa"]}, None),
        ({"methods": []}, None),
        ({"methods": ["recovery_code"]}, "method_missing"),
        ({"methods": ["pop"]}, "method_missing"),
        ({"acr": ACR[2], "max_age": 30}, None),
        ({"acr": ACR[2], "max_age": 29}, "too_old"),
        ({"methods": ["otp"], "max_age": 29}, "too_old"),
        ({"max_age": 29}, "too_old"),
        ({"max_age": 0}, "too_old"),
        ({"acr": ACR[2], "max_age": 0}, "too_old"),
        ({"max_age": 315_360_000}, None),
        ({"max_age": None, "acr": None, "methods": None}, None),
    ],
)
async def test_check_names_the_first_reason(
    application: Application, asked: Json, reason: str | None
) -> None:
    _, tokens = await proven_session(application)
    body = await check(application, sid(tokens), **asked)
    assert (body["satisfied"], body.get("reason")) == (reason is None, reason)
    assert (reason is None) == ("www_authenticate" not in body)


async def test_headers_name_what_is_missing(application: Application) -> None:
    _, tokens = await proven_session(application)
    for asked, parameters in (
        ({"methods": ["pop"]}, f', acr_values="{ACR[3]}"'),
        ({"methods": ["recovery_code"], "max_age": 60}, f', acr_values="{ACR[2]}", max_age="60"'),
        ({"max_age": 1}, ', max_age="1"'),
    ):
        header = (await check(application, sid(tokens), **asked))["www_authenticate"]
        assert header.startswith('Bearer error="insufficient_user_authentication", error_description="')
        assert header.endswith(f'"{parameters}')


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"max_age": -1}, "max_age_invalid"),
        ({"max_age": 315_360_001}, "max_age_invalid"),
        ({"max_age": 10**30}, "max_age_invalid"),
        ({"max_age": 1.5}, "max_age_invalid"),
        ({"max_age": "300"}, "max_age_invalid"),
        ({"max_age": True}, "max_age_invalid"),
        ({"acr": "2"}, "acr_invalid"),
        ({"acr": ""}, "acr_invalid"),
        ({"acr": ACR[0]}, "acr_invalid"),
        ({"acr": 'x", scope="all'}, "acr_invalid"),
        ({"methods": ["topt"]}, "methods_invalid"),
        ({"methods": "otp"}, "methods_invalid"),
        ({"methods": [7]}, "methods_invalid"),
    ],
)
async def test_impossible_requirement_is_refused(application: Application, asked: Json, code: str) -> None:
    _, tokens = await proven_session(application)
    answer = await application.api.post(f"/authfactor/sessions/{sid(tokens)}/check", json=asked)
    assert [item["code"] for item in fields(answer, 422)["errors"]] == [code]


async def test_misspelled_requirement_is_refused(application: Application) -> None:
    _, tokens = await proven_session(application)
    path = f"/authfactor/sessions/{sid(tokens)}/check"
    asked = {"maxAge": 1, "max_age": "1", "x" * 5000: 1, **{f"acr{number}": 1 for number in range(50)}}
    problem = fields(await application.api.post(path, json=asked), 422)
    found = [(item["field"], item["code"]) for item in problem["errors"]]
    assert found[:3] == [
        ("max_age", "max_age_invalid"),
        ("maxAge", "parameter_unknown"),
        ("x" * 64, "parameter_unknown"),
    ]
    assert len(found) == 11
    twice = await application.api.post(path, content=b'{"max_age": "1", "max_age": 1}')
    assert "twice" in fields(twice, 422)["message"]


async def test_proof_of_the_future_is_new(application: Application) -> None:
    """The clock was set back after the proof."""
    _, tokens = await proven_session(application)
    application.clock.advance(-DAY)
    body = await check(application, sid(tokens), acr=ACR[2], max_age=60)
    assert (body["satisfied"], body["age"]) == (True, 0)
    assert (await check(application, sid(tokens), acr=ACR[2], max_age=0))["reason"] == "too_old"
    application.clock.advance(DAY + 2 * MINUTE)
    assert (await check(application, sid(tokens), acr=ACR[2], max_age=60))["reason"] == "too_old"


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_ended_session_satisfies_nothing(application: Application, end: str) -> None:
    _, tokens = await proven_session(application)
    if end == "revoked":
        await revoke(application, sid(tokens))
    else:
        application.clock.advance(400 * DAY)
    body = await check(application, sid(tokens))
    assert (body["satisfied"], body["reason"]) == (False, "session_ended")
    assert body["www_authenticate"].startswith('Bearer error="invalid_token"')
    refused(
        await application.api.post(f"/authfactor/sessions/{sid(tokens)}/challenges"), "session_ended", 409
    )
    refused(await reauthenticate(application, sid(tokens)), "session_ended", 409)


@pytest.mark.parametrize("step", ["check", "challenges", "reauthenticate"])
async def test_unknown_and_foreign_sessions_are_not_found(application: Application, step: str) -> None:
    _, tokens = await proven_session(application)
    before = row_of(application, sid(tokens))
    for api, session in (
        (application.api, UNKNOWN),
        (application.api, "a%00b"),
        (application.other, sid(tokens)),
    ):
        body = {"password": PASSWORD} if step == "reauthenticate" else {}
        answer = await api.post(f"/authfactor/sessions/{session}/{step}", json=body)
        refused(answer, "entity_not_found", 404)
    assert row_of(application, sid(tokens)) == before


# --- raises ---


async def test_code_raises_its_session_and_the_next_tokens_say_so(application: Application) -> None:
    user, tokens = await password_session(application)
    made = fields(await application.api.post(f"/authfactor/sessions/{sid(tokens)}/challenges"), 201)
    assert set(made) == {
        *("object", "id", "authentication_factor_id", "expires_at", "created_at", "updated_at"),
    }
    answer = fields(await verify(application, made["id"]), 201)
    assert answer["valid"] is True
    assert answer["session"] == {"id": sid(tokens), "mfa_at": answer["challenge"]["updated_at"]}
    body = await check(application, sid(tokens), acr=ACR[2], max_age=1, methods=["pwd", "otp", "mfa"])
    assert (body["satisfied"], body["age"], body["mfa_at"]) == (True, 0, answer["session"]["mfa_at"])
    # The password is as old as before.
    assert (await check(application, sid(tokens), max_age=60))["reason"] == "too_old"
    new = claims(fields(await application.refresh(tokens["refresh_token"]), 200))
    assert (new["amr"], new["acr"], new["sid"]) == (["pwd", "otp", "mfa"], ACR[2], sid(tokens))
    assert new["mfa_at"] == application.clock.now // 1000
    assert new["auth_time"] == claims(tokens)["auth_time"]
    (raised,) = await application.events("authfactor.session_raised")
    assert raised["data"] == {"session_id": sid(tokens), "user_id": user["id"], "method": "totp"}
    (proven,) = await application.events("authentication.reauthentication_succeeded")
    assert proven["data"] == {
        "type": "reauthentication",
        "status": "succeeded",
        "ip_address": None,
        "user_agent": None,
        "user_id": user["id"],
        "email": user["email"],
    }


async def test_raise_renews_the_proof_of_a_session_that_has_one(application: Application) -> None:
    _, tokens = await proven_session(application)
    application.clock.advance(HOUR)
    assert (await check(application, sid(tokens), acr=ACR[2], max_age=300))["reason"] == "too_old"
    await verify(application, await challenge(application, sid(tokens)))
    body = await check(application, sid(tokens), acr=ACR[2], max_age=300)
    assert (body["satisfied"], body["amr"]) == (True, ["pwd", "otp", "mfa"])


async def test_other_sessions_and_ordinary_challenges_are_not_raised(application: Application) -> None:
    user, tokens = await password_session(application)
    twin = await application.sign_in(user)
    stranger = await application.sign_in(await application.member())
    others = [row_of(application, sid(each)) for each in (twin, stranger)]
    (factor,) = fields(await application.api.get(f"/user_management/users/{user['id']}/auth_factors"), 200)[
        "data"
    ]
    before = row_of(application, sid(tokens))
    ordinary = fields(await application.api.post(f"/auth/factors/{factor['id']}/challenge"), 201)
    assert "session" not in fields(await verify(application, ordinary["id"]), 201)
    assert row_of(application, sid(tokens)) == before
    application.clock.advance(MINUTE)
    assert fields(await verify(application, await challenge(application, sid(tokens))), 201)["valid"]
    assert row_of(application, sid(tokens)) != before
    assert [row_of(application, sid(each)) for each in (twin, stranger)] == others


async def test_wrong_code_raises_nothing(application: Application) -> None:
    _, tokens = await password_session(application)
    before = row_of(application, sid(tokens))
    opened = await challenge(application, sid(tokens))
    for code in (application.wrong(), "12345", "td_01.secret", "zzzz-zzzz-zzzz-zzzz"):
        answer = fields(await verify(application, opened, code), 201)
        assert answer["valid"] is False
        assert "session" not in answer
    assert row_of(application, sid(tokens)) == before
    assert not await event_names(application)


async def test_code_of_a_session_that_ended_is_not_spent(application: Application) -> None:
    user, tokens = await password_session(application)
    twin = await application.sign_in(user)
    opened = await challenge(application, sid(tokens))
    await revoke(application, sid(tokens))
    before = row_of(application, sid(tokens))
    refused(await verify(application, opened), "session_ended", 409)
    assert row_of(application, sid(tokens)) == before
    assert application.sql("SELECT verified_at, attempts FROM challenges WHERE id = ?", opened) == [(None, 0)]
    assert not application.sql("SELECT * FROM failures WHERE in_a_row > 0")
    # The same code is still good, where it raises something.
    assert fields(await verify(application, await challenge(application, sid(twin))), 201)["valid"]


@pytest.mark.parametrize("change", ["expires_at = 1", "user_id = 'user_other'", "environment = 77"])
async def test_session_that_changed_since_the_challenge_is_not_raised(
    application: Application, change: str
) -> None:
    """It expired, or an attacker with the database has given it to another user."""
    _, tokens = await password_session(application)
    opened = await challenge(application, sid(tokens))
    application.sql(f"UPDATE sessions SET {change} WHERE id = ?", sid(tokens))  # noqa: S608 - of this file
    refused(await verify(application, opened), "session_ended", 409)
    assert row_of(application, sid(tokens))[0][1] is None


async def test_fifty_codes_at_once_raise_once(application: Application) -> None:
    _, tokens = await password_session(application)
    opened = await challenge(application, sid(tokens))
    answers = await asyncio.gather(*[verify(application, opened) for _ in range(RACERS)])
    valid = [answer.json() for answer in answers if answer.json().get("valid")]
    assert {answer["session"]["mfa_at"] for answer in valid} == {valid[0]["session"]["mfa_at"]}
    assert await event_names(application) == {
        "authfactor.session_raised": 1,
        "authentication.reauthentication_succeeded": 1,
    }


async def test_one_code_on_fifty_challenges_raises_one_session(application: Application) -> None:
    user, tokens = await password_session(application)
    sessions = [sid(tokens), *[sid(await application.sign_in(user)) for _ in range(4)]]
    opened = [await challenge(application, sessions[at % 5]) for at in range(RACERS)]
    answers = await asyncio.gather(*[verify(application, each) for each in opened])
    assert sum(bool(answer.json().get("valid")) for answer in answers) == 1
    assert application.sql("SELECT count(*) FROM sessions WHERE mfa_at IS NOT NULL") == [(1,)]


async def test_repeated_result_does_not_raise_again(application: Application) -> None:
    _, tokens = await password_session(application)
    opened, code = await challenge(application, sid(tokens)), application.code()
    first = await verify(application, opened, code)
    application.clock.advance(20)
    assert (await verify(application, opened, code)).content == first.content
    assert (await check(application, sid(tokens), acr=ACR[2], max_age=60))["age"] == 20
    assert (await event_names(application))["authfactor.session_raised"] == 1
    await revoke(application, sid(tokens))
    refused(await verify(application, opened, code), "session_ended", 409)


async def test_revocation_and_raise_at_once_leave_no_raised_session_open(application: Application) -> None:
    user, _ = await password_session(application)
    for _ in range(8):
        session = sid(await application.sign_in(user))
        opened = await challenge(application, session)
        answer, _ = await asyncio.gather(verify(application, opened), revoke(application, session))
        ((_, mfa_at, _),) = row_of(application, session)
        assert (mfa_at is not None) == (answer.status_code == 201)
        application.clock.advance(MINUTE)
        assert (await check(application, session))["reason"] == "session_ended"


async def test_factor_of_a_challenge_is_the_newest_active_one(application: Application) -> None:
    user, tokens = await password_session(application)
    newest = (await application.enroll(user, totp_secret=OTHER_SECRET))["authentication_factor"]["id"]
    pending = (await application.enroll(user))["authentication_factor"]["id"]
    made = fields(await application.api.post(f"/authfactor/sessions/{sid(tokens)}/challenges"), 201)
    assert made["authentication_factor_id"] == newest
    path = f"/authfactor/sessions/{sid(tokens)}/challenges"
    body = fields(await application.api.post(path, json={"factor_id": pending}), 422)
    assert [item["code"] for item in body["errors"]] == ["factor_not_active"]
    stranger = (await application.enroll(await application.user(), totp_secret=SECRET))["factor"]["id"]
    for factor in (stranger, "auth_factor_unknown", "a\0b"):
        refused(await application.api.post(path, json={"factor_id": factor}), "entity_not_found", 404)
    bare = sid(await application.sign_in(await application.user()))
    refused(await application.api.post(f"/authfactor/sessions/{bare}/challenges"), "no_active_factor", 409)


async def test_removed_factor_shows_at_once(application: Application) -> None:
    user, tokens = await password_session(application)
    second = (await application.enroll(user, totp_secret=OTHER_SECRET))["factor"]["id"]
    opened = await challenge(application, sid(tokens), factor_id=second)
    await verify(application, await challenge(application, sid(tokens)), application.code(OTHER_SECRET))
    assert (await check(application, sid(tokens), acr=ACR[2]))["satisfied"]
    # Another factor is left: the proof stays.
    assert (await application.api.delete(f"/auth/factors/{second}")).status_code == 204
    assert (await check(application, sid(tokens), acr=ACR[2]))["satisfied"]
    refused(await verify(application, opened, application.code(OTHER_SECRET)), "entity_not_found", 404)
    opened = await challenge(application, sid(tokens))
    (left,) = fields(await application.api.get(f"/user_management/users/{user['id']}/auth_factors"), 200)[
        "data"
    ]
    assert (await application.api.delete(f"/auth/factors/{left['id']}")).status_code == 204
    body = await check(application, sid(tokens), acr=ACR[2])
    assert (body["reason"], body["amr"], body["mfa_at"]) == ("acr_too_low", ["pwd"], None)
    refused(await verify(application, opened), "entity_not_found", 404)
    new = claims(fields(await application.refresh(tokens["refresh_token"]), 200))
    assert (new["amr"], new["acr"], "mfa_at" in new) == (["pwd"], ACR[1], False)


async def recovery_codes(application: Application, user: Json) -> list[str]:
    made = await application.api.post(f"/authfactor/users/{user['id']}/recovery_codes")
    return list(fields(made, 201)["codes"])


async def test_recovery_code_raises_only_where_it_is_allowed(application: Application) -> None:
    user, tokens = await password_session(application)
    codes = await recovery_codes(application, user)
    opened = await challenge(application, sid(tokens), allow_recovery=False)
    answer = fields(await verify(application, opened, codes[0]), 201)
    assert (answer["valid"], answer["reason"]) == (False, "code_malformed")
    assert application.sql("SELECT count(*) FROM recovery_codes WHERE used_at IS NOT NULL") == [(0,)]
    opened = await challenge(application, sid(tokens), allow_recovery=True)
    answer = fields(await verify(application, opened, codes[0]), 201)
    assert (answer["valid"], answer["recovery_codes_remaining"]) == (True, 9)
    assert answer["session"]["id"] == sid(tokens)
    body = await check(application, sid(tokens), acr=ACR[2], methods=["recovery_code"], max_age=5)
    assert (body["satisfied"], body["amr"]) == (True, ["pwd", "recovery_code", "mfa"])
    assert (await verify(application, opened, codes[0])).json() == answer
    (raised,) = await application.events("authfactor.session_raised")
    assert raised["data"]["method"] == "recovery_code"
    (proven,) = await application.events("authentication.reauthentication_succeeded")
    assert proven["data"]["method"] == "recovery_code"
    await revoke(application, sid(tokens))
    refused(await verify(application, opened, codes[0]), "session_ended", 409)


async def test_recovery_code_of_a_session_that_ended_is_not_spent(application: Application) -> None:
    user, tokens = await password_session(application)
    codes = await recovery_codes(application, user)
    opened = await challenge(application, sid(tokens), allow_recovery=True)
    await revoke(application, sid(tokens))
    refused(await verify(application, opened, codes[0]), "session_ended", 409)
    assert application.sql("SELECT count(*) FROM recovery_codes WHERE used_at IS NOT NULL") == [(0,)]


async def test_challenge_of_a_session_completes_no_sign_in(application: Application) -> None:
    """Its code was asked for to confirm something else."""
    user, tokens = await proven_session(application)
    pending = await application.begin(user)
    opened = await challenge(application, sid(tokens))
    answer = await application.answer(pending, authentication_challenge_id=opened)
    refused(answer, "invalid_one_time_code")
    both = await application.password(user, code=application.code(), authentication_challenge_id=opened)
    refused(both, "invalid_credentials")
    assert (await application.answer(pending)).status_code == 200


async def test_raised_session_is_not_asked_again_by_a_stricter_policy(application: Application) -> None:
    _, tokens = await password_session(application)
    await verify(application, await challenge(application, sid(tokens)))
    await application.configure("required")
    assert (await application.refresh(tokens["refresh_token"])).status_code == 200


# --- passwords ---


async def test_right_password_moves_auth_time_alone(application: Application) -> None:
    user, tokens = await proven_session(application)
    application.clock.advance(HOUR)
    before = await check(application, sid(tokens))
    body = fields(
        await reauthenticate(application, sid(tokens), ip_address="192.0.2.1", user_agent="curl"), 200
    )
    assert (body["object"], body["satisfied"], body["age"]) == ("session_check", True, 0)
    assert (body["amr"], body["mfa_at"]) == (before["amr"], before["mfa_at"])
    assert body["auth_time"] > before["auth_time"]
    assert (await check(application, sid(tokens), max_age=1))["satisfied"]
    assert (await check(application, sid(tokens), max_age=60, acr=ACR[2]))["reason"] == "too_old"
    new = claims(fields(await application.refresh(tokens["refresh_token"]), 200))
    assert new["auth_time"] == application.clock.now // 1000
    (proven,) = await application.events("authentication.reauthentication_succeeded")
    assert (proven["data"]["ip_address"], proven["data"]["user_agent"]) == ("192.0.2.1", "curl")
    assert not await application.events("authfactor.session_raised")
    assert user["email"] == proven["data"]["email"]


async def test_wrong_password_gets_the_refusal_of_a_sign_in(application: Application) -> None:
    user, tokens = await password_session(application)
    before = row_of(application, sid(tokens))
    for password in ("wrong horse battery", "x"):
        answer = await reauthenticate(application, sid(tokens), password)
        assert answer.json() == (await application.password(user, password)).json()
        refused(answer, "invalid_credentials")
    assert row_of(application, sid(tokens)) == before
    assert (await event_names(application)).total() == 0
    assert len(await application.events("authentication.password_failed")) == 4
    missing = await application.api.post(f"/authfactor/sessions/{sid(tokens)}/reauthenticate", json={})
    assert [item["code"] for item in fields(missing, 422)["errors"]] == ["password_required"]


async def test_guesses_have_the_pace_of_sign_ins(application: Application) -> None:
    user, tokens = await password_session(application)
    limit = application.af.settings.passwords_per_account_and_address
    address = {"ip_address": "192.0.2.7"}
    for at in range(limit):
        if at % 2:
            answer = await reauthenticate(application, sid(tokens), "wrong horse battery", **address)
        else:
            answer = await application.password(user, "wrong horse battery", **address)
        refused(answer, "invalid_credentials")
    # A right one too: over the limit, the answer reveals nothing.
    for password in (PASSWORD, "wrong horse battery"):
        answer = await reauthenticate(application, sid(tokens), password, **address)
        refused(answer, "too_many_password_attempts")


async def test_concurrent_guesses_do_not_pass_the_limit(application: Application) -> None:
    _, tokens = await password_session(application)
    limit = application.af.settings.passwords_per_account_and_address
    answers = await asyncio.gather(
        *[
            reauthenticate(application, sid(tokens), "wrong horse battery", ip_address="192.0.2.7")
            for _ in range(RACERS)
        ]
    )
    codes = Counter(answer.json()["code"] for answer in answers)
    assert codes == {"invalid_credentials": limit, "too_many_password_attempts": RACERS - limit}


async def prepared(application: Application, session: str) -> Unit[CheckedSession]:
    """Check the right password, and return the unit that then decides."""
    af, environment = application.af, await application.environment()
    request = ReauthenticateSession(password=PASSWORD, ip_address="192.0.2.7")
    return await af.session_checks.prepare_reauthenticate(af.store, environment, session, request)


async def test_limit_that_others_use_up_meanwhile_refuses_a_right_password(
    application: Application,
) -> None:
    _, tokens = await password_session(application)
    before, unit = row_of(application, sid(tokens)), await prepared(application, sid(tokens))
    for _ in range(application.af.settings.passwords_per_account_and_address):
        await reauthenticate(application, sid(tokens), "wrong horse battery", ip_address="192.0.2.7")
    with pytest.raises(errors.SignInRefused) as refusal:
        await application.af.run(unit)
    assert refusal.value.code == "too_many_password_attempts"
    assert row_of(application, sid(tokens)) == before


@pytest.mark.parametrize("gone", ["session", "user"])
async def test_session_that_ends_while_its_password_is_checked(application: Application, gone: str) -> None:
    user, tokens = await password_session(application)
    unit = await prepared(application, sid(tokens))
    if gone == "session":
        await revoke(application, sid(tokens))
    else:
        await application.api.delete(f"/user_management/users/{user['id']}")
    with pytest.raises(errors.SessionEnded if gone == "session" else errors.NotFound):
        await application.af.run(unit)
    assert not (await event_names(application)).total()


async def test_session_without_its_user_is_not_found(application: Application) -> None:
    user, tokens = await password_session(application)
    application.sql("DELETE FROM users WHERE id = ?", user["id"])
    refused(await reauthenticate(application, sid(tokens)), "entity_not_found", 404)


async def test_password_is_added_to_the_methods_of_a_session_without_one(application: Application) -> None:
    """As a session that began with a passkey will be."""
    _, tokens = await password_session(application)
    application.sql("UPDATE sessions SET amr = 'pop user mfa', mfa_at = authenticated_at")
    assert (await check(application, sid(tokens), acr=ACR[3]))["satisfied"]
    body = fields(await reauthenticate(application, sid(tokens)), 200)
    assert (body["amr"], body["acr"]) == (["pop", "user", "mfa", "pwd"], ACR[3])


async def test_user_without_a_password_is_refused_like_a_wrong_one(application: Application) -> None:
    _, tokens = await password_session(application)
    application.sql("UPDATE users SET password_hash = NULL")
    refused(await reauthenticate(application, sid(tokens)), "invalid_credentials")


async def test_password_does_not_hide_a_session_from_a_stricter_policy(application: Application) -> None:
    """The factor was active when the session began, whenever the password was entered since."""
    _, tokens = await password_session(application)
    await application.configure("if_enrolled")
    application.clock.advance(HOUR)
    assert (await reauthenticate(application, sid(tokens))).status_code == 200
    assert fields(await application.refresh(tokens["refresh_token"]), 403)["code"] == "mfa_challenge"


async def test_password_does_not_end_a_session_that_enrolled_later(application: Application) -> None:
    await application.configure("off")
    user = await application.user()
    tokens = await application.sign_in(user)
    application.clock.advance(MINUTE)
    await application.enroll(user, totp_secret=SECRET)
    application.clock.advance(MINUTE)
    assert (await reauthenticate(application, sid(tokens))).status_code == 200
    await application.configure("if_enrolled")
    assert (await application.refresh(tokens["refresh_token"])).status_code == 200


async def test_hash_that_changes_during_the_check_is_checked_again(application: Application) -> None:
    user, tokens = await password_session(application)
    hashed = application.sql("SELECT password_hash FROM users WHERE id = ?", user["id"])[0][0]
    unit = await prepared(application, sid(tokens))
    application.sql("UPDATE users SET password_hash = 'other' WHERE id = ?", user["id"])
    with pytest.raises(PasswordHashChanged):
        await application.af.run(unit)
    application.sql("UPDATE users SET password_hash = ? WHERE id = ?", hashed, user["id"])
    assert (await application.af.run(unit)).reason is None
