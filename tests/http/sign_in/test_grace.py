"""Grace: a deadline, written once, until which a user without a factor may sign in under `required`."""

import asyncio
from typing import Any

import httpx
import pytest

from authfactor.wire import timestamps
from tests.support.application import SECRET, Application, Json, Pending, refused
from tests.support.authenticator import PERIOD
from tests.support.clock import DAY
from tests.support.server_process import fields

POLICY = "/authfactor/mfa_policy"
RACERS = 50
GRACE = {"policy": "required", "grace_days": 14}


async def put(application: Application, **document: Any) -> Json:  # noqa: ANN401 - any member
    """Set the environment's policy, and wait until sign-ins know it."""
    stored = fields(await application.api.put(POLICY, json=document), 200)
    application.clock.advance(1)
    return stored


async def decide(application: Application, user: Json, **decision: Any) -> Json:  # noqa: ANN401 - any member
    path = f"/authfactor/users/{user['id']}/mfa_policy"
    stored = fields(await application.api.put(path, json=decision), 200)
    application.clock.advance(1)
    return stored


def later(application: Application, days: float) -> str:
    """Return the time in so many days, as JSON has it."""
    return timestamps.format_ms(application.clock.now + round(days * DAY * 1000))


def deadline(response: httpx.Response) -> str:
    """Return the deadline of a sign-in in grace."""
    mfa = fields(response, 200)["mfa"]
    assert mfa["required"] is True
    return str(mfa["deadline"])


def must_enroll(response: httpx.Response) -> Json:
    body = fields(response, 403)
    assert body["code"] == "mfa_enrollment"
    return body


async def delete_factors(application: Application, user: Json) -> None:
    listed = await application.api.get(f"/authfactor/users/{user['id']}/factors")
    for factor in fields(listed, 200)["data"]:
        assert (await application.api.delete(f"/auth/factors/{factor['id']}")).status_code == 204


async def test_deadline_is_written_at_the_first_sign_in_and_ends_with_an_enrollment(
    application: Application,
) -> None:
    user = await application.user()
    await put(application, **GRACE)
    first = deadline(await application.password(user))
    assert first == later(application, 14)
    application.clock.advance(13 * DAY)
    assert deadline(await application.password(user)) == first
    application.clock.advance(DAY)
    body = must_enroll(await application.password(user))
    assert set(body) == {"code", "message", "pending_authentication_token", "user"}
    (started,) = await application.events("authfactor.grace_started")
    assert started["data"] == {"user_id": user["id"], "deadline": first}
    must_enroll(await application.password(user))
    (ended,) = await application.events("authfactor.grace_ended")
    assert ended["data"] == {"user_id": user["id"], "reason": "deadline_passed"}
    enrolled = await application.enroll(user)
    secret = enrolled["authentication_factor"]["totp"]["secret"]
    challenge = {"authentication_challenge": enrolled["authentication_challenge"]}
    assert "mfa" not in fields(await application.answer(Pending({**body, **challenge}, secret)), 200)


async def test_fifty_first_sign_ins_write_one_deadline(application: Application) -> None:
    user = await application.user()
    await put(application, **GRACE)
    responses = await asyncio.gather(*(application.password(user) for _ in range(RACERS)))
    assert len({deadline(response) for response in responses}) == 1
    assert len(await application.events("authfactor.grace_started")) == 1


async def test_fifty_first_refreshes_write_one_deadline(application: Application) -> None:
    user = await application.user()
    tokens = [await application.sign_in(user) for _ in range(10)]
    await put(application, **GRACE)
    application.clock.advance(60)
    responses = await asyncio.gather(
        *(application.refresh(each["refresh_token"]) for each in tokens * (RACERS // 10))
    )
    assert {response.status_code for response in responses} == {200}
    assert (
        len({response.json()["mfa"]["deadline"] for response in responses if "mfa" in response.json()}) == 1
    )
    assert len(await application.events("authfactor.grace_started")) == 1


async def test_refresh_obeys_the_deadline(application: Application) -> None:
    user = await application.user()
    await put(application, **GRACE)
    response = await application.password(user)
    end = deadline(response)
    application.clock.advance(DAY)
    response = await application.refresh(response.json()["refresh_token"])
    assert deadline(response) == end
    application.clock.advance(13 * DAY)
    must_enroll(await application.refresh(response.json()["refresh_token"]))


async def test_code_with_the_password_gives_no_session_in_grace(application: Application) -> None:
    user = await application.user()
    await put(application, **GRACE)
    assert deadline(await application.password(user))
    refused(await application.password(user, code="000000"), "invalid_credentials")


@pytest.mark.parametrize("active_by", ["import", "code"])
async def test_grace_is_over_for_good_once_a_factor_was_active(
    application: Application, active_by: str
) -> None:
    user = await application.user()
    await put(application, **GRACE)
    assert deadline(await application.password(user))
    if active_by == "import":
        await application.enroll(user, totp_secret=SECRET)
    else:
        made = await application.enroll(user)
        code = application.code(made["authentication_factor"]["totp"]["secret"])
        path = f"/auth/challenges/{made['authentication_challenge']['id']}/verify"
        assert fields(await application.api.post(path, json={"code": code}), 201)["valid"]
    (ended,) = await application.events("authfactor.grace_ended")
    assert ended["data"] == {"user_id": user["id"], "reason": "enrolled"}
    await delete_factors(application, user)
    must_enroll(await application.password(user))
    assert len(await application.events("authfactor.grace_ended")) == 1


async def test_factor_held_before_the_policy_leaves_no_grace(application: Application) -> None:
    user = await application.member()
    await delete_factors(application, user)
    await put(application, **GRACE)
    must_enroll(await application.password(user))
    assert await application.events("authfactor.grace_started") == []


async def test_deleted_pending_factor_leaves_grace_as_it_is(application: Application) -> None:
    user = await application.user()
    await put(application, **GRACE)
    end = deadline(await application.password(user))
    await application.enroll(user)
    await delete_factors(application, user)
    assert deadline(await application.password(user)) == end


async def test_reset_of_factors_gives_no_new_grace(application: Application) -> None:
    user = await application.member()
    environment = await application.environment()
    await application.af.run(application.af.factors.reset(environment, user["id"]))
    await put(application, **GRACE)
    must_enroll(await application.password(user))


async def test_new_email_and_metadata_do_not_move_the_deadline(application: Application) -> None:
    user = await application.user()
    rule = {"match": {"metadata": {"team": "slow"}}, "policy": "required", "grace_days": 90}
    await put(application, **GRACE, rules=[rule])
    end = deadline(await application.password(user))
    application.clock.advance(14 * DAY - 10)
    path = f"/user_management/users/{user['id']}"
    user = fields(await application.api.put(path, json={"email": "new@example.org"}), 200)
    fields(await application.api.put(path, json={"metadata": {"team": "slow"}}), 200)
    assert deadline(await application.password(user)) == end
    application.clock.advance(10)
    must_enroll(await application.password(user))
    fields(await application.api.put(path, json={"metadata": {"team": "other"}}), 200)
    must_enroll(await application.password(user))


async def test_user_who_comes_under_a_rule_without_grace_must_enroll_at_once(
    application: Application,
) -> None:
    user = await application.user()
    rule = {"match": {"metadata": {"role": "admin"}}, "policy": "required"}
    await put(application, **GRACE, rules=[rule])
    assert deadline(await application.password(user))
    path = f"/user_management/users/{user['id']}"
    fields(await application.api.put(path, json={"metadata": {"role": "admin"}}), 200)
    must_enroll(await application.password(user))


async def test_clock_set_back_does_not_bring_grace_back(application: Application) -> None:
    user = await application.user()
    await put(application, **GRACE)
    application.clock.advance(60)
    deadline(await application.password(user))
    application.clock.advance(14 * DAY - 60)
    response = await application.password(user)
    deadline(response)
    application.clock.advance(60)
    must_enroll(await application.refresh(response.json()["refresh_token"]))
    application.clock.advance(-10 * DAY)
    must_enroll(await application.refresh(response.json()["refresh_token"]))


async def test_clock_set_back_is_compared_with_the_last_sign_in(application: Application) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    expected = later(application, 14)
    application.clock.advance(-5 * DAY)
    await put(application, **GRACE)
    assert deadline(await application.refresh(tokens["refresh_token"])) == expected


async def test_before_its_day_required_acts_as_if_enrolled(application: Application) -> None:
    user, member = await application.user(), await application.member()
    await put(application, **GRACE, required_from=later(application, 3))
    assert "mfa" not in fields(await application.password(user), 200)
    assert fields(await application.password(member), 403)["code"] == "mfa_challenge"
    assert await application.events("authfactor.grace_started") == []
    application.clock.advance(3 * DAY)
    assert deadline(await application.password(user)) == later(application, 14)


async def test_refresh_obeys_the_day_from_which_a_factor_is_required(application: Application) -> None:
    user = await application.user()
    await put(application, policy="required", required_from=later(application, 3))
    application.clock.advance(60)
    tokens = fields(await application.password(user), 200)
    tokens = fields(await application.refresh(tokens["refresh_token"]), 200)
    application.clock.advance(3 * DAY)
    must_enroll(await application.refresh(tokens["refresh_token"]))


async def test_operator_gives_a_new_deadline_with_a_reason(application: Application) -> None:
    user = await application.member()
    await delete_factors(application, user)
    await put(application, policy="required")
    must_enroll(await application.password(user))
    path = f"/authfactor/users/{user['id']}/mfa_policy"
    until = later(application, 7)
    without = await application.api.put(path, json={"policy": "default", "grace_until": until})
    assert fields(without, 422)["errors"][0]["field"] == "reason"
    stored = await decide(application, user, policy="default", grace_until=until, reason="lost phone")
    assert (stored["grace"], stored["outcome"]) == ("running", "in_grace")
    assert deadline(await application.password(user)) == stored["grace_until"]
    # Another document does not make the server forget that there are deadlines of operators.
    await put(application, policy="required")
    application.clock.advance(2)
    await application.enroll(user, totp_secret=SECRET[::-1])
    (ended,) = await application.events("authfactor.grace_ended")
    assert ended["data"]["reason"] == "enrolled"
    application.clock.advance(PERIOD)
    await delete_factors(application, user)
    must_enroll(await application.password(user))


async def test_deleted_user_leaves_nothing_for_the_next_one(application: Application) -> None:
    user = await application.user()
    await put(application, **GRACE)
    deadline(await application.password(user))
    assert (await application.api.delete(f"/user_management/users/{user['id']}")).status_code == 200
    assert application.sql("SELECT count(*) FROM user_mfa_policies") == [(0,)]
