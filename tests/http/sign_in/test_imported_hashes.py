"""Imported password hashes: the first sign-in replaces them with Argon2id."""

import asyncio
import base64
import hashlib

import pytest

from tests.support.application import PASSWORD, SECRET, Application, Json, refused


def ssha256(password: str) -> str:
    digest = hashlib.sha256(password.encode() + b"saltsalt").digest()
    return "{SSHA256}" + base64.b64encode(digest + b"saltsalt").decode()


async def import_user(application: Application) -> Json:
    return await application.user(password_hash=ssha256(PASSWORD), password_hash_type="ssha256")


async def stored_hash(application: Application) -> str:
    rows = await application.af.read(lambda tx: tx.db.all("SELECT password_hash FROM users"))
    return str(rows[0][0])


async def test_first_sign_in_replaces_the_imported_hash(application: Application) -> None:
    user = await import_user(application)
    assert not (await stored_hash(application)).startswith("$argon2id$")
    await application.sign_in(user)
    replaced = await stored_hash(application)
    assert replaced.startswith("$argon2id$")
    await application.sign_in(user)
    assert await stored_hash(application) == replaced
    refused(await application.password(user, "not this one"), "invalid_credentials")
    assert await application.events("user.updated") == []


async def test_wrong_password_keeps_the_imported_hash(application: Application) -> None:
    user = await import_user(application)
    before = await stored_hash(application)
    refused(await application.password(user, "not this one"), "invalid_credentials")
    assert await stored_hash(application) == before


async def test_pending_token_survives_the_hash_replacement(application: Application) -> None:
    user = await import_user(application)
    await application.enroll(user, totp_secret=SECRET)
    pending = await application.begin(user)
    assert (await stored_hash(application)).startswith("$argon2id$")
    assert (await application.answer(pending)).status_code == 200


async def test_concurrent_first_sign_ins_all_succeed(application: Application) -> None:
    user = await import_user(application)
    responses = await asyncio.gather(*(application.password(user) for _ in range(8)))
    assert [response.status_code for response in responses] == [200] * 8
    assert (await stored_hash(application)).startswith("$argon2id$")


@pytest.mark.parametrize("sign_ins", [1, 4])
async def test_password_changed_during_a_sign_in_is_not_overwritten(
    application: Application, sign_ins: int
) -> None:
    user = await application.user()
    path = f"/user_management/users/{user['id']}"
    change = application.api.put(path, json={"password": "eight green bottles"})
    responses = await asyncio.gather(change, *(application.password(user) for _ in range(sign_ins)))
    assert responses[0].status_code == 200
    assert {response.status_code for response in responses[1:]} <= {200, 400}
    refused(await application.password(user), "invalid_credentials")
