"""When a sign-in asks for a code: the environment's policy, and which factors count."""

import pytest

from authfactor.models import MfaPolicy
from tests.support import response_assertions
from tests.support.application import SECRET, Application, Json, Pending, claims, refused
from tests.support.server_process import fields


async def test_without_a_factor_the_password_is_enough_unless_a_code_is_required(desk: Application) -> None:
    user = await desk.user()
    policies: list[tuple[MfaPolicy, int]] = [("off", 200), ("if_enrolled", 200), ("required", 403)]
    for policy, status in policies:
        await desk.configure(policy)
        assert (await desk.password(user)).status_code == status, policy


@pytest.mark.parametrize(("policy", "status"), [("off", 200), ("if_enrolled", 403), ("required", 403)])
async def test_with_a_factor_a_code_is_asked_for_unless_the_policy_is_off(
    desk: Application, policy: MfaPolicy, status: int
) -> None:
    await desk.configure(policy)
    answer = await desk.password(await desk.member())
    assert answer.status_code == status
    if status == 200:
        assert claims(answer.json())["amr"] == ["pwd"]


async def test_the_challenge_answer_holds_every_documented_field(desk: Application) -> None:
    user = await desk.member()
    newer = (await desk.enroll(user, totp_secret=SECRET[::-1]))["factor"]["id"]
    await desk.enroll(user)  # pending: does not count
    body = fields(await desk.password(user), 403)
    assert set(body) == {
        *("code", "message", "pending_authentication_token", "user"),
        *("authentication_factors", "authentication_challenge"),
    }
    assert body["code"] == "mfa_challenge"
    assert body["message"] == "The user must complete an MFA challenge to finish authenticating."
    assert len(body["pending_authentication_token"]) == 43
    response_assertions.assert_user(body["user"])
    assert body["user"] == user
    assert [set(factor) for factor in body["authentication_factors"]] == [{"id", "type"}] * 2
    assert body["authentication_factors"][0] == {"id": newer, "type": "totp"}
    response_assertions.assert_challenge(body["authentication_challenge"], newer)


async def test_any_active_factor_answers_when_challenged(desk: Application) -> None:
    user = await desk.member()
    await desk.enroll(user, totp_secret=SECRET[::-1])
    pending = await desk.begin(user)
    older = pending.body["authentication_factors"][-1]["id"]
    challenge = fields(await desk.api.post(f"/auth/factors/{older}/challenge"), 201)
    answer = await desk.answer(pending, authentication_challenge_id=challenge["id"])
    assert claims(fields(answer, 200))["amr"] == ["pwd", "otp", "mfa"]


async def test_a_required_code_leads_through_enrolment_to_a_session(desk: Application) -> None:
    await desk.configure("required")
    user = await desk.user()
    body = fields(await desk.password(user), 403)
    assert set(body) == {"code", "message", "pending_authentication_token", "user"}
    assert body["code"] == "mfa_enrollment"
    assert body["message"] == "The user must enroll in MFA to finish authenticating."
    assert body["user"] == user
    enrolled = await desk.enroll(user)
    secret = enrolled["authentication_factor"]["totp"]["secret"]
    pending = Pending({**body, "authentication_challenge": enrolled["authentication_challenge"]}, secret)
    tokens = fields(await desk.answer(pending), 200)
    assert claims(tokens)["amr"] == ["pwd", "otp", "mfa"]
    # The code has made the factor active: from now on it is asked for.
    desk.clock.advance(30)
    again = await desk.begin(user, secret)
    assert again.body["code"] == "mfa_challenge"
    assert fields(await desk.answer(again), 200)["user"]["id"] == user["id"]
    assert [event["data"]["factor_id"] for event in await desk.events("authfactor.factor_activated")] == [
        enrolled["authentication_factor"]["id"]
    ]


async def test_a_pending_factor_is_not_asked_for(desk: Application) -> None:
    user = await desk.user()
    await desk.enroll(user)
    assert claims(await desk.sign_in(user))["amr"] == ["pwd"]


async def test_a_factor_of_ones_own_does_not_replace_an_active_one(desk: Application) -> None:
    user = await desk.member()
    pending = await desk.begin(user)
    mine: Json = await desk.enroll(user)
    secret = mine["factor"]["totp"]["secret"]
    answer = await desk.answer(
        pending, desk.code(secret), authentication_challenge_id=mine["challenge"]["id"]
    )
    refused(answer, "invalid_one_time_code")
    assert await desk.count_sessions() == 0
    assert await desk.events("authfactor.factor_activated") == []
    assert (await desk.answer(pending)).status_code == 200


async def test_an_enrolment_begun_before_another_factor_became_active_is_too_late(desk: Application) -> None:
    await desk.configure("required")
    user = await desk.user()
    body = fields(await desk.password(user), 403)
    mine = await desk.enroll(user)
    await desk.enroll(user, totp_secret=SECRET)
    pending = Pending(
        {**body, "authentication_challenge": mine["challenge"]}, mine["factor"]["totp"]["secret"]
    )
    refused(await desk.answer(pending), "invalid_one_time_code")


async def test_a_policy_changed_in_between_lets_the_second_step_finish(desk: Application) -> None:
    pending = await desk.begin(await desk.member())
    await desk.configure("off")
    assert (await desk.answer(pending)).status_code == 200
