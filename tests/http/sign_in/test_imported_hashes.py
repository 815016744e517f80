"""Users who bring a hash from elsewhere: their first sign-in replaces it by one of ours."""

import asyncio
import base64
import hashlib

import pytest

from tests.support.application import PASSWORD, SECRET, Application, Json, refused


def ssha256(password: str) -> str:
    digest = hashlib.sha256(password.encode() + b"saltsalt").digest()
    return "{SSHA256}" + base64.b64encode(digest + b"saltsalt").decode()


async def imported(application: Application) -> Json:
    return await application.user(password_hash=ssha256(PASSWORD), password_hash_type="ssha256")


async def stored(application: Application) -> str:
    rows = await application.af.read(lambda tx: tx.db.all("SELECT password_hash FROM users"))
    return str(rows[0][0])


async def test_the_first_sign_in_replaces_the_hash(application: Application) -> None:
    user = await imported(application)
    assert not (await stored(application)).startswith("$argon2id$")
    await application.sign_in(user)
    ours = await stored(application)
    assert ours.startswith("$argon2id$")
    await application.sign_in(user)
    assert await stored(application) == ours
    refused(await application.password(user, "not this one"), "invalid_credentials")
    assert await application.events("user.updated") == []


async def test_a_wrong_password_replaces_nothing(application: Application) -> None:
    user = await imported(application)
    before = await stored(application)
    refused(await application.password(user, "not this one"), "invalid_credentials")
    assert await stored(application) == before


async def test_the_pending_token_survives_the_replacement(application: Application) -> None:
    user = await imported(application)
    await application.enroll(user, totp_secret=SECRET)
    pending = await application.begin(user)
    assert (await stored(application)).startswith("$argon2id$")
    assert (await application.answer(pending)).status_code == 200


async def test_first_sign_ins_at_the_same_time_all_succeed(application: Application) -> None:
    user = await imported(application)
    answers = await asyncio.gather(*(application.password(user) for _ in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert (await stored(application)).startswith("$argon2id$")


@pytest.mark.parametrize("at_once", [1, 4])
async def test_a_password_changed_during_the_sign_in_counts(application: Application, at_once: int) -> None:
    user = await application.user()
    path = f"/user_management/users/{user['id']}"
    change = application.api.put(path, json={"password": "eight green bottles"})
    answers = await asyncio.gather(change, *(application.password(user) for _ in range(at_once)))
    assert answers[0].status_code == 200
    assert {answer.status_code for answer in answers[1:]} <= {200, 400}
    refused(await application.password(user), "invalid_credentials")
