"""A changed password ends the user's sessions, unless a setting keeps them."""

import asyncio
from pathlib import Path

import pytest

from authfactor.store.queries.insert_pairs import ROWS_PER_STATEMENT
from tests.support.application import PASSWORD, Application, Json, claims, oauth_refused, opened
from tests.support.server_process import fields

OTHER_PASSWORD = "eight green bottles"
IMPORTED = "$2b$04$" + "." * 53


async def change(application: Application, user: Json, **body: object) -> Json:
    return fields(await application.api.put(f"/user_management/users/{user['id']}", json=body), 200)


@pytest.mark.parametrize(
    "body",
    [
        {"password": OTHER_PASSWORD},
        {"password": PASSWORD},
        {"password_hash": IMPORTED, "password_hash_type": "bcrypt"},
    ],
    ids=["another password", "the same password", "an imported hash"],
)
async def test_password_change_ends_every_session_with_an_event(application: Application, body: Json) -> None:
    user, bystander = await application.user(), await application.user()
    tokens = [await application.sign_in(user) for _ in range(3)]
    unaffected = await application.sign_in(bystander)
    await change(application, user, **body)
    assert await application.sessions(user) == []
    for each in tokens:
        oauth_refused(await application.refresh(each["refresh_token"]), "invalid_grant")
    assert (await application.refresh(unaffected["refresh_token"])).status_code == 200
    events = await application.events("user.updated", "session.revoked")
    assert [event["event"] for event in events] == ["user.updated", *["session.revoked"] * 3]
    assert [event["data"]["id"] for event in events[1:]] == [claims(each)["sid"] for each in tokens]
    assert {event["data"]["status"] for event in events[1:]} == {"revoked"}
    assert all(event["data"]["ended_at"] for event in events[1:])


async def test_other_changes_of_a_user_end_no_session(application: Application) -> None:
    user = await application.user()
    tokens = await application.sign_in(user)
    await change(application, user, first_name="Kim", email="kim.doe@example.org", metadata={"a": "b"})
    assert (await application.refresh(tokens["refresh_token"])).status_code == 200
    assert await application.events("session.revoked") == []


async def test_ended_and_expired_sessions_get_no_second_event(
    database: tuple[Path, str], tmp_path: Path
) -> None:
    async with opened(
        database[0], tmp_path, database_url=database[1], session_inactivity=3600
    ) as application:
        user = await application.user()
        await application.sign_in(user)
        application.clock.advance(3600)
        revoked, active = await application.sign_in(user), await application.sign_in(user)
        path = "/user_management/sessions/revoke"
        await application.api.post(path, json={"session_id": claims(revoked)["sid"]})
        await change(application, user, password=OTHER_PASSWORD)
        events = await application.events("session.revoked")
        assert [event["data"]["id"] for event in events] == [claims(revoked)["sid"], claims(active)["sid"]]


async def test_setting_keeps_the_sessions(database: tuple[Path, str], tmp_path: Path) -> None:
    async with opened(
        database[0], tmp_path, database_url=database[1], password_change_ends_sessions=False
    ) as application:
        user = await application.user()
        tokens = await application.sign_in(user)
        await change(application, user, password=OTHER_PASSWORD)
        assert (await application.refresh(tokens["refresh_token"])).status_code == 200
        assert await application.events("session.revoked") == []


async def test_hundreds_of_sessions_end_in_few_statements_and_reach_webhooks(
    application: Application,
) -> None:
    hook = {"endpoint_url": "https://receiver.example/hook", "events": ["session.revoked"]}
    assert (await application.api.post("/webhook_endpoints", json=hook)).status_code == 201
    user = await application.user()
    count = 2 * ROWS_PER_STATEMENT + 1
    for _ in range(count):
        await application.sign_in(user)
    await change(application, user, password=OTHER_PASSWORD)
    rows = application.sql(
        "SELECT e.id, e.data FROM events e JOIN deliveries d ON d.event_id = e.id AND d.user_id = e.user_id"
        " WHERE e.name = 'session.revoked' AND d.state = 'pending' ORDER BY e.id"
    )
    assert len(rows) == count
    assert len({row[0] for row in rows}) == count
    assert await application.sessions(user) == []


async def test_no_sign_in_with_the_old_password_outlives_the_change(application: Application) -> None:
    user = await application.user()
    sign_ins = [application.password(user) for _ in range(50)]
    updated, *responses = await asyncio.gather(
        application.api.put(f"/user_management/users/{user['id']}", json={"password": OTHER_PASSWORD}),
        *sign_ins,
    )
    assert updated.status_code == 200
    for response in responses:
        if response.status_code == 200:
            oauth_refused(await application.refresh(response.json()["refresh_token"]), "invalid_grant")
    assert await application.sessions(user) == []


async def test_no_refresh_outlives_the_change(application: Application) -> None:
    user = await application.user()
    tokens = [await application.sign_in(user) for _ in range(20)]
    updated, *responses = await asyncio.gather(
        application.api.put(f"/user_management/users/{user['id']}", json={"password": OTHER_PASSWORD}),
        *(application.refresh(each["refresh_token"]) for each in tokens),
    )
    assert updated.status_code == 200
    for response in responses:
        if response.status_code == 200:
            oauth_refused(await application.refresh(response.json()["refresh_token"]), "invalid_grant")
    assert await application.sessions(user) == []
