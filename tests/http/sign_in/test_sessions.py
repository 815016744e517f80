"""Sessions: their fields, listing the active ones, and revoking one."""

import datetime

import pytest

from tests.support import response_assertions
from tests.support.application import Application, claims, refused
from tests.support.clock import DAY
from tests.support.server_process import fields

REVOKE = "/user_management/sessions/revoke"


async def test_session_records_ip_address_and_user_agent(application: Application) -> None:
    user = await application.user()
    tokens = await application.sign_in(
        user, ip_address="203.0.113.9", user_agent="Mozilla/5.0", device_id="d1"
    )
    (session,) = await application.sessions(user)
    assert set(session) == {
        *("object", "id", "user_id", "ip_address", "user_agent", "auth_method", "status"),
        *("expires_at", "ended_at", "created_at", "updated_at"),
    }
    response_assertions.assert_id(session["id"], "session")
    assert session["id"] == claims(tokens)["sid"]
    assert (session["object"], session["status"], session["auth_method"]) == ("session", "active", "password")
    assert session["user_id"] == user["id"]
    assert (session["ip_address"], session["user_agent"]) == ("203.0.113.9", "Mozilla/5.0")
    assert session["ended_at"] is None
    lifetime = response_assertions.moment(session["expires_at"]) - response_assertions.moment(
        session["created_at"]
    )
    assert lifetime == datetime.timedelta(days=365)


async def test_session_of_password_and_code_has_auth_method_password(application: Application) -> None:
    user = await application.member()
    tokens = await application.sign_in_twice_proven(user)
    assert tokens["authentication_method"] == "Password"
    (session,) = await application.sessions(user)
    assert (session["auth_method"], session["ip_address"]) == ("password", None)


async def test_only_active_sessions_are_listed(application: Application) -> None:
    user, other = await application.user(), await application.user()
    expired = await application.sign_in(user)
    application.clock.advance(364 * DAY)
    revoked, active = await application.sign_in(user), await application.sign_in(user)
    await application.sign_in(other)
    application.clock.advance(DAY)
    assert (
        await application.api.post(REVOKE, json={"session_id": claims(revoked)["sid"]})
    ).status_code == 200
    assert [session["id"] for session in await application.sessions(user)] == [claims(active)["sid"]]
    assert claims(expired)["sid"] not in {session["id"] for session in await application.sessions(user)}


async def test_session_pages_visit_every_session_once(application: Application) -> None:
    user = await application.user()
    created = [claims(await application.sign_in(user))["sid"] for _ in range(7)]
    path = f"/user_management/users/{user['id']}/sessions"
    for order, expected in (("desc", created[::-1]), ("asc", created)):
        seen: list[str] = []
        after: str | None = None
        while True:
            query = {"limit": "3", "order": order, **({"after": after} if after else {})}
            page = fields(await application.api.get(path, params=query), 200)
            response_assertions.assert_list(page)
            seen += [session["id"] for session in page["data"]]
            after = page["list_metadata"]["after"]
            if after is None:
                break
            assert after == seen[-1]
        assert seen == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"order": "up"}, "order"),
        ({"after": "session_01KXM8HJK2M4N6P8R0S2T4V6W8"}, "after"),
        ({"before": "x"}, "before"),
    ],
)
async def test_invalid_session_query_is_named(
    application: Application, query: dict[str, str], field: str
) -> None:
    user = await application.user()
    response = await application.api.get(f"/user_management/users/{user['id']}/sessions", params=query)
    items = refused(response, "invalid_request_parameters", 422)["errors"]
    assert [item["field"] for item in items] == [field]


async def test_another_users_session_is_refused_as_a_cursor(application: Application) -> None:
    kim, sam = await application.user(), await application.user()
    sid = claims(await application.sign_in(sam))["sid"]
    path = f"/user_management/users/{kim['id']}/sessions"
    refused(await application.api.get(path, params={"after": sid}), "invalid_request_parameters", 422)


async def test_sessions_of_an_unknown_or_foreign_user_are_not_found(application: Application) -> None:
    foreign = await application.user(application.other)
    for user_id in ("user_01KXM8D0C4N6P8S2V5X7Z9B1DE", foreign["id"]):
        response = await application.api.get(f"/user_management/users/{user_id}/sessions")
        assert refused(response, "entity_not_found", 404)["entity_id"] == user_id


async def test_revoking_a_session_returns_200_without_a_body(application: Application) -> None:
    user = await application.user()
    sid = claims(await application.sign_in(user))["sid"]
    application.clock.advance(60)
    for _ in range(2):  # revoking a revoked session changes nothing
        response = await application.api.post(REVOKE, json={"session_id": sid})
        assert (response.status_code, response.content) == (200, b"")
        assert "content-type" not in response.headers
        assert response.headers["content-length"] == "0"
        application.clock.advance(60)
    assert await application.sessions(user) == []
    (event,) = await application.events("session.revoked")
    assert (event["data"]["id"], event["data"]["status"]) == (sid, "revoked")
    assert event["data"]["ended_at"] == event["created_at"]


async def test_revoking_an_unknown_or_foreign_session_is_not_found(application: Application) -> None:
    sid = claims(await application.sign_in(await application.user()))["sid"]
    for client, session_id in (
        (application.other, sid),
        (application.api, "session_01KXM8HJK2M4N6P8R0S2T4V6W8"),
    ):
        body = refused(await client.post(REVOKE, json={"session_id": session_id}), "entity_not_found", 404)
        assert body == {
            "code": "entity_not_found",
            "entity_id": session_id,
            "message": f"Session not found: '{session_id}'.",
        }
    assert await application.events("session.revoked") == []


@pytest.mark.parametrize("body", [{}, {"session_id": None}, {"session_id": ""}, {"session_id": 5}])
async def test_revoking_requires_a_session_id(application: Application, body: dict[str, object]) -> None:
    items = refused(await application.api.post(REVOKE, json=body), "invalid_request_parameters", 422)[
        "errors"
    ]
    assert [item["field"] for item in items] == ["session_id"]


async def test_deleting_a_user_deletes_its_sessions(application: Application) -> None:
    user = await application.user()
    sid = claims(await application.sign_in(user))["sid"]
    assert (await application.api.delete(f"/user_management/users/{user['id']}")).status_code == 200
    refused(await application.api.post(REVOKE, json={"session_id": sid}), "entity_not_found", 404)


async def test_sign_in_sets_last_sign_in_at_without_an_event(application: Application) -> None:
    user = await application.member()
    path = f"/user_management/users/{user['id']}"
    application.clock.advance(60)
    pending = await application.begin(user)
    assert fields(await application.api.get(path), 200)["last_sign_in_at"] is None
    application.clock.advance(5.25)
    signed_in = fields(await application.answer(pending), 200)["user"]
    assert signed_in["last_sign_in_at"] == "2023-11-14T22:14:35.250Z"
    assert signed_in == {**user, "last_sign_in_at": signed_in["last_sign_in_at"]}
    assert fields(await application.api.get(path), 200) == signed_in
    assert await application.events("user.updated") == []
