"""When a sign-in requires a code: the environment's policy, and which factors count."""

import pytest

from authfactor.models import MfaPolicy
from tests.support import response_assertions
from tests.support.application import SECRET, Application, Json, Pending, claims, refused
from tests.support.server_process import fields


async def test_password_suffices_without_a_factor_unless_mfa_is_required(
    application: Application,
) -> None:
    user = await application.user()
    policies: list[tuple[MfaPolicy, int]] = [("off", 200), ("if_enrolled", 200), ("required", 403)]
    for policy, status in policies:
        await application.configure(policy)
        assert (await application.password(user)).status_code == status, policy


@pytest.mark.parametrize(("policy", "status"), [("off", 200), ("if_enrolled", 403), ("required", 403)])
async def test_active_factor_requires_a_code_unless_the_policy_is_off(
    application: Application, policy: MfaPolicy, status: int
) -> None:
    await application.configure(policy)
    response = await application.password(await application.member())
    assert response.status_code == status
    if status == 200:
        assert claims(response.json())["amr"] == ["pwd"]


async def test_mfa_challenge_response_has_every_documented_field(application: Application) -> None:
    user = await application.member()
    newer = (await application.enroll(user, totp_secret=SECRET[::-1]))["factor"]["id"]
    await application.enroll(user)  # pending, so it does not count
    body = fields(await application.password(user), 403)
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


async def test_any_active_factor_can_complete_the_sign_in(application: Application) -> None:
    user = await application.member()
    await application.enroll(user, totp_secret=SECRET[::-1])
    pending = await application.begin(user)
    older = pending.body["authentication_factors"][-1]["id"]
    challenge = fields(await application.api.post(f"/auth/factors/{older}/challenge"), 201)
    response = await application.answer(pending, authentication_challenge_id=challenge["id"])
    assert claims(fields(response, 200))["amr"] == ["pwd", "otp", "mfa"]


async def test_required_mfa_leads_through_enrollment_to_a_session(application: Application) -> None:
    await application.configure("required")
    user = await application.user()
    body = fields(await application.password(user), 403)
    assert set(body) == {"code", "message", "pending_authentication_token", "user"}
    assert body["code"] == "mfa_enrollment"
    assert body["message"] == "The user must enroll in MFA to finish authenticating."
    assert body["user"] == user
    enrolled = await application.enroll(user)
    secret = enrolled["authentication_factor"]["totp"]["secret"]
    pending = Pending({**body, "authentication_challenge": enrolled["authentication_challenge"]}, secret)
    tokens = fields(await application.answer(pending), 200)
    assert claims(tokens)["amr"] == ["pwd", "otp", "mfa"]
    # The code activated the factor: from now on sign-ins require a code.
    application.clock.advance(30)
    second_sign_in = await application.begin(user, secret)
    assert second_sign_in.body["code"] == "mfa_challenge"
    assert fields(await application.answer(second_sign_in), 200)["user"]["id"] == user["id"]
    assert [
        event["data"]["factor_id"] for event in await application.events("authfactor.factor_activated")
    ] == [enrolled["authentication_factor"]["id"]]


async def test_pending_factor_does_not_require_a_code(application: Application) -> None:
    user = await application.user()
    await application.enroll(user)
    assert claims(await application.sign_in(user))["amr"] == ["pwd"]


async def test_newly_enrolled_factor_cannot_replace_an_active_one(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    attacker_enrollment: Json = await application.enroll(user)
    secret = attacker_enrollment["factor"]["totp"]["secret"]
    response = await application.answer(
        pending, application.code(secret), authentication_challenge_id=attacker_enrollment["challenge"]["id"]
    )
    refused(response, "invalid_one_time_code")
    assert await application.count_sessions() == 0
    assert await application.events("authfactor.factor_activated") == []
    assert (await application.answer(pending)).status_code == 200


async def test_pending_enrollment_is_refused_once_another_factor_is_active(
    application: Application,
) -> None:
    await application.configure("required")
    user = await application.user()
    body = fields(await application.password(user), 403)
    enrolled = await application.enroll(user)
    await application.enroll(user, totp_secret=SECRET)
    pending = Pending(
        {**body, "authentication_challenge": enrolled["challenge"]}, enrolled["factor"]["totp"]["secret"]
    )
    refused(await application.answer(pending), "invalid_one_time_code")


async def test_policy_change_does_not_abort_a_pending_sign_in(application: Application) -> None:
    pending = await application.begin(await application.member())
    await application.configure("off")
    assert (await application.answer(pending)).status_code == 200
