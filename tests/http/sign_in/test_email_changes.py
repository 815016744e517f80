"""Email changes: a code mailed to the new address, and what the change ends."""

import asyncio
from collections import Counter
from typing import Final

import httpx
import pytest

from tests.support.application import Application, Json, refused
from tests.support.clock import MINUTE
from tests.support.mailed import enter, magic, mails, other, send_mail
from tests.support.server_process import fields

NEW: Final = "new@example.org"
RACERS: Final = 50


@pytest.fixture
async def mailing(application: Application) -> Application:
    await send_mail(application)
    return application


async def send(application: Application, user: Json, new_email: str | None = NEW) -> httpx.Response:
    path = f"/user_management/users/{user['id']}/email_change/send"
    return await application.api.post(path, json={"new_email": new_email})


async def confirm(application: Application, user: Json, code: object) -> httpx.Response:
    path = f"/user_management/users/{user['id']}/email_change/confirm"
    return await application.api.post(path, json={"code": code})


async def code_for(application: Application, user: Json, new_email: str = NEW) -> str:
    fields(await send(application, user, new_email), 200)
    kind, to, values = (await mails(application))[-1]
    assert (kind, to) == ("email_change", new_email)
    return values["code"]


async def test_a_code_mailed_to_the_new_address_changes_the_email(mailing: Application) -> None:
    user = await mailing.user(email_verified=True)
    tokens = await mailing.sign_in(user)
    body = fields(await send(mailing, user), 200)
    assert set(body) == {"object", "user", "new_email", "expires_at", "created_at"}
    assert (body["object"], body["new_email"], body["user"]["email"]) == ("email_change", NEW, user["email"])
    ((_, _, values),) = await mails(mailing)
    answer = fields(await confirm(mailing, user, values["code"]), 200)
    assert answer["object"] == "email_change_confirmation"
    assert (answer["user"]["email"], answer["user"]["email_verified"]) == (NEW, True)
    # Sessions go on, and the old address gets a notice.
    fields(await mailing.refresh(tokens["refresh_token"]), 200)
    assert (await mails(mailing))[-1][:2] == ("email_changed", user["email"])
    refused(await mailing.password(user), "invalid_credentials")
    fields(await mailing.password({"email": NEW}), 200)
    assert [each["event"] for each in await mailing.events("user.updated")] == ["user.updated"]


async def test_codes_and_links_mailed_to_the_old_address_end(mailing: Application) -> None:
    user = await mailing.user()
    magic_code = (await magic(mailing, user["email"]))["code"]
    reset = fields(
        await mailing.api.post("/user_management/password_reset", json={"email": user["email"]}), 201
    )
    fields(await confirm(mailing, user, await code_for(mailing, user)), 200)
    refused(await enter(mailing, NEW, magic_code), "invalid_one_time_code")
    body = {"token": reset["password_reset_token"], "new_password": "eight green bottles"}
    answer = await mailing.api.post("/user_management/password_reset/confirm", json=body)
    refused(answer, "password_reset_token_not_found", 404)


async def test_each_refusal_has_its_own_code(mailing: Application) -> None:
    user = await mailing.user()
    refused(await confirm(mailing, user, "123456"), "no_pending_email_change", 409)
    first, second = await code_for(mailing, user), await code_for(mailing, user)
    for wrong in (first, other(second), "12345"):
        refused(await confirm(mailing, user, wrong), "email_change_code_incorrect")
    mailing.clock.advance(10 * MINUTE)
    refused(await confirm(mailing, user, second), "email_change_code_expired")
    third = await code_for(mailing, user)
    fields(await confirm(mailing, user, third), 200)
    refused(await confirm(mailing, user, third), "email_change_code_previously_used", 409)


async def test_a_code_is_tried_five_times(mailing: Application) -> None:
    user = await mailing.user()
    code = await code_for(mailing, user)
    for _ in range(5):
        refused(await confirm(mailing, user, other(code)), "email_change_code_incorrect")
    refused(await confirm(mailing, user, code), "email_change_too_many_attempts", 429)


async def test_an_email_that_is_taken_meanwhile_leaves_the_code_unused(mailing: Application) -> None:
    user = await mailing.user()
    code = await code_for(mailing, user)
    taken = await mailing.user(email=NEW.upper())
    refused(await confirm(mailing, user, code), "email_not_available", 409)
    assert (await mailing.api.delete(f"/user_management/users/{taken['id']}")).status_code == 200
    fields(await confirm(mailing, user, code), 200)


async def test_what_cannot_become_the_email_is_refused_and_not_mailed(
    mailing: Application,
) -> None:
    user, neighbor = await mailing.user(), await mailing.user()
    refused(await send(mailing, user, user["email"].upper()), "email_change_not_needed", 409)
    refused(await send(mailing, user, neighbor["email"]), "email_not_available", 409)
    for wrong in (None, "", "kim", "kim@"):
        assert fields(await send(mailing, user, wrong), 422)["errors"][0]["field"] == "new_email"
    assert (await send(mailing, {"id": "user_01"})).status_code == 404
    assert await mails(mailing) == []


async def test_of_fifty_confirmations_one_changes_the_email(mailing: Application) -> None:
    user = await mailing.user()
    code = await code_for(mailing, user)
    done = await asyncio.gather(*(confirm(mailing, user, code) for _ in range(RACERS)))
    assert Counter(each.status_code for each in done)[200] == 1
    assert len(await mailing.events("user.updated")) == 1


async def test_a_code_is_refused_for_another_user(mailing: Application) -> None:
    user, bystander = await mailing.user(), await mailing.user()
    code = await code_for(mailing, user)
    await code_for(mailing, bystander, "else@example.org")
    refused(await confirm(mailing, bystander, code), "email_change_code_incorrect")


async def test_a_user_without_social_accounts_has_no_identities(application: Application) -> None:
    user = await application.user()
    answer = await application.api.get(f"/user_management/users/{user['id']}/identities")
    assert (answer.status_code, answer.json()) == (200, [])
    assert (await application.api.get("/user_management/users/user_01/identities")).status_code == 404
