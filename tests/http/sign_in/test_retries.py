"""An SDK that lost the answer sends the request again with the same `Idempotency-Key`."""

import asyncio

import pytest

from tests.support.application import Application, Pending, claims, refused
from tests.support.clock import DAY
from tests.support.server_process import fields

KEY = {"idempotency-key": "retry-1c9e3f0a-7d0b-4c0e-9f53-3f1d2b7c8a90"}
DERIVED = {"idempotency-key": "retry-" + "5" * 64}


async def test_the_password_is_answered_once(application: Application) -> None:
    user = await application.user()
    first = await application.password(user, headers=KEY)
    application.clock.advance(60)
    again = await application.password(user, headers=KEY)
    assert again.content == first.content
    assert again.status_code == 200
    assert await application.count_sessions() == 1
    assert len(await application.events("session.created")) == 1


async def test_the_step_up_is_answered_once(application: Application) -> None:
    user = await application.member()
    first = fields(await application.password(user, headers=KEY), 403)
    assert fields(await application.password(user, headers=KEY), 403) == first
    assert len(await application.events("authentication.password_succeeded")) == 1
    assert (await application.answer(Pending(first, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"))).status_code == 200


async def test_the_code_is_answered_once_and_the_same_tokens_come_again(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    code = application.code()
    first = fields(await application.answer(pending, code, headers=KEY), 200)
    application.clock.advance(3600)
    assert fields(await application.answer(pending, code, headers=KEY), 200) == first
    assert await application.count_sessions() == 1
    assert len(await application.events("authentication.mfa_succeeded")) == 1
    assert (await application.refresh(first["refresh_token"])).status_code == 200


async def test_twenty_identical_codes_at_once_get_the_same_tokens(application: Application) -> None:
    pending = await application.begin(await application.member())
    answers = await asyncio.gather(*(application.answer(pending, headers=KEY) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert await application.count_sessions() == 1


async def test_a_refused_code_is_counted_once(application: Application) -> None:
    pending = await application.begin(await application.member())
    for _ in range(12):
        refused(await application.answer(pending, application.wrong(), headers=KEY), "invalid_one_time_code")
    assert len(await application.events("authentication.mfa_failed")) == 1
    assert (await application.answer(pending)).status_code == 200


async def test_a_refresh_is_answered_once(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    first = await application.refresh(tokens["refresh_token"], headers=KEY)
    application.clock.advance(3600)
    again = await application.refresh(tokens["refresh_token"], headers=KEY)
    assert fields(again, 200) == fields(first, 200)
    assert await application.events("session.revoked") == []


async def test_the_same_key_with_another_body_is_refused(application: Application) -> None:
    pending = await application.begin(await application.member())
    refused(await application.answer(pending, application.wrong(), headers=KEY), "invalid_one_time_code")
    refused(await application.answer(pending, headers=KEY), "idempotency_key_reused", 422)
    assert (await application.answer(pending)).status_code == 200


async def test_keys_end_after_a_day(application: Application) -> None:
    user = await application.user()
    first = await application.sign_in(user, headers=KEY)
    application.clock.advance(DAY)
    assert claims(await application.sign_in(user, headers=KEY))["sid"] != claims(first)["sid"]


async def test_keys_derived_from_the_request_end_after_ten_seconds(application: Application) -> None:
    user = await application.user()
    first = await application.sign_in(user, headers=DERIVED)
    application.clock.advance(9)
    assert await application.sign_in(user, headers=DERIVED) == first
    application.clock.advance(2)
    assert claims(await application.sign_in(user, headers=DERIVED))["sid"] != claims(first)["sid"]


@pytest.mark.parametrize("change", [{"client_secret": "sk_wrong"}, {"client_id": "client_wrong"}])
async def test_a_kept_answer_is_not_given_to_a_wrong_client(
    application: Application, change: dict[str, str]
) -> None:
    pending = await application.begin(await application.member())
    assert (await application.answer(pending, headers=KEY)).status_code == 200
    answer = await application.answer(pending, headers=KEY, **change)
    assert fields(answer, 400)["error"] == "invalid_client"


async def test_kept_tokens_are_sealed(application: Application) -> None:
    pending = await application.begin(await application.member())
    tokens = fields(await application.answer(pending, headers=KEY), 200)
    stored = application.files()
    assert tokens["refresh_token"].encode() not in stored
    assert tokens["access_token"].encode() not in stored
