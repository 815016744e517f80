"""Sessions from before the policy required a factor: a refresh asks for it, and the code replaces them."""

import asyncio

import pytest

from authfactor.models import MfaPolicy
from tests.support import response_assertions
from tests.support.application import (
    SECRET,
    Application,
    Json,
    Pending,
    claims,
    oauth_refused,
    refused,
)
from tests.support.server_process import fields

REVOKE = "/user_management/sessions/revoke"


async def single_factor_session(application: Application, *, enrolled: bool = True) -> tuple[Json, Json]:
    """Sign a user in while no factor is asked for; return the user and the tokens."""
    await application.configure("off")
    user = await (application.member() if enrolled else application.user())
    tokens = await application.sign_in(user)
    application.clock.advance(60)
    return user, tokens


async def stepped_up(application: Application, tokens: Json) -> Pending:
    """Refresh, and return the pending sign-in that the refusal has begun."""
    return Pending(fields(await application.refresh(tokens["refresh_token"]), 403), SECRET)


@pytest.mark.parametrize("policy", ["if_enrolled", "required"])
async def test_refresh_asks_an_enrolled_user_for_a_code(application: Application, policy: MfaPolicy) -> None:
    user, tokens = await single_factor_session(application)
    await application.configure(policy)
    body = fields(await application.refresh(tokens["refresh_token"]), 403)
    assert set(body) == {
        *("code", "message", "pending_authentication_token", "user"),
        *("authentication_factors", "authentication_challenge"),
    }
    assert body["code"] == "mfa_challenge"
    assert body["user"]["id"] == user["id"]
    (factor,) = body["authentication_factors"]
    response_assertions.assert_challenge(body["authentication_challenge"], factor["id"])
    new = fields(await application.answer(Pending(body, SECRET)), 200)
    assert claims(new)["amr"] == ["pwd", "otp", "mfa"]
    assert claims(new)["sid"] != claims(tokens)["sid"]
    assert (await application.refresh(new["refresh_token"])).status_code == 200


async def test_refresh_leads_a_user_without_a_factor_through_enrollment(application: Application) -> None:
    user, tokens = await single_factor_session(application, enrolled=False)
    await application.configure("required")
    body = fields(await application.refresh(tokens["refresh_token"]), 403)
    assert set(body) == {"code", "message", "pending_authentication_token", "user"}
    assert body["code"] == "mfa_enrollment"
    enrolled = await application.enroll(user)
    pending = Pending(
        {**body, "authentication_challenge": enrolled["authentication_challenge"]},
        enrolled["authentication_factor"]["totp"]["secret"],
    )
    assert claims(fields(await application.answer(pending), 200))["amr"] == ["pwd", "otp", "mfa"]


async def test_completed_code_replaces_the_session(application: Application) -> None:
    user, tokens = await single_factor_session(application)
    await application.configure("required")
    pending = await stepped_up(application, tokens)
    new = fields(await application.answer(pending), 200)
    assert [session["id"] for session in await application.sessions(user)] == [claims(new)["sid"]]
    (revoked,) = await application.events("session.revoked")
    assert revoked["data"]["id"] == claims(tokens)["sid"]
    oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant")


async def test_refusal_neither_ends_the_session_nor_spends_its_token(application: Application) -> None:
    user, tokens = await single_factor_session(application)
    await application.configure("required")
    for _ in range(3):
        fields(await application.refresh(tokens["refresh_token"]), 403)
    assert len(await application.sessions(user)) == 1
    await application.configure("off")
    assert (await application.refresh(tokens["refresh_token"])).status_code == 200


async def test_session_made_with_a_factor_goes_on(application: Application) -> None:
    tokens = await application.sign_in_twice_proven(await application.member())
    await application.configure("required")
    assert (await application.refresh(tokens["refresh_token"])).status_code == 200


async def test_session_goes_on_when_its_user_enrolls_during_it(application: Application) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    application.clock.advance(60)
    await application.enroll(user, totp_secret=SECRET)
    await application.configure("if_enrolled")  # no change, but the environment is newer than the session
    refreshed = await application.refresh(tokens["refresh_token"])
    assert claims(fields(refreshed, 200))["amr"] == ["pwd"]
    await application.configure("required")
    body = fields(await application.refresh(refreshed.json()["refresh_token"]), 403)
    assert body["code"] == "mfa_challenge"


async def test_session_whose_factors_were_reset_must_enroll_again(application: Application) -> None:
    await application.configure("required")
    user = await application.member()
    tokens = await application.sign_in_twice_proven(user)
    listed = await application.api.get(f"/user_management/users/{user['id']}/auth_factors")
    (factor,) = fields(listed, 200)["data"]
    assert (await application.api.delete(f"/auth/factors/{factor['id']}")).status_code == 204
    body = fields(await application.refresh(tokens["refresh_token"]), 403)
    assert body["code"] == "mfa_enrollment"


async def test_spent_refresh_token_begins_no_step_up(application: Application) -> None:
    user, tokens = await single_factor_session(application)
    fields(await application.refresh(tokens["refresh_token"]), 200)
    application.clock.advance(31)
    await application.configure("required")
    oauth_refused(await application.refresh(tokens["refresh_token"]), "invalid_grant")
    assert await application.sessions(user) == []
    assert application.sql("SELECT count(*) FROM pending_sign_ins") == [(0,)]


async def test_ended_session_cannot_be_replaced(application: Application) -> None:
    user, tokens = await single_factor_session(application)
    await application.configure("required")
    pending = await stepped_up(application, tokens)
    assert (await application.api.post(REVOKE, json={"session_id": claims(tokens)["sid"]})).status_code == 200
    refused(await application.answer(pending), "invalid_pending_authentication_token")
    assert await application.sessions(user) == []
    # The code was not spent: the user signs in with it.
    assert (await application.answer(await application.begin(user))).status_code == 200


async def test_password_change_invalidates_the_step_up_of_a_refresh(application: Application) -> None:
    user, tokens = await single_factor_session(application)
    await application.configure("required")
    pending = await stepped_up(application, tokens)
    path = f"/user_management/users/{user['id']}"
    assert (await application.api.put(path, json={"password": "eight green bottles"})).status_code == 200
    refused(await application.answer(pending), "invalid_pending_authentication_token")


async def test_one_of_many_step_ups_of_a_session_completes(application: Application) -> None:
    user, tokens = await single_factor_session(application)
    await application.configure("required")
    pending = await asyncio.gather(*(stepped_up(application, tokens) for _ in range(50)))
    codes = [application.code()] * len(pending)
    responses = await asyncio.gather(
        *(application.answer(each, code) for each, code in zip(pending, codes, strict=True))
    )
    assert sorted(response.status_code for response in responses) == [200, *[400] * 49]
    assert len(await application.sessions(user)) == 1
    assert len(await application.events("session.revoked")) == 1


async def test_wrong_code_leaves_the_session_as_it_was(application: Application) -> None:
    user, tokens = await single_factor_session(application)
    await application.configure("required")
    pending = await stepped_up(application, tokens)
    refused(await application.answer(pending, application.wrong()), "invalid_one_time_code")
    assert [session["id"] for session in await application.sessions(user)] == [claims(tokens)["sid"]]
    assert await application.events("session.revoked") == []


async def test_retried_refresh_returns_the_same_step_up(application: Application) -> None:
    _, tokens = await single_factor_session(application)
    await application.configure("required")
    key = {"idempotency-key": "refresh-once"}
    first = fields(await application.refresh(tokens["refresh_token"], headers=key), 403)
    assert fields(await application.refresh(tokens["refresh_token"], headers=key), 403) == first
    assert application.sql("SELECT count(*) FROM pending_sign_ins") == [(1,)]


async def test_public_client_is_asked_for_a_factor_too(application: Application) -> None:
    _, tokens = await single_factor_session(application)
    await application.configure("required")
    response = await application.refresh(tokens["refresh_token"], client_secret=None)
    assert fields(response, 403)["code"] == "mfa_challenge"
