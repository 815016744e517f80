"""The pending token: bound to user, client, password and time, and valid for one session."""

import asyncio

import pytest

from tests.support.application import (
    MFA_TOTP,
    OTHER_CLIENT,
    OTHER_KEY,
    SECRET,
    Application,
    Pending,
    oauth_refused,
    refused,
)
from tests.support.clock import MINUTE
from tests.support.server_process import fields

INVALID = "invalid_pending_authentication_token"


async def test_pending_token_creates_one_session(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    assert (await application.answer(pending)).status_code == 200
    application.clock.advance(30)
    factor = pending.body["authentication_factors"][0]["id"]
    new_challenge = fields(await application.api.post(f"/auth/factors/{factor}/challenge"), 201)["id"]
    refused(await application.answer(pending, authentication_challenge_id=new_challenge), INVALID)
    assert len(await application.sessions(user)) == 1
    # The refused use consumed neither the challenge nor the code.
    other = await application.begin(user)
    assert (await application.answer(other, authentication_challenge_id=new_challenge)).status_code == 200


async def test_wrong_code_does_not_consume_the_pending_token(application: Application) -> None:
    pending = await application.begin(await application.member())
    for _ in range(4):
        refused(await application.answer(pending, application.wrong()), "invalid_one_time_code")
    assert (await application.answer(pending)).status_code == 200


async def test_concurrent_uses_of_a_pending_token_create_one_session(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    responses = await asyncio.gather(*(application.answer(pending) for _ in range(20)))
    assert {(response.status_code, response.content) for response in responses} == {
        (200, responses[0].content)
    }
    assert len(await application.sessions(user)) == 1
    assert len(await application.events("authentication.mfa_succeeded")) == 1


async def test_concurrent_uses_with_separate_challenges_create_one_session(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    factor = pending.body["authentication_factors"][0]["id"]
    challenges = [
        fields(await application.api.post(f"/auth/factors/{factor}/challenge"), 201)["id"] for _ in range(20)
    ]
    responses = await asyncio.gather(
        *(
            application.answer(
                pending, application.code(ahead=index % 3 - 1), authentication_challenge_id=challenge
            )
            for index, challenge in enumerate(challenges)
        )
    )
    assert [response.status_code for response in responses].count(200) == 1
    assert await application.count_sessions() == 1


async def test_pending_token_of_another_environment_is_refused(application: Application) -> None:
    pending = await application.begin(await application.member())
    response = await application.answer(pending, client_id=OTHER_CLIENT, client_secret=OTHER_KEY)
    refused(response, INVALID)
    oauth_refused(await application.answer(pending, client_id=OTHER_CLIENT), "invalid_client")
    assert (await application.answer(pending)).status_code == 200


async def test_pending_token_with_another_users_challenge_is_refused(application: Application) -> None:
    kim, sam = (
        await application.begin(await application.member()),
        await application.begin(await application.member()),
    )
    refused(await application.answer(kim, authentication_challenge_id=sam.challenge), "user_mismatch")
    assert await application.count_sessions() == 0


@pytest.mark.parametrize(("seconds", "status"), [(10 * MINUTE - 0.001, 200), (10 * MINUTE, 400)])
async def test_pending_token_expires_after_ten_minutes(
    application: Application, seconds: float, status: int
) -> None:
    pending = await application.begin(await application.member())
    application.clock.advance(seconds)
    factor = pending.body["authentication_factors"][0]["id"]
    new_challenge = fields(await application.api.post(f"/auth/factors/{factor}/challenge"), 201)["id"]
    response = await application.answer(pending, authentication_challenge_id=new_challenge)
    assert response.status_code == status
    if status == 400:
        refused(response, INVALID)


@pytest.mark.parametrize(
    "change",
    [
        {"password": "eight green bottles"},
        {"password": "seven green bottles"},
        {"password_hash": "$2b$04$" + "." * 53, "password_hash_type": "bcrypt"},
    ],
    ids=["another password", "the same password", "an imported hash"],
)
async def test_password_change_revokes_the_pending_token(
    application: Application, change: dict[str, str]
) -> None:
    user = await application.member()
    pending = await application.begin(user)
    fields(await application.api.put(f"/user_management/users/{user['id']}", json=change), 200)
    refused(await application.answer(pending), INVALID)


async def test_other_user_changes_keep_the_pending_token(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    path = f"/user_management/users/{user['id']}"
    fields(await application.api.put(path, json={"email": "new@example.org", "first_name": "Kim"}), 200)
    assert fields(await application.answer(pending), 200)["user"]["email"] == "new@example.org"


async def test_deleting_the_user_revokes_the_pending_token(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    assert (await application.api.delete(f"/user_management/users/{user['id']}")).status_code == 200
    refused(await application.answer(pending), INVALID)
    # A new user with the same email does not inherit it.
    new_user = await application.user(email=user["email"])
    enrolled = await application.enroll(new_user, totp_secret=SECRET)
    refused(
        await application.answer(pending, authentication_challenge_id=enrolled["challenge"]["id"]), INVALID
    )


async def test_several_pending_sign_ins_of_a_user_can_complete(application: Application) -> None:
    user = await application.member()
    first, second = await application.begin(user), await application.begin(user)
    assert first.token != second.token
    assert (await application.answer(second)).status_code == 200
    application.clock.advance(30)
    assert (await application.answer(first)).status_code == 200
    assert len(await application.sessions(user)) == 2


async def test_pending_and_refresh_tokens_are_not_stored_in_plain_text(application: Application) -> None:
    pending = await application.begin(await application.member())
    refresh_token = fields(await application.answer(pending), 200)["refresh_token"]
    stored = application.files()
    assert pending.token.encode() not in stored
    assert refresh_token.encode() not in stored


async def test_pending_and_refresh_tokens_are_not_interchangeable(application: Application) -> None:
    user = await application.member()
    oauth_refused(await application.refresh((await application.begin(user)).token), "invalid_grant")
    tokens = await application.sign_in_twice_proven(user)
    new_pending = await application.begin(user)
    mixed = Pending({**new_pending.body, "pending_authentication_token": tokens["refresh_token"]}, SECRET)
    refused(await application.answer(mixed), INVALID)


async def test_code_without_a_pending_token_is_refused(application: Application) -> None:
    pending = await application.begin(await application.member())
    response = await application.grant(
        MFA_TOTP,
        code=application.code(),
        authentication_challenge_id=pending.challenge,
        pending_authentication_token=None,
    )
    assert oauth_refused(response, "invalid_request") == "Missing: pending_authentication_token."
