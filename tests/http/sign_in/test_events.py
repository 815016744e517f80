"""The events of a sign-in in `GET /events`: which are recorded, their data, and how they are queried."""

import asyncio
from itertools import pairwise
from urllib.parse import quote

import pytest

from authfactor.rules.events.event_log import REFUSAL_BURST
from authfactor.settings import Settings
from tests.support import response_assertions
from tests.support.application import MFA_TOTP, OTHER_CLIENT, OTHER_KEY, PASSWORD, Application, Json, refused
from tests.support.server_process import fields

PASSWORD_SUCCEEDED, PASSWORD_FAILED = "authentication.password_succeeded", "authentication.password_failed"
MFA_SUCCEEDED, MFA_FAILED = "authentication.mfa_succeeded", "authentication.mfa_failed"
CREATED, REVOKED = "session.created", "session.revoked"
SIGN_IN_EVENTS = (PASSWORD_SUCCEEDED, PASSWORD_FAILED, MFA_SUCCEEDED, MFA_FAILED, CREATED, REVOKED)
ORIGIN: Json = {"ip_address": "203.0.113.9", "user_agent": "Mozilla/5.0"}


def names(events: list[Json]) -> list[str]:
    return [event["event"] for event in events]


async def create_three_users(application: Application) -> list[str]:
    """Create three users, a second apart, and return the ids of their events."""
    for _ in range(3):
        application.clock.advance(1)
        await application.user()
    return [event["id"] for event in await application.events("user.created")]


async def page(application: Application, query: str) -> Json:
    body = fields(await application.api.get(f"/events?{query}"), 200)
    assert body["object"] == "list"
    return body


async def test_failure_events_for_unknown_emails_are_limited(application: Application) -> None:
    attempts_allowed = Settings().passwords_per_address
    for number in range(attempts_allowed + REFUSAL_BURST + 30):
        await application.password({"email": f"unknown-{number}@example.org"}, **ORIGIN)
    query = f"events={PASSWORD_FAILED}&limit=100"
    body = await page(application, query)
    found = len(body["data"])
    while after := body["list_metadata"]["after"]:
        body = await page(application, f"{query}&after={after}")
        found += len(body["data"])
    assert found == attempts_allowed + REFUSAL_BURST


async def test_password_success_is_recorded_before_the_code(application: Application) -> None:
    user = await application.member()
    pending = fields(await application.password(user, **ORIGIN), 403)
    (event,) = await application.events(*SIGN_IN_EVENTS)
    assert set(event) == {"object", "id", "event", "data", "created_at", "context"}
    assert (event["object"], event["event"]) == ("event", PASSWORD_SUCCEEDED)
    response_assertions.assert_id(event["id"], "event")
    response_assertions.moment(event["created_at"])
    identity = {"user_id": user["id"], "email": user["email"], **ORIGIN}
    assert event["data"] == {"type": "password", "status": "succeeded", **identity}

    response = await application.grant(
        MFA_TOTP,
        code=application.code(),
        pending_authentication_token=pending["pending_authentication_token"],
        authentication_challenge_id=pending["authentication_challenge"]["id"],
        **ORIGIN,
    )
    assert response.status_code == 200
    events = await application.events(*SIGN_IN_EVENTS)
    assert names(events) == [PASSWORD_SUCCEEDED, MFA_SUCCEEDED, CREATED]
    assert events[1]["data"] == {"type": "mfa", "status": "succeeded", **identity}
    assert events[2]["data"] == (await application.sessions(user))[0]
    assert all(first["id"] < second["id"] for first, second in pairwise(events))


async def test_wrong_code_records_a_failure_with_its_reason(application: Application) -> None:
    user = await application.member()
    pending = await application.begin(user)
    await application.answer(pending, application.wrong(), **ORIGIN)
    (event,) = await application.events(MFA_FAILED, MFA_SUCCEEDED, CREATED)
    assert event["data"] == {
        "type": "mfa",
        "status": "failed",
        "user_id": user["id"],
        "email": user["email"],
        **ORIGIN,
        "error": {"code": "invalid_one_time_code", "message": "The code is not valid."},
    }


async def test_replayed_code_records_a_failure_and_a_replay_event(application: Application) -> None:
    user = await application.member()
    code = application.code()
    await application.answer(await application.begin(user), code)
    await application.answer(await application.begin(user), code)
    (failure,) = await application.events(MFA_FAILED)
    assert failure["data"]["error"]["code"] == "one_time_code_previously_used"
    (warning,) = await application.events("authfactor.replay_refused")
    assert warning["data"]["user_id"] == user["id"]


async def test_wrong_password_records_a_failure(application: Application) -> None:
    user = await application.user()
    await application.password(user, "not this one", **ORIGIN)
    (event,) = await application.events(*SIGN_IN_EVENTS)
    assert event["event"] == PASSWORD_FAILED
    error = {"code": "invalid_credentials", "message": f"Invalid credentials for '{user['email']}'."}
    identity = {"user_id": user["id"], "email": user["email"], **ORIGIN}
    assert event["data"] == {"type": "password", "status": "failed", **identity, "error": error}


async def test_unknown_email_records_a_failure_without_a_user(application: Application) -> None:
    await application.grant("password", email="unknown@example.org", password=PASSWORD)
    (event,) = await application.events(*SIGN_IN_EVENTS)
    assert event["event"] == PASSWORD_FAILED
    assert event["data"]["user_id"] is None
    assert event["data"]["email"] == "unknown@example.org"
    assert (event["data"]["ip_address"], event["data"]["user_agent"]) == (None, None)


async def test_event_stores_little_of_a_strangers_long_texts(application: Application) -> None:
    """Each refused sign-in is an event that is kept for months; a body has up to 64 KiB."""
    long: Json = dict.fromkeys(("email", "ip_address", "user_agent"), "\0" + "x" * 10_000)
    answer = refused(await application.grant("password", password=PASSWORD, **long), "invalid_credentials")
    assert len(answer["message"]) > 10_000
    ((stored,),) = application.sql("SELECT length(data) FROM events")
    assert isinstance(stored, int)
    assert stored < 2500


async def test_requests_with_invalid_credentials_record_no_event(application: Application) -> None:
    user = await application.member()
    await application.password(user, client_secret="sk_wrong")
    await application.refresh("x")
    pending = await application.begin(user)
    await application.answer(pending, pending_authentication_token="x")
    assert names(await application.events(*SIGN_IN_EVENTS)) == [PASSWORD_SUCCEEDED]


async def test_refresh_records_no_event(application: Application) -> None:
    tokens = await application.sign_in(await application.user())
    assert (await application.refresh(tokens["refresh_token"])).status_code == 200
    assert names(await application.events(*SIGN_IN_EVENTS)) == [PASSWORD_SUCCEEDED, CREATED]


async def test_events_of_another_environment_are_not_listed(application: Application) -> None:
    user = await application.user(application.other)
    response = await application.password(user, client_id=OTHER_CLIENT, client_secret=OTHER_KEY)
    assert response.status_code == 200
    assert await application.events(*SIGN_IN_EVENTS, "user.created") == []


async def test_event_ids_are_ordered_under_concurrency(application: Application) -> None:
    users = [await application.user() for _ in range(8)]
    await asyncio.gather(*(application.password(user) for user in users))
    events = await application.events(*SIGN_IN_EVENTS)
    assert len(events) == 16
    assert all(first["id"] < second["id"] for first, second in pairwise(events))


@pytest.mark.parametrize(
    "query",
    [
        "events=user.created,session.created",
        "events=user.created%2Csession.created",
        "events=user.created&events=session.created",
        "events[0]=user.created&events[1]=session.created",
        "events%5B0%5D=user.created&events%5B1%5D=session.created",
        "events[]=user.created&events[]=session.created",
        "events=user.created,,session.created,user.created",
        "events=user.created,session.created,no.such.event",
    ],
)
async def test_events_parameter_accepts_every_array_syntax(application: Application, query: str) -> None:
    await application.sign_in(await application.user())
    assert names((await page(application, query))["data"]) == ["user.created", "session.created"]


@pytest.mark.parametrize("query", ["", "events=", "events[]=", "events=,", "limit=5", "event=user.created"])
async def test_request_without_event_names_is_refused(application: Application, query: str) -> None:
    body = refused(await application.api.get(f"/events?{query}"), "invalid_events_request")
    assert body["message"].endswith("must be provided using the events parameter.")


async def test_authfactor_events_are_listed_only_by_name(application: Application) -> None:
    user = await application.user()
    await application.enroll(user)
    assert names((await page(application, "events=user.created"))["data"]) == ["user.created"]
    assert names((await page(application, "events=authfactor.factor_enrolled"))["data"]) == [
        "authfactor.factor_enrolled"
    ]
    assert (await page(application, "events=authfactor"))["data"] == []


async def test_events_are_oldest_first_by_default(application: Application) -> None:
    ids = await create_three_users(application)
    for order, expected in (
        ("", ids),
        ("&order=asc", ids),
        ("&order=desc", ids[::-1]),
        ("&order=normal", ids[::-1]),
    ):
        data = (await page(application, f"events=user.created{order}"))["data"]
        assert [event["id"] for event in data] == expected, order


async def test_after_cursor_returns_later_events(application: Application) -> None:
    ids = await create_three_users(application)
    first = await page(application, "events=user.created&limit=2")
    assert [event["id"] for event in first["data"]] == ids[:2]
    assert first["list_metadata"]["after"] == ids[1]
    last = await page(application, f"events=user.created&limit=2&after={ids[1]}")
    assert [event["id"] for event in last["data"]] == ids[2:]
    assert last["list_metadata"]["after"] is None
    assert (await page(application, f"events=user.created&after={ids[2]}"))["data"] == []
    await application.user()
    (late,) = (await page(application, f"events=user.created&after={ids[2]}"))["data"]
    assert late["id"] > ids[2]


async def test_cursor_may_be_an_event_of_another_name(application: Application) -> None:
    ids = await create_three_users(application)
    await application.sign_in(await application.user())
    data = (await page(application, f"events=session.created&after={ids[0]}"))["data"]
    assert names(data) == ["session.created"]


async def test_unknown_or_foreign_cursor_is_refused(application: Application) -> None:
    await application.user(application.other)
    foreign = fields(await application.other.get("/events?events=user.created"), 200)["data"][0]["id"]
    for field in ("after", "before"):
        for cursor in (foreign, "event_01KXM8HJK2M4N6P8R0S2T4V6W8", "x"):
            response = await application.api.get(f"/events?events=user.created&{field}={cursor}")
            items = refused(response, "invalid_request_parameters", 422)["errors"]
            assert [item["field"] for item in items] == [field]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("range_start=2023-11-14T22:13:32.000Z", [1, 2]),
        ("range_start=2023-11-14T22:13:32.001Z", [2]),
        ("range_end=2023-11-14T22:13:32.000Z", [0]),
        ("range_start=2023-11-14T22:13:31Z&range_end=2023-11-14T22:13:33Z", [0, 1]),
        ("range_start=2023-11-14T23:13:32%2B01:00", [1, 2]),
        ("range_start=2023-11-14T23:13:32+01:00", [1, 2]),
        ("range_start=2023-11-15", []),
        ("range_start=&range_end=", [0, 1, 2]),
    ],
)
async def test_range_includes_its_start_and_excludes_its_end(
    application: Application, query: str, expected: list[int]
) -> None:
    ids = await create_three_users(application)
    data = (await page(application, f"events=user.created&{query}"))["data"]
    assert [ids.index(event["id"]) for event in data] == expected


async def test_after_cursor_overrides_range_start(application: Application) -> None:
    ids = await create_three_users(application)
    query = f"events=user.created&after={ids[0]}&range_start=2030-01-01T00:00:00Z"
    assert [event["id"] for event in (await page(application, query))["data"]] == ids[1:]


@pytest.mark.parametrize("field", ["range_start", "range_end"])
@pytest.mark.parametrize(
    "text", ["yesterday", "1700000000", "2023-13-01", "0001-01-01T00:00:00+23:59", "☃", "9" * 400]
)
async def test_malformed_range_bound_is_refused(application: Application, field: str, text: str) -> None:
    response = await application.api.get(f"/events?events=user.created&{field}={quote(text)}")
    if text.startswith("0001"):  # a valid time, though before any event
        assert response.status_code == 200
        return
    items = refused(response, "invalid_request_parameters", 422)["errors"]
    assert [item["code"] for item in items] == [f"{field}_invalid"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "order=up"])
async def test_invalid_limit_or_order_is_refused(application: Application, query: str) -> None:
    refused(
        await application.api.get(f"/events?events=user.created&{query}"), "invalid_request_parameters", 422
    )


async def test_events_require_an_api_key(application: Application) -> None:
    response = await application.api.get("/events?events=user.created", headers={"authorization": "Bearer x"})
    assert response.status_code == 401
