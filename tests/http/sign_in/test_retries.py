"""Sign-in requests that an SDK retries with the same `Idempotency-Key` after losing the response."""

import asyncio

import pytest

from tests.support.application import Application, Pending, claims, refused
from tests.support.clock import DAY
from tests.support.server_process import fields

KEY = {"idempotency-key": "retry-1c9e3f0a-7d0b-4c0e-9f53-3f1d2b7c8a90"}
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


async def test_tokens_of_stored_responses_are_sealed(application: Application) -> None:
    pending = await application.begin(await application.member())
    tokens = fields(await application.answer(pending, headers=KEY), 200)
    stored = application.files()
    assert tokens["refresh_token"].encode() not in stored
    assert tokens["access_token"].encode() not in stored
