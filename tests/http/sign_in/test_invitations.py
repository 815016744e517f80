"""Invitations: who is invited, what a token opens, and that it does so once."""

import asyncio
from collections import Counter
from typing import Final

import httpx
import pytest

from tests.support.application import SECRET, Application, Json, Pending, oauth_refused, refused
from tests.support.clock import DAY
from tests.support.mailed import enter, magic, mails, send_mail, set_sign_in
from tests.support.server_process import fields

PATH: Final = "/user_management/invitations"
EMAIL: Final = "new@example.org"
RACERS: Final = 50


async def post(application: Application, path: str = "", **body: object) -> httpx.Response:
    return await application.api.post(f"{PATH}{path}", json=body)


async def invite(application: Application, email: str = EMAIL, **more: object) -> Json:
    return fields(await post(application, "", email=email, **more), 201)


async def get(application: Application, made: Json) -> Json:
    return fields(await application.api.get(f"{PATH}/{made['id']}"), 200)


async def test_an_invitation_opens_sign_up_where_it_is_closed(application: Application) -> None:
    await set_sign_in(application, sign_up="closed")
    inviter = await application.user()
    made = await invite(application, inviter_user_id=inviter["id"])
    assert made["state"] == "pending"
    assert (made["inviter_user_id"], made["organization_id"], made["accepted_at"]) == (
        inviter["id"],
        None,
        None,
    )
    assert len(made["token"]) == 25
    url = f"{application.af.settings.base_url}/invitation?invitation_token={made['token']}"
    assert made["accept_invitation_url"] == url
    # Without an organization, any email may use it.
    email = "else@example.org"
    code = (await magic(application, email, invitation_token=made["token"]))["code"]
    assert (await get(application, made))["state"] == "pending"
    tokens = fields(await enter(application, email, code, invitation_token=made["token"]), 200)
    accepted = await get(application, made)
    assert (accepted["state"], accepted["accepted_user_id"]) == ("accepted", tokens["user"]["id"])
    names = ("invitation.created", "invitation.accepted", "session.created")
    events = await application.events(*names)
    assert [event["event"] for event in events] == list(names)
    assert not {"token", "accept_invitation_url"} & set(events[0]["data"])
    answer = await application.api.post(
        "/user_management/magic_auth", json={"email": "third@example.org", "invitation_token": made["token"]}
    )
    oauth_refused(answer, "invitation_invalid")


async def test_a_bad_invitation_uses_up_neither_code_nor_password(application: Application) -> None:
    made, user = await invite(application), await application.member()
    fields(await post(application, f"/{made['id']}/revoke"), 200)
    code = (await magic(application, user["email"]))["code"]
    for token in (made["token"], "x" * 25):
        oauth_refused(
            await enter(application, user["email"], code, invitation_token=token), "invitation_invalid"
        )
        oauth_refused(await application.password(user, invitation_token=token), "invitation_invalid")
        body = {"code": application.code(), "invitation_token": token}
        oauth_refused(await application.password(user, **body), "invitation_invalid")
    fields(await enter(application, user["email"], code), 403)
    fields(await application.password(user, code=application.code()), 200)
    assert len(await application.events("authentication.password_failed")) == 0


async def test_a_bad_invitation_tells_nothing_about_a_password_beyond_the_limit(
    application: Application,
) -> None:
    user = await application.user()
    done = await asyncio.gather(
        *(application.password(user, "wrong password", invitation_token="x") for _ in range(RACERS))
    )
    assert not [each for each in done if "error" in each.json()]
    refused(await application.password(user, invitation_token="x"), "too_many_password_attempts")


async def test_a_password_accepts_an_invitation_with_its_session(application: Application) -> None:
    made, member = await invite(application), await application.member()
    pending = Pending(fields(await application.password(member, invitation_token=made["token"]), 403), SECRET)
    assert (await get(application, made))["state"] == "pending"
    fields(await application.answer(pending), 200)
    assert (await get(application, made))["accepted_user_id"] == member["id"]


async def test_an_invitation_revoked_meanwhile_spends_no_second_factor(application: Application) -> None:
    made, member = await invite(application), await application.member()
    pending = Pending(fields(await application.password(member, invitation_token=made["token"]), 403), SECRET)
    fields(await post(application, f"/{made['id']}/revoke"), 200)
    oauth_refused(await application.answer(pending), "invitation_invalid")
    assert await application.count_sessions() == 0
    fields(await application.answer(await application.begin(member)), 200)


async def test_of_fifty_sign_ins_with_one_invitation_one_accepts_it(application: Application) -> None:
    made = await invite(application)
    users = [await application.user() for _ in range(RACERS)]
    done = await asyncio.gather(
        *(application.password(user, invitation_token=made["token"]) for user in users)
    )
    assert Counter(each.status_code for each in done)[200] == 1
    assert await application.count_sessions() == 1
    assert len(await application.events("invitation.accepted")) == 1


async def test_of_fifty_invitations_of_one_email_one_is_made(application: Application) -> None:
    done = await asyncio.gather(*(post(application, email=EMAIL) for _ in range(RACERS)))
    codes = Counter(each.json().get("code", "made") for each in done)
    assert codes == {"made": 1, "email_already_invited": RACERS - 1}


async def test_the_call_accepts_for_the_user_of_the_email_alone(application: Application) -> None:
    made = await invite(application)
    refused(await post(application, f"/{made['id']}/accept"), "invalid_invite")
    user = await application.user(email=EMAIL.upper())
    done = await asyncio.gather(*(post(application, f"/{made['id']}/accept") for _ in range(5)))
    assert Counter(each.status_code for each in done) == {200: 1, 400: 4}
    assert (await get(application, made))["accepted_user_id"] == user["id"]
    for action in ("accept", "revoke"):
        refused(await post(application, f"/{made['id']}/{action}"), "invite_not_pending")
    refused(await post(application, f"/{made['id']}/resend"), "invite_accepted")


async def test_who_has_a_user_or_an_invitation_is_not_invited(application: Application) -> None:
    user = await application.user()
    refused(await post(application, email=user["email"].upper()), "user_already_exists")
    made = await invite(application)
    refused(await post(application, email=EMAIL.upper()), "email_already_invited")
    fields(await post(application, f"/{made['id']}/revoke"), 200)
    again = await invite(application, expires_in_days=1)
    application.clock.advance(DAY)
    assert (await get(application, again))["state"] == "expired"
    refused(await post(application, f"/{again['id']}/resend"), "invite_expired")
    refused(await post(application, f"/{again['id']}/revoke"), "invite_not_pending")
    oauth_refused(await application.password(user, invitation_token=again["token"]), "invitation_invalid")
    await invite(application)


async def test_a_revoked_invitation_opens_nothing(application: Application) -> None:
    made = await invite(application)
    revoked = fields(await post(application, f"/{made['id']}/revoke"), 200)
    assert (revoked["state"], revoked["accepted_at"]) == ("revoked", None)
    assert revoked["revoked_at"] is not None
    body = {"email": EMAIL, "invitation_token": made["token"]}
    answer = await application.api.post("/user_management/magic_auth", json=body)
    oauth_refused(answer, "invitation_invalid")
    refused(await post(application, f"/{made['id']}/resend"), "invite_revoked")
    assert [each["event"] for each in await application.events("invitation.revoked")] == [
        "invitation.revoked"
    ]


async def test_reading_an_invitation_uses_nothing(application: Application) -> None:
    made = await invite(application)
    for _ in range(3):
        assert await get(application, made) == made
        found = fields(await application.api.get(f"{PATH}/by_token/{made['token']}"), 200)
        assert found == made
    assert (await application.api.get(f"{PATH}/by_token/{'x' * 25}")).status_code == 404


async def test_another_environment_knows_nothing_of_it(application: Application) -> None:
    made = await invite(application)
    for path in (f"/{made['id']}", f"/by_token/{made['token']}"):
        assert (await application.other.get(f"{PATH}{path}")).status_code == 404
    for action in ("accept", "revoke", "resend"):
        answer = await application.other.post(f"{PATH}/{made['id']}/{action}")
        assert fields(answer, 404)["code"] == "entity_not_found"
    body = {"email": EMAIL, "invitation_token": made["token"]}
    answer = await application.other.post("/user_management/magic_auth", json=body)
    oauth_refused(answer, "invitation_invalid")
    assert fields(await application.other.get(PATH), 200)["data"] == []


async def test_mail_has_the_link_and_is_sent_again_on_request(application: Application) -> None:
    await send_mail(application)
    await set_sign_in(application, invitation_url="https://app.example.org/welcome")
    made = await invite(application, locale="de")
    url = f"https://app.example.org/welcome?invitation_token={made['token']}"
    again = fields(await post(application, f"/{made['id']}/resend"), 200)
    assert (again["token"], again["expires_at"]) == (made["token"], made["expires_at"])
    assert await mails(application) == [("invitation", EMAIL, {"url": url})] * 2
    fields(await post(application, f"/{made['id']}/revoke"), 200)
    assert await mails(application) == []
    assert len(await application.events("invitation.resent")) == 1


async def test_lists_are_filtered_and_paged(application: Application) -> None:
    made = [await invite(application, f"kim{number}@example.com") for number in range(3)]
    page = fields(await application.api.get(PATH, params={"limit": "2"}), 200)
    assert [each["id"] for each in page["data"]] == [made[2]["id"], made[1]["id"]]
    after = page["list_metadata"]["after"]
    rest = fields(await application.api.get(PATH, params={"after": after}), 200)
    assert rest["data"] == [made[0]]
    found = fields(await application.api.get(PATH, params={"email": "KIM1@example.com"}), 200)
    assert found["data"] == [made[1]]
    for query, code in (
        ({"organization_id": "org_1"}, "organization_id_not_supported"),
        ({"after": "invitation_01"}, "after_invalid"),
        ({"before": "invitation_01"}, "before_invalid"),
    ):
        body = fields(await application.api.get(PATH, params=query), 422)
        assert body["errors"][0]["code"] == code


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"expires_in_days": 0}, 400, "expires_in_days_too_short"),
        ({"expires_in_days": 31}, 400, "expires_in_days_too_long"),
        ({"inviter_user_id": "user_01"}, 404, "entity_not_found"),
        ({"organization_id": "org_1"}, 422, "invalid_request_parameters"),
        ({"role_slug": "admin"}, 422, "invalid_request_parameters"),
        ({"email": "kim"}, 422, "invalid_request_parameters"),
    ],
)
async def test_what_is_not_served_or_not_possible_is_refused(
    application: Application, body: Json, status: int, code: str
) -> None:
    answer = await post(application, **{"email": EMAIL, **body})
    assert fields(answer, status)["code"] == code


async def test_invitations_are_deleted_with_their_user_and_their_events(application: Application) -> None:
    await invite(application)
    user = await application.user(email=EMAIL)
    kept = await invite(application, "kept@example.org")
    assert (await application.api.delete(f"/user_management/users/{user['id']}")).status_code == 200
    assert application.sql("SELECT id FROM invitations") == [(kept["id"],)]
    application.clock.advance(98 * DAY)
    await application.af.retention.run(application.af.store)
    assert application.sql("SELECT id FROM invitations") == []
