"""A lost response to the second step is given again to the same request, and dies with its session."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx
import pytest

from authfactor.crypto.vault import key_of
from tests.support.application import MFA_TOTP, Application, Json, Pending, oauth_refused, opened, refused
from tests.support.server_process import fields

RACERS: Final = 50
GRACE: Final = 30
INVALID: Final = "invalid_pending_authentication_token"
USED: Final = "one_time_code_previously_used"


async def completed(application: Application) -> tuple[Json, Pending, httpx.Response]:
    """Sign a new user in; return the user, the pending sign-in and the first response."""
    user = await application.member()
    pending = await application.begin(user)
    first = await application.answer(pending)
    fields(first, 200)
    return user, pending, first


async def test_same_request_gets_the_same_response_for_thirty_seconds(application: Application) -> None:
    user, pending, first = await completed(application)
    code = application.code()
    for seconds in (0, 0.001, GRACE - 0.001):
        application.clock.advance(seconds)
        again = await application.answer(pending, code)
        assert (again.status_code, again.content) == (200, first.content)
    application.clock.advance(0.001)
    refused(await application.answer(pending, code), INVALID)
    assert len(await application.sessions(user)) == 1
    assert len(await application.events("authentication.mfa_succeeded")) == 1
    assert await application.events("authentication.mfa_failed") == []


async def test_code_may_be_spelled_differently(application: Application) -> None:
    _, pending, first = await completed(application)
    code = application.code()
    assert (await application.answer(pending, f" {code[:3]}-{code[3:]}")).content == first.content


async def test_fifty_concurrent_requests_get_one_response(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    responses = await asyncio.gather(*(application.answer(pending) for _ in range(RACERS)))
    assert {(response.status_code, response.content) for response in responses} == {
        (200, responses[0].content)
    }
    assert len(await application.sessions(user)) == 1


async def test_repeated_tokens_work(application: Application) -> None:
    _, pending, _ = await completed(application)
    tokens = fields(await application.answer(pending), 200)
    assert (await application.refresh(tokens["refresh_token"])).status_code == 200


async def test_another_code_is_refused_and_ends_the_repeating(application: Application) -> None:
    for code in (application.code(ahead=1), application.wrong()):
        _, pending, _ = await completed(application)
        refused(await application.answer(pending, code), INVALID)
        refused(await application.answer(pending), INVALID)
        application.clock.advance(GRACE)


async def test_another_challenge_is_refused_and_ends_the_repeating(application: Application) -> None:
    user, pending, _ = await completed(application)
    for challenge in (pending.challenge.swapcase(), (await application.begin(user)).challenge):
        refused(await application.answer(pending, authentication_challenge_id=challenge), INVALID)
    refused(await application.answer(pending), INVALID)


async def test_another_api_key_of_the_environment_is_refused(application: Application) -> None:
    _, pending, _ = await completed(application)
    environment = await application.environment()
    _, key = await application.af.run(application.af.environments.new_key(environment, "second"))
    refused(await application.answer(pending, client_secret=key), INVALID)


async def test_another_environment_is_refused_and_ends_nothing(application: Application) -> None:
    _, pending, first = await completed(application)
    response = await application.answer(pending, client_id="client_two", client_secret="sk_test_two")
    refused(response, INVALID)
    assert (await application.answer(pending)).content == first.content


async def test_another_pending_token_is_refused(application: Application) -> None:
    user, first, _ = await completed(application)
    second = await application.begin(user)
    # The code, and the challenge, without the token that they were sent with.
    mixed = await application.answer(second, authentication_challenge_id=first.challenge)
    refused(mixed, USED)
    refused(await application.answer(second), USED)
    refused(await application.answer(first, pending_authentication_token="x"), INVALID)
    assert (await application.answer(first)).status_code == 200


async def test_what_cannot_be_a_code_is_refused_and_ends_nothing(application: Application) -> None:
    _, pending, first = await completed(application)
    for malformed in ("12345", "abcdef"):
        refused(await application.answer(pending, malformed), INVALID)
    assert (await application.answer(pending)).content == first.content


async def _revoke_session(application: Application, user: Json, _: Json) -> None:
    session = (await application.sessions(user))[0]["id"]
    body = {"session_id": session}
    response = await application.api.post("/user_management/sessions/revoke", json=body)
    assert response.status_code == 200


async def _change_password(application: Application, user: Json, _: Json) -> None:
    body = {"password": "eight green bottles"}
    fields(await application.api.put(f"/user_management/users/{user['id']}", json=body), 200)


async def _delete_user(application: Application, user: Json, _: Json) -> None:
    assert (await application.api.delete(f"/user_management/users/{user['id']}")).status_code == 200


async def _delete_factor(application: Application, user: Json, _: Json) -> None:
    path = f"/user_management/users/{user['id']}/auth_factors"
    (factor,) = fields(await application.api.get(path), 200)["data"]
    assert (await application.api.delete(f"/auth/factors/{factor['id']}")).status_code == 204


async def _use_refresh_token(application: Application, _: Json, tokens: Json) -> None:
    fields(await application.refresh(tokens["refresh_token"]), 200)


End = Callable[[Application, Json, Json], Awaitable[None]]


@pytest.mark.parametrize(
    "end", [_revoke_session, _change_password, _delete_user, _delete_factor, _use_refresh_token]
)
async def test_response_dies_with_session_user_and_factor(application: Application, end: End) -> None:
    user, pending, first = await completed(application)
    await end(application, user, first.json())
    refused(await application.answer(pending), INVALID)


async def test_response_dies_with_the_password_also_where_sessions_go_on(
    database: tuple[Path, str], tmp_path: Path
) -> None:
    async with opened(
        database[0], tmp_path, database_url=database[1], password_change_ends_sessions=False
    ) as application:
        user, pending, first = await completed(application)
        await _change_password(application, user, first.json())
        assert len(await application.sessions(user)) == 1
        refused(await application.answer(pending), INVALID)


async def test_response_outlives_the_pending_token_and_the_challenge(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    application.clock.advance(10 * 60 - 1)
    first = await application.answer(pending)
    assert first.status_code == 200
    code = application.code()
    application.clock.advance(2)
    assert (await application.answer(pending, code)).content == first.content


async def test_response_is_sealed_at_rest_and_bound_to_its_row(application: Application) -> None:
    _, pending, first = await completed(application)
    stored = application.files()
    for token in (first.json()["access_token"], first.json()["refresh_token"], pending.token):
        assert token.encode() not in stored
    application.clock.advance(GRACE)
    _, other, _ = await completed(application)
    rows = application.sql("SELECT answer FROM pending_sign_ins ORDER BY spent_at")
    application.sql("UPDATE pending_sign_ins SET answer = ?", rows[0][0])
    assert (await application.answer(other)).status_code == 503


async def test_response_survives_a_rotation_of_the_vault_key(application: Application) -> None:
    _, pending, first = await completed(application)
    application.af.vault.extend([key_of(bytes(range(32)))])
    await application.af.key_rotation.reseal(application.af.store, application.af.vault, _ignore_progress)
    assert (await application.answer(pending)).content == first.content


def _ignore_progress(table: str, done: int) -> None:
    pass


async def test_code_of_a_sign_in_is_not_valid_again_at_the_challenge(application: Application) -> None:
    _, pending, _ = await completed(application)
    path = f"/auth/challenges/{pending.challenge}/verify"
    response = await application.api.post(path, json={"code": application.code()})
    refused(response, "authentication_challenge_previously_verified", 422)


async def test_code_of_a_verified_challenge_does_not_sign_in(application: Application) -> None:
    pending = await application.begin(await application.member())
    path = f"/auth/challenges/{pending.challenge}/verify"
    for _ in range(2):
        body = fields(await application.api.post(path, json={"code": application.code()}), 201)
        assert body["valid"] is True
    refused(await application.answer(pending), USED)


async def test_repeat_under_an_idempotency_key_gets_the_same_response(application: Application) -> None:
    _, pending, first = await completed(application)
    for _ in range(2):
        again = await application.answer(pending, headers={"idempotency-key": "later"})
        assert again.content == first.content


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\0", "9" * 5000])
async def test_what_cannot_be_a_code_is_not_counted(application: Application, code: str) -> None:
    user = await application.member()
    pending = await application.begin(user)
    for _ in range(12):
        body = refused(await application.answer(pending, code), "invalid_one_time_code")
        assert set(body) == {"code", "message", "reason"}
        assert body["reason"] == "code_malformed"
        assert "six digits" in body["message"]
    assert application.sql("SELECT count(*) FROM failures") == [(0,)]
    assert await application.events("authentication.mfa_failed") == []
    assert (await application.answer(pending)).status_code == 200


async def test_response_has_the_reason_of_a_refused_code(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    for code, reason, offset in (
        (application.wrong(), "code_mismatch", None),
        (application.code(ahead=-4), "clock_drift", -120),
    ):
        body = refused(await application.answer(pending, code), "invalid_one_time_code")
        assert (body["reason"], body.get("offset_seconds")) == (reason, offset)
    assert (await application.answer(pending)).status_code == 200
    again = refused(await application.answer(await application.begin(user), application.code()), USED)
    assert again["reason"] == "code_already_used"


async def test_missing_code_is_an_invalid_request(application: Application) -> None:
    pending = await application.begin(await application.member())
    missing = await application.grant(
        MFA_TOTP,
        pending_authentication_token=pending.token,
        authentication_challenge_id=pending.challenge,
    )
    assert oauth_refused(missing, "invalid_request") == "Missing: code."
