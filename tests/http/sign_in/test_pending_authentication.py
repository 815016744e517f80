"""The pending token: bound to user, client, password and time; good for one session."""

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


async def test_it_buys_one_session(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    assert (await application.answer(pending)).status_code == 200
    application.clock.advance(30)
    factor = pending.body["authentication_factors"][0]["id"]
    fresh = fields(await application.api.post(f"/auth/factors/{factor}/challenge"), 201)["id"]
    refused(await application.answer(pending, authentication_challenge_id=fresh), INVALID)
    assert len(await application.sessions(user)) == 1
    # The refused use has spent neither the challenge nor the code.
    other = await application.begin(user)
    assert (await application.answer(other, authentication_challenge_id=fresh)).status_code == 200


async def test_a_wrong_code_does_not_spend_it(application: Application) -> None:
    pending = await application.begin(await application.member())
    for _ in range(4):
        refused(await application.answer(pending, application.wrong()), "invalid_one_time_code")
    assert (await application.answer(pending)).status_code == 200


async def test_twenty_at_once_get_one_session(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    answers = await asyncio.gather(*(application.answer(pending) for _ in range(20)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [400] * 19
    for answer in answers:
        if answer.status_code == 400:
            assert answer.json()["code"] in {INVALID, "one_time_code_previously_used"}
    assert len(await application.sessions(user)) == 1
    assert len(await application.events("authentication.mfa_succeeded")) == 1


async def test_twenty_at_once_with_challenges_of_their_own_get_one_session(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    factor = pending.body["authentication_factors"][0]["id"]
    challenges = [
        fields(await application.api.post(f"/auth/factors/{factor}/challenge"), 201)["id"] for _ in range(20)
    ]
    answers = await asyncio.gather(
        *(
            application.answer(
                pending, application.code(ahead=at % 3 - 1), authentication_challenge_id=challenge
            )
            for at, challenge in enumerate(challenges)
        )
    )
    assert [answer.status_code for answer in answers].count(200) == 1
    assert await application.count_sessions() == 1


async def test_another_environments_client_cannot_use_it(application: Application) -> None:
    pending = await application.begin(await application.member())
    answer = await application.answer(pending, client_id=OTHER_CLIENT, client_secret=OTHER_KEY)
    refused(answer, INVALID)
    oauth_refused(await application.answer(pending, client_id=OTHER_CLIENT), "invalid_client")
    assert (await application.answer(pending)).status_code == 200


async def test_it_cannot_be_used_with_the_challenge_of_another_user(application: Application) -> None:
    kim, sam = (
        await application.begin(await application.member()),
        await application.begin(await application.member()),
    )
    refused(await application.answer(kim, authentication_challenge_id=sam.challenge), "user_mismatch")
    assert await application.count_sessions() == 0


@pytest.mark.parametrize(("seconds", "status"), [(10 * MINUTE - 0.001, 200), (10 * MINUTE, 400)])
async def test_it_lasts_ten_minutes(application: Application, seconds: float, status: int) -> None:
    pending = await application.begin(await application.member())
    application.clock.advance(seconds)
    factor = pending.body["authentication_factors"][0]["id"]
    fresh = fields(await application.api.post(f"/auth/factors/{factor}/challenge"), 201)["id"]
    answer = await application.answer(pending, authentication_challenge_id=fresh)
    assert answer.status_code == status
    if status == 400:
        refused(answer, INVALID)


@pytest.mark.parametrize(
    "change",
    [
        {"password": "eight green bottles"},
        {"password": "seven green bottles"},
        {"password_hash": "$2b$04$" + "." * 53, "password_hash_type": "bcrypt"},
    ],
    ids=["another password", "the same again", "an imported hash"],
)
async def test_it_dies_with_a_password_change(application: Application, change: dict[str, str]) -> None:
    user = await application.member()
    pending = await application.begin(user)
    fields(await application.api.put(f"/user_management/users/{user['id']}", json=change), 200)
    refused(await application.answer(pending), INVALID)


async def test_it_survives_other_changes_of_the_user(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    path = f"/user_management/users/{user['id']}"
    fields(await application.api.put(path, json={"email": "new@example.org", "first_name": "Kim"}), 200)
    assert fields(await application.answer(pending), 200)["user"]["email"] == "new@example.org"


async def test_it_dies_with_its_user(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    assert (await application.api.delete(f"/user_management/users/{user['id']}")).status_code == 200
    refused(await application.answer(pending), INVALID)
    # Somebody new with the same address does not inherit it.
    again = await application.user(email=user["email"])
    enrolled = await application.enroll(again, totp_secret=SECRET)
    refused(
        await application.answer(pending, authentication_challenge_id=enrolled["challenge"]["id"]), INVALID
    )


async def test_several_sign_ins_wait_side_by_side(application: Application) -> None:
    user = await application.member()
    first, second = await application.begin(user), await application.begin(user)
    assert first.token != second.token
    assert (await application.answer(second)).status_code == 200
    application.clock.advance(30)
    assert (await application.answer(first)).status_code == 200
    assert len(await application.sessions(user)) == 2


async def test_it_is_stored_hashed(application: Application) -> None:
    pending = await application.begin(await application.member())
    refreshed = fields(await application.answer(pending), 200)["refresh_token"]
    stored = application.files()
    assert pending.token.encode() not in stored
    assert refreshed.encode() not in stored


async def test_it_is_no_refresh_token_and_a_refresh_token_is_no_pending_one(application: Application) -> None:
    user = await application.member()
    oauth_refused(await application.refresh((await application.begin(user)).token), "invalid_grant")
    tokens = await application.sign_in_twice_proven(user)
    waiting = await application.begin(user)
    mixed = Pending({**waiting.body, "pending_authentication_token": tokens["refresh_token"]}, SECRET)
    refused(await application.answer(mixed), INVALID)


async def test_a_code_alone_signs_nobody_in(application: Application) -> None:
    pending = await application.begin(await application.member())
    answer = await application.grant(
        MFA_TOTP,
        code=application.code(),
        authentication_challenge_id=pending.challenge,
        pending_authentication_token=None,
    )
    assert oauth_refused(answer, "invalid_request") == "Missing: pending_authentication_token."
