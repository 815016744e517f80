"""Every way in which `POST /user_management/authenticate` says no: status, shape and code."""

import json
from typing import Any

import httpx
import pytest

from tests.support.application import (
    AUTHENTICATE,
    CLIENT,
    KEY,
    MFA_TOTP,
    OTHER_CLIENT,
    OTHER_KEY,
    PASSWORD,
    SECRET,
    Application,
    oauth_refused,
    refused,
)
from tests.support.clock import MINUTE

WHOLE: dict[str, dict[str, str]] = {
    "password": {"client_id": CLIENT, "client_secret": KEY, "email": "kim@example.org", "password": "x"},
    "refresh_token": {"client_id": CLIENT, "refresh_token": "x"},
    MFA_TOTP: {
        "client_id": CLIENT,
        "client_secret": KEY,
        "code": "123456",
        "pending_authentication_token": "x",
        "authentication_challenge_id": "x",
    },
}
MISSING = [(grant, field) for grant, body in WHOLE.items() for field in body]


@pytest.mark.parametrize(
    "grant_type", [None, "", "authorization_code", "PASSWORD", "urn:ietf:params:oauth:grant-type:device_code"]
)
async def test_a_grant_that_is_not_offered_is_an_invalid_request(
    desk: Application, grant_type: str | None
) -> None:
    body = {**WHOLE["password"], "grant_type": grant_type}
    assert "grant_type" in oauth_refused(await desk.api.post(AUTHENTICATE, json=body), "invalid_request")


@pytest.mark.parametrize(("grant_type", "field"), MISSING)
@pytest.mark.parametrize("how", ["absent", "null", "empty"])
async def test_a_missing_field_is_named(desk: Application, grant_type: str, field: str, how: str) -> None:
    body: dict[str, str | None] = {**WHOLE[grant_type], "grant_type": grant_type}
    if how == "absent":
        del body[field]
    else:
        body[field] = None if how == "null" else ""
    text = oauth_refused(await desk.api.post(AUTHENTICATE, json=body), "invalid_request")
    assert text == f"Missing: {field}."


NO_OBJECTS = [b"", b"null", b"[]", b"{}", b"{", b"[1]", b'"text"', b"\xff\xfe", b"[" * 9000]
CUT_SHORT = [b'{"email":5,', b'{"email":5,"x":' + b"[" * 9000]


@pytest.mark.parametrize("body", [*NO_OBJECTS, *CUT_SHORT])
async def test_a_body_without_fields_is_an_invalid_request(desk: Application, body: bytes) -> None:
    answer = await desk.api.post(AUTHENTICATE, content=body, headers={"content-type": "application/json"})
    oauth_refused(answer, "invalid_request")


@pytest.mark.parametrize("body", [b"", b"grant_type", b"\xff=\xff", b"=&=&"])
async def test_a_form_without_fields_is_an_invalid_request(desk: Application, body: bytes) -> None:
    answer = await desk.api.post(
        AUTHENTICATE, content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    oauth_refused(answer, "invalid_request")


@pytest.mark.parametrize(
    "field", ["grant_type", "client_id", "client_secret", "email", "password", "ip_address"]
)
async def test_a_field_of_another_type_is_named_without_its_value(desk: Application, field: str) -> None:
    body: dict[str, Any] = {**WHOLE["password"], "grant_type": "password", field: {"s3cret": 1}}
    answer = await desk.api.post(AUTHENTICATE, json=body)
    items = refused(answer, "invalid_request_parameters", 422)["errors"]
    assert [item["field"] for item in items] == [field]
    assert "s3cret" not in answer.text


@pytest.mark.parametrize("grant_type", ["password", MFA_TOTP, "refresh_token"])
@pytest.mark.parametrize(
    ("client_id", "client_secret"),
    [
        (CLIENT, "sk_nobodys"),
        (CLIENT, OTHER_KEY),
        (OTHER_CLIENT, KEY),
        ("client_nobodys", KEY),
        (CLIENT.upper(), KEY),
        (CLIENT, f"{KEY} "),
        ("client_☃", "☃"),
    ],
)
async def test_credentials_of_another_client_are_an_invalid_client(
    desk: Application, grant_type: str, client_id: str, client_secret: str
) -> None:
    # The API key in the header does not help: only what the body says counts.
    sent = {"grant_type": grant_type, "client_id": client_id, "client_secret": client_secret}
    body = {**WHOLE[grant_type], **sent}
    text = oauth_refused(await desk.api.post(AUTHENTICATE, json=body), "invalid_client")
    assert text == "Invalid client ID or client secret."


async def test_a_public_client_must_exist(desk: Application) -> None:
    answer = await desk.refresh("x", client_id="client_nobodys", client_secret=None)
    oauth_refused(answer, "invalid_client")


async def test_a_revoked_key_is_an_invalid_client_within_a_second(desk: Application) -> None:
    user = await desk.user()
    environment = await desk.environment()
    record, key = await desk.af.run(desk.af.environments.new_key(environment, "short-lived"))
    assert (await desk.password(user, client_secret=key)).status_code == 200
    await desk.af.run(desk.af.environments.revoke_key(environment, record.id))
    desk.clock.advance(1)
    oauth_refused(await desk.password(user, client_secret=key), "invalid_client")


async def test_no_authorization_header_is_needed(desk: Application) -> None:
    user = await desk.user()
    body = {**WHOLE["password"], "grant_type": "password", "email": user["email"], "password": PASSWORD}
    del desk.api.headers["authorization"]
    assert (await desk.api.post(AUTHENTICATE, json=body)).status_code == 200


async def test_unknown_emails_and_wrong_passwords_get_the_same_answer(desk: Application) -> None:
    with_password = await desk.user()
    without = await desk.user(password=None)
    answers = {
        "wrong": await desk.password(with_password, "not this one"),
        "unknown": await desk.grant("password", email="nobody@example.org", password=PASSWORD),
        "no password": await desk.password(without),
        "other environment": await desk.password(await desk.user(desk.other)),
        "empty hash": await desk.password(without, "\0"),
    }
    for name, answer in answers.items():
        body = refused(answer, "invalid_credentials")
        email = json.loads(answer.request.content)["email"]
        assert body == {"code": "invalid_credentials", "message": f"Invalid credentials for '{email}'."}, name


async def test_a_wrong_code_is_an_invalid_one_time_code(desk: Application) -> None:
    pending = await desk.begin(await desk.member())
    for code in (desk.wrong(), "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\0"):
        body = refused(await desk.answer(pending, code), "invalid_one_time_code")
        assert set(body) == {"code", "message"}
        pending = await desk.begin(await desk.member())


async def test_a_code_of_some_minutes_ago_points_to_the_phones_clock(desk: Application) -> None:
    pending = await desk.begin(await desk.member())
    body = refused(await desk.answer(pending, desk.code(ahead=-4)), "invalid_one_time_code")
    assert "clock" in body["message"]


async def test_a_code_works_once_across_challenges_and_sign_ins(desk: Application) -> None:
    user = await desk.member()
    code = desk.code()
    assert (await desk.answer(await desk.begin(user), code)).status_code == 200
    again = await desk.begin(user)
    refused(await desk.answer(again, code), "one_time_code_previously_used")
    refused(await desk.answer(again, desk.code(ahead=-1)), "one_time_code_previously_used")
    assert (await desk.answer(again, desk.code(ahead=1))).status_code == 200


async def test_a_completed_challenge_cannot_be_used_again(desk: Application) -> None:
    user = await desk.member()
    first, second = await desk.begin(user), await desk.begin(user)
    assert (await desk.answer(first)).status_code == 200
    desk.clock.advance(30)
    answer = await desk.answer(second, authentication_challenge_id=first.challenge)
    refused(answer, "one_time_code_previously_used")
    assert (await desk.answer(second)).status_code == 200


async def test_a_challenge_verified_outside_the_sign_in_cannot_be_used_for_it(desk: Application) -> None:
    pending = await desk.begin(await desk.member())
    path = f"/auth/challenges/{pending.challenge}/verify"
    assert (await desk.api.post(path, json={"code": desk.code()})).json()["valid"] is True
    desk.clock.advance(30)
    refused(await desk.answer(pending), "one_time_code_previously_used")


async def test_an_expired_challenge_is_an_expired_code(desk: Application) -> None:
    user = await desk.member()
    old = await desk.begin(user)
    desk.clock.advance(10 * MINUTE)
    fresh = await desk.begin(user)
    refused(await desk.answer(fresh, authentication_challenge_id=old.challenge), "one_time_code_expired")
    assert (await desk.answer(fresh)).status_code == 200


async def test_five_wrong_codes_use_up_a_challenge_and_not_the_pending_token(desk: Application) -> None:
    user = await desk.member()
    pending = await desk.begin(user)
    for _ in range(5):
        refused(await desk.answer(pending, desk.wrong()), "invalid_one_time_code")
    for code in (desk.wrong(), desk.code()):
        refused(await desk.answer(pending, code), "one_time_code_too_many_attempts")
    factor = pending.body["authentication_factors"][0]["id"]
    fresh = (await desk.api.post(f"/auth/factors/{factor}/challenge")).json()["id"]
    assert (await desk.answer(pending, authentication_challenge_id=fresh)).status_code == 200


async def test_the_right_code_is_refused_while_the_user_is_locked(desk: Application) -> None:
    user = await desk.member()
    for _ in range(2):
        pending = await desk.begin(user)
        for _ in range(5):
            refused(await desk.answer(pending, desk.wrong()), "invalid_one_time_code")
    pending = await desk.begin(user)
    body = refused(await desk.answer(pending), "one_time_code_too_many_attempts")
    assert body["locked_until"] == "2023-11-14T22:28:30.000Z"
    desk.clock.advance(15 * MINUTE)
    assert (await desk.answer(await desk.begin(user))).status_code == 200


async def test_a_challenge_of_another_user_is_a_user_mismatch_and_not_counted(desk: Application) -> None:
    kim, sam = await desk.member(), await desk.user()
    secret = SECRET[::-1]
    theirs = (await desk.enroll(sam, totp_secret=secret))["authentication_challenge"]["id"]
    alone = await desk.api.post(
        "/auth/factors/enroll", json={"type": "totp", "totp_issuer": "Acme", "totp_user": "nobody"}
    )
    nobodys = (await desk.api.post(f"/auth/factors/{alone.json()['id']}/challenge")).json()["id"]
    pending = await desk.begin(kim)
    for _ in range(6):
        for challenge in (theirs, nobodys):
            answer = await desk.answer(pending, desk.code(secret), authentication_challenge_id=challenge)
            refused(answer, "user_mismatch")
    assert (await desk.answer(pending)).status_code == 200
    assert (await desk.answer(await desk.begin(sam, secret))).status_code == 200


async def test_an_unknown_challenge_is_not_found(desk: Application) -> None:
    pending = await desk.begin(await desk.member())
    foreign = await _foreign_challenge(desk)
    for challenge in ("auth_challenge_01KXM8G7H9K1M3P5R7T9V1X3Z5", "x", "☃", foreign):
        answer = await desk.answer(pending, authentication_challenge_id=challenge)
        body = refused(answer, "entity_not_found", 404)
        assert body["entity_id"] == challenge
        assert body["message"] == f"Authentication Challenge not found: '{challenge}'."


async def test_a_challenge_whose_factor_was_deleted_is_not_found(desk: Application) -> None:
    pending = await desk.begin(await desk.member())
    factor = pending.body["authentication_factors"][0]["id"]
    assert (await desk.api.delete(f"/auth/factors/{factor}")).status_code == 204
    refused(await desk.answer(pending), "entity_not_found", 404)


async def test_an_unknown_pending_token_is_invalid(desk: Application) -> None:
    pending = await desk.begin(await desk.member())
    for token in ("x", pending.token[:-1], pending.token.swapcase(), f" {pending.token}", "☃"):
        body = refused(
            await desk.answer(pending, pending_authentication_token=token),
            "invalid_pending_authentication_token",
        )
        text = f"The pending_authentication_token '{token}' has expired or is invalid."
        assert body == {"code": "invalid_pending_authentication_token", "message": text}


async def test_an_unknown_refresh_token_is_an_invalid_grant(desk: Application) -> None:
    for token in ("x", "☃", "\0", "y" * 5000):
        assert oauth_refused(await desk.refresh(token), "invalid_grant") == "Invalid refresh token."


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_not_allowed(desk: Application, method: str) -> None:
    answer = await desk.api.request(method, AUTHENTICATE)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def _foreign_challenge(desk: Application) -> str:
    user = await desk.user(desk.other)
    path = f"/user_management/users/{user['id']}/auth_factors"
    answer: httpx.Response = await desk.other.post(path, json={"type": "totp", "totp_secret": SECRET})
    return str(answer.json()["authentication_challenge"]["id"])
