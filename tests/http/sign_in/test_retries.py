"""An SDK that lost the answer sends the request again with the same `Idempotency-Key`."""

import asyncio

import pytest

from tests.support.application import Application, Pending, claims, refused
from tests.support.clock import DAY
from tests.support.server_process import fields

KEY = {"idempotency-key": "retry-1c9e3f0a-7d0b-4c0e-9f53-3f1d2b7c8a90"}
DERIVED = {"idempotency-key": "retry-" + "5" * 64}


async def test_the_password_is_answered_once(desk: Application) -> None:
    user = await desk.user()
    first = await desk.password(user, headers=KEY)
    desk.clock.advance(60)
    again = await desk.password(user, headers=KEY)
    assert again.content == first.content
    assert again.status_code == 200
    assert await desk.count_sessions() == 1
    assert len(await desk.events("session.created")) == 1


async def test_the_step_up_is_answered_once(desk: Application) -> None:
    user = await desk.member()
    first = fields(await desk.password(user, headers=KEY), 403)
    assert fields(await desk.password(user, headers=KEY), 403) == first
    assert len(await desk.events("authentication.password_succeeded")) == 1
    assert (await desk.answer(Pending(first, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"))).status_code == 200


async def test_the_code_is_answered_once_and_the_same_tokens_come_again(desk: Application) -> None:
    user = await desk.member()
    pending = await desk.begin(user)
    code = desk.code()
    first = fields(await desk.answer(pending, code, headers=KEY), 200)
    desk.clock.advance(3600)
    assert fields(await desk.answer(pending, code, headers=KEY), 200) == first
    assert await desk.count_sessions() == 1
    assert len(await desk.events("authentication.mfa_succeeded")) == 1
    assert (await desk.refresh(first["refresh_token"])).status_code == 200


async def test_twenty_identical_codes_at_once_get_the_same_tokens(desk: Application) -> None:
    pending = await desk.begin(await desk.member())
    answers = await asyncio.gather(*(desk.answer(pending, headers=KEY) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert await desk.count_sessions() == 1


async def test_a_refused_code_is_counted_once(desk: Application) -> None:
    pending = await desk.begin(await desk.member())
    for _ in range(12):
        refused(await desk.answer(pending, desk.wrong(), headers=KEY), "invalid_one_time_code")
    assert len(await desk.events("authentication.mfa_failed")) == 1
    assert (await desk.answer(pending)).status_code == 200


async def test_a_refresh_is_answered_once(desk: Application) -> None:
    tokens = await desk.sign_in(await desk.user())
    first = await desk.refresh(tokens["refresh_token"], headers=KEY)
    desk.clock.advance(3600)
    again = await desk.refresh(tokens["refresh_token"], headers=KEY)
    assert fields(again, 200) == fields(first, 200)
    assert await desk.events("session.revoked") == []


async def test_the_same_key_with_another_body_is_refused(desk: Application) -> None:
    pending = await desk.begin(await desk.member())
    refused(await desk.answer(pending, desk.wrong(), headers=KEY), "invalid_one_time_code")
    refused(await desk.answer(pending, headers=KEY), "idempotency_key_reused", 422)
    assert (await desk.answer(pending)).status_code == 200


async def test_keys_end_after_a_day(desk: Application) -> None:
    user = await desk.user()
    first = await desk.sign_in(user, headers=KEY)
    desk.clock.advance(DAY)
    assert claims(await desk.sign_in(user, headers=KEY))["sid"] != claims(first)["sid"]


async def test_keys_derived_from_the_request_end_after_ten_seconds(desk: Application) -> None:
    user = await desk.user()
    first = await desk.sign_in(user, headers=DERIVED)
    desk.clock.advance(9)
    assert await desk.sign_in(user, headers=DERIVED) == first
    desk.clock.advance(2)
    assert claims(await desk.sign_in(user, headers=DERIVED))["sid"] != claims(first)["sid"]


@pytest.mark.parametrize("change", [{"client_secret": "sk_wrong"}, {"client_id": "client_wrong"}])
async def test_a_kept_answer_is_not_given_to_a_wrong_client(
    desk: Application, change: dict[str, str]
) -> None:
    pending = await desk.begin(await desk.member())
    assert (await desk.answer(pending, headers=KEY)).status_code == 200
    answer = await desk.answer(pending, headers=KEY, **change)
    assert fields(answer, 400)["error"] == "invalid_client"


async def test_kept_tokens_are_sealed(desk: Application) -> None:
    pending = await desk.begin(await desk.member())
    tokens = fields(await desk.answer(pending, headers=KEY), 200)
    stored = desk.files()
    assert tokens["refresh_token"].encode() not in stored
    assert tokens["access_token"].encode() not in stored
