"""Sign-in requests that an SDK retries with the same `Idempotency-Key` after losing the response."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.application import Application, Json, Pending, claims, oauth_refused, refused
from tests.support.clock import DAY
from tests.support.server_process import fields

KEY = {"idempotency-key": "retry-1c9e3f0a-7d0b-4c0e-9f53-3f1d2b7c8a90"}
End = Callable[[Application, Json], Awaitable[None]]
DERIVED = {"idempotency-key": "retry-" + "5" * 64}


async def test_retried_password_returns_the_same_session(application: Application) -> None:
    user = await application.user()
    first = await application.password(user, headers=KEY)
    application.clock.advance(60)
    retried = await application.password(user, headers=KEY)
    assert retried.content == first.content
    assert retried.status_code == 200
    assert await application.count_sessions() == 1
    assert len(await application.events("session.created")) == 1


async def test_retried_password_returns_the_same_mfa_challenge(application: Application) -> None:
    user = await application.member()
    first = fields(await application.password(user, headers=KEY), 403)
    assert fields(await application.password(user, headers=KEY), 403) == first
    assert len(await application.events("authentication.password_succeeded")) == 1
    assert (await application.answer(Pending(first, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"))).status_code == 200


async def test_retried_code_returns_the_same_tokens(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    code = application.code()
    first = fields(await application.answer(pending, code, headers=KEY), 200)
    application.clock.advance(3600)
    assert fields(await application.answer(pending, code, headers=KEY), 200) == first
    assert await application.count_sessions() == 1
    assert len(await application.events("authentication.mfa_succeeded")) == 1
    assert (await application.refresh(first["refresh_token"])).status_code == 200


async def test_concurrent_retries_of_a_code_return_the_same_tokens(application: Application) -> None:
    pending = await application.begin(await application.member())
    responses = await asyncio.gather(*(application.answer(pending, headers=KEY) for _ in range(20)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    assert await application.count_sessions() == 1


async def test_retried_wrong_sign_in_code_is_counted_once(application: Application) -> None:
    pending = await application.begin(await application.member())
    for _ in range(12):
        refused(await application.answer(pending, application.wrong(), headers=KEY), "invalid_one_time_code")
    assert len(await application.events("authentication.mfa_failed")) == 1
    assert (await application.answer(pending)).status_code == 200


async def test_retried_refresh_returns_the_same_tokens(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    first = await application.refresh(tokens["refresh_token"], headers=KEY)
    application.clock.advance(3600)
    retried = await application.refresh(tokens["refresh_token"], headers=KEY)
    assert fields(retried, 200) == fields(first, 200)
    assert await application.events("session.revoked") == []


async def test_reused_key_with_another_code_is_refused(application: Application) -> None:
    pending = await application.begin(await application.member())
    refused(await application.answer(pending, application.wrong(), headers=KEY), "invalid_one_time_code")
    refused(await application.answer(pending, headers=KEY), "idempotency_key_reused", 422)
    assert (await application.answer(pending)).status_code == 200


async def test_idempotency_keys_expire_after_a_day(application: Application) -> None:
    user = await application.user()
    first = await application.sign_in(user, headers=KEY)
    application.clock.advance(DAY)
    assert claims(await application.sign_in(user, headers=KEY))["sid"] != claims(first)["sid"]


async def test_request_derived_keys_expire_after_ten_seconds(application: Application) -> None:
    user = await application.user()
    first = await application.sign_in(user, headers=DERIVED)
    application.clock.advance(9)
    assert await application.sign_in(user, headers=DERIVED) == first
    application.clock.advance(2)
    assert claims(await application.sign_in(user, headers=DERIVED))["sid"] != claims(first)["sid"]


@pytest.mark.parametrize("change", [{"client_secret": "sk_wrong"}, {"client_id": "client_wrong"}])
async def test_stored_response_is_not_returned_to_a_wrong_client(
    application: Application, change: dict[str, str]
) -> None:
    pending = await application.begin(await application.member())
    assert (await application.answer(pending, headers=KEY)).status_code == 200
    response = await application.answer(pending, headers=KEY, **change)
    assert fields(response, 400)["error"] == "invalid_client"


async def revoke(application: Application, tokens: Json) -> None:
    path = "/user_management/sessions/revoke"
    session_id = claims(tokens)["sid"]
    assert (await application.api.post(path, json={"session_id": session_id})).status_code == 200


async def delete(application: Application, tokens: Json) -> None:
    path = f"/user_management/users/{tokens['user']['id']}"
    assert (await application.api.delete(path)).status_code == 200


async def change_password(application: Application, tokens: Json) -> None:
    path = f"/user_management/users/{tokens['user']['id']}"
    assert (await application.api.put(path, json={"password": "eight green bottles"})).status_code == 200


async def expire(application: Application, tokens: Json) -> None:
    application.sql("UPDATE sessions SET expires_at = 1 WHERE id = ?", claims(tokens)["sid"])


ENDS = [revoke, delete, change_password, expire]


@pytest.mark.parametrize("end", ENDS)
async def test_stored_password_sign_in_dies_with_its_session(application: Application, end: End) -> None:
    user = await application.user()
    tokens = await application.sign_in(user, headers=KEY)
    assert await application.sign_in(user, headers=KEY) == tokens
    await end(application, tokens)
    response = await application.password(user, headers=KEY)
    assert oauth_refused(response, "invalid_grant").startswith("This sign-in has ended.")
    # The key is not free for another sign-in either.
    oauth_refused(await application.password(user, headers=KEY), "invalid_grant")


@pytest.mark.parametrize("end", ENDS)
async def test_stored_code_sign_in_dies_with_its_session(application: Application, end: End) -> None:
    pending = await application.begin(await application.member())
    code = application.code()
    tokens = fields(await application.answer(pending, code, headers=KEY), 200)
    await end(application, tokens)
    oauth_refused(await application.answer(pending, code, headers=KEY), "invalid_grant")


@pytest.mark.parametrize("end", ENDS)
async def test_stored_refresh_dies_with_its_session(application: Application, end: End) -> None:
    tokens = await application.sign_in(await application.user())
    assert (await application.refresh(tokens["refresh_token"], headers=KEY)).status_code == 200
    await end(application, tokens)
    oauth_refused(await application.refresh(tokens["refresh_token"], headers=KEY), "invalid_grant")


async def test_stored_mfa_challenge_dies_with_its_user(application: Application) -> None:
    user = await application.member()
    body = fields(await application.password(user, headers=KEY), 403)
    await delete(application, body)
    oauth_refused(await application.password(user, headers=KEY), "invalid_grant")


async def test_stored_refusal_is_returned_after_its_user_is_deleted(application: Application) -> None:
    user = await application.user()
    first = await application.password(user, "wrong green bottles", headers=KEY)
    await delete(application, {"user": user})
    retried = await application.password(user, "wrong green bottles", headers=KEY)
    assert retried.content == first.content
    refused(retried, "invalid_credentials")


async def test_stored_response_of_another_endpoint_is_returned_after_a_revocation(
    application: Application,
) -> None:
    tokens = await application.sign_in(await application.user())
    path, body = "/user_management/sessions/revoke", {"session_id": claims(tokens)["sid"]}
    for _ in range(2):
        assert (await application.api.post(path, json=body, headers=KEY)).status_code == 200


async def test_tokens_of_stored_responses_are_sealed(application: Application) -> None:
    pending = await application.begin(await application.member())
    tokens = fields(await application.answer(pending, headers=KEY), 200)
    stored = application.files()
    assert tokens["refresh_token"].encode() not in stored
    assert tokens["access_token"].encode() not in stored
