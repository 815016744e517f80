"""Password resets: what a link does, once, and what it ends."""

import asyncio
from collections import Counter
from typing import Final

import httpx
import pytest

from tests.support.application import PASSWORD, Application, Json, oauth_refused, refused
from tests.support.clock import MINUTE
from tests.support.mailed import allow_redirect, enter, magic, mails, send_mail, set_sign_in
from tests.support.server_process import fields

NEW: Final = "eight green bottles"
RACERS: Final = 50
UNKNOWN: Final = "password_reset_token_not_found"


async def create(application: Application, user: Json) -> Json:
    body = {"email": user["email"]}
    return fields(await application.api.post("/user_management/password_reset", json=body), 201)


async def confirm(application: Application, token: object, new_password: str = NEW) -> httpx.Response:
    body = {"token": token, "new_password": new_password}
    return await application.api.post("/user_management/password_reset/confirm", json=body)


async def test_a_link_sets_a_new_password_once_and_ends_what_was_before(application: Application) -> None:
    member = await application.member()
    session = await application.sign_in_twice_proven(member)
    pending = await application.begin(member)
    code = (await magic(application, member["email"]))["code"]
    made, another = await create(application, member), await create(application, member)
    assert (made["object"], made["user_id"], made["email"]) == (
        "password_reset",
        member["id"],
        member["email"],
    )
    assert len(made["password_reset_token"]) == 25
    assert made["password_reset_token"].isalnum()
    url = f"{application.af.settings.base_url}/reset-password?token={made['password_reset_token']}"
    assert made["password_reset_url"] == url
    assert "updated_at" not in made
    changed = fields(await confirm(application, made["password_reset_token"]), 200)["user"]
    assert (changed["id"], changed["email_verified"]) == (member["id"], True)
    refused(await application.password(member), "invalid_credentials")
    assert await application.sessions(member) == []
    oauth_refused(await application.refresh(session["refresh_token"]), "invalid_grant")
    refused(await application.answer(pending), "invalid_pending_authentication_token")
    refused(await enter(application, member["email"], code), "invalid_one_time_code")
    for token in (made["password_reset_token"], another["password_reset_token"]):
        refused(await confirm(application, token, "nine green bottles"), UNKNOWN, 404)
    fields(await application.password(member, NEW), 403)
    names = ("password_reset.created", "user.updated", "password_reset.succeeded", "session.revoked")
    events = await application.events(*names)
    assert [event["event"] for event in events] == [names[0], *names]
    assert not {"token", "password_reset_token", "password_reset_url"} & set(events[0]["data"])


async def test_of_fifty_requests_with_one_link_one_sets_the_password(application: Application) -> None:
    user = await application.user()
    token = (await create(application, user))["password_reset_token"]
    wanted = [f"{number} green bottles" for number in range(10, 10 + RACERS)]
    done = await asyncio.gather(*(confirm(application, token, each) for each in wanted))
    # A hashing pool that is full refuses before the token is looked at again.
    codes = Counter(each.json().get("code", "done") for each in done)
    assert codes["done"] == 1
    assert set(codes) <= {"done", UNKNOWN, "service_unavailable"}
    winner = wanted[[each.status_code for each in done].index(200)]
    fields(await application.password(user, winner), 200)
    assert len(await application.events("password_reset.succeeded")) == 1


async def test_any_new_password_ends_open_links(application: Application) -> None:
    user = await application.user()
    token = (await create(application, user))["password_reset_token"]
    path = f"/user_management/users/{user['id']}"
    fields(await application.api.put(path, json={"password": NEW}), 200)
    refused(await confirm(application, token), UNKNOWN, 404)


async def test_a_new_email_ends_open_links(application: Application) -> None:
    user = await application.user()
    token = (await create(application, user))["password_reset_token"]
    path = f"/user_management/users/{user['id']}"
    fields(await application.api.put(path, json={"email": "new@example.org"}), 200)
    refused(await confirm(application, token), UNKNOWN, 404)


async def test_a_refused_password_leaves_the_link_as_it_is(application: Application) -> None:
    user = await application.user()
    token = (await create(application, user))["password_reset_token"]
    body = refused(await confirm(application, token, "short"), "password_reset_error")
    assert body["errors"][0]["field"] == "new_password"
    assert "short" not in body["errors"][0]["message"]
    refused(await confirm(application, token, user["email"]), "password_reset_error")
    fields(await confirm(application, token), 200)


async def test_a_link_lasts_a_quarter_of_an_hour(application: Application) -> None:
    user = await application.user()
    made = await create(application, user)
    application.clock.advance(15 * MINUTE)
    refused(await confirm(application, made["password_reset_token"]), UNKNOWN, 404)


async def test_unknown_and_used_tokens_are_refused_in_the_same_words(
    application: Application,
) -> None:
    user = await application.user()
    used, expired = await create(application, user), await create(application, user)
    fields(await confirm(application, used["password_reset_token"]), 200)
    seen = set()
    for token in (used["password_reset_token"], expired["password_reset_token"], "x" * 25, "x", "\0"):
        body = refused(await confirm(application, token), UNKNOWN, 404)
        seen.add(body["message"].replace(token, ""))
    assert len(seen) == 1


async def test_a_link_is_of_no_use_in_another_environment(application: Application) -> None:
    user = await application.user()
    made = await create(application, user)
    await application.user(application.other, email=user["email"])
    body = {"token": made["password_reset_token"], "new_password": NEW}
    refused(await application.other.post("/user_management/password_reset/confirm", json=body), UNKNOWN, 404)
    path = f"/user_management/password_reset/{made['id']}"
    assert (await application.other.get(path)).status_code == 404
    fields(await confirm(application, made["password_reset_token"]), 200)


async def test_reading_a_reset_uses_nothing(application: Application) -> None:
    user = await application.user()
    made = await create(application, user)
    path = f"/user_management/password_reset/{made['id']}"
    for _ in range(3):
        assert fields(await application.api.get(path), 200) == made
    fields(await confirm(application, made["password_reset_token"]), 200)


async def test_an_unknown_email_is_not_found(application: Application) -> None:
    body = {"email": "unknown@example.org"}
    answer = await application.api.post("/user_management/password_reset", json=body)
    assert fields(answer, 404)["code"] == "entity_not_found"
    assert await application.events("password_reset.created") == []


async def test_a_user_without_a_password_gets_one(application: Application) -> None:
    created = await magic(application, "new@example.org")
    made = await create(application, {"email": "new@example.org"})
    assert made["user_id"] == created["user_id"]
    fields(await confirm(application, made["password_reset_token"]), 200)
    fields(await application.password({"email": "new@example.org"}, NEW), 200)


async def test_a_reset_ends_the_lock_that_strangers_caused(application: Application) -> None:
    user = await application.user()
    for _ in range(30):
        await application.password(user, "wrong password")
    assert (await application.password(user)).json()["code"] == "too_many_password_attempts"
    made = await create(application, user)
    fields(await confirm(application, made["password_reset_token"]), 200)
    fields(await application.password(user, NEW), 200)


async def test_the_environments_page_is_in_the_link_and_the_mail(application: Application) -> None:
    await send_mail(application)
    await set_sign_in(application, password_reset_url="https://app.example.org/reset?from=mail")
    user = await application.user()
    made = await create(application, user)
    url = f"https://app.example.org/reset?from=mail&token={made['password_reset_token']}"
    assert made["password_reset_url"] == url
    assert await mails(application) == [("password_reset", user["email"], {"url": url})]


async def test_the_legacy_route_links_to_pages_of_the_list_alone(application: Application) -> None:
    await send_mail(application)
    user = await application.user()
    path, page = "/user_management/password_reset/send", "https://app.example.org/new"
    body = {"email": user["email"], "password_reset_url": page}
    refused_body = fields(await application.api.post(path, json=body), 422)
    assert refused_body["errors"][0]["code"] == "password_reset_url_not_allowed"
    await allow_redirect(application, page)
    answer = await application.api.post(path, json=body)
    assert (answer.status_code, answer.content) == (200, b"")
    ((_, _, values),) = await mails(application)
    token = values["url"].removeprefix(f"{page}?token=")
    fields(await confirm(application, token), 200)


@pytest.mark.parametrize(
    "body", [{}, {"token": "x"}, {"new_password": PASSWORD}, {"token": "", "new_password": ""}]
)
async def test_missing_fields_are_named(application: Application, body: Json) -> None:
    answer = await application.api.post("/user_management/password_reset/confirm", json=body)
    missing = [each for each in ("token", "new_password") if not body.get(each)]
    assert [each["field"] for each in fields(answer, 422)["errors"]] == missing
