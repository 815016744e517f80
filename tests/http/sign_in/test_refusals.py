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
    application: Application, grant_type: str | None
) -> None:
    body = {**WHOLE["password"], "grant_type": grant_type}
    assert "grant_type" in oauth_refused(
        await application.api.post(AUTHENTICATE, json=body), "invalid_request"
    )


@pytest.mark.parametrize(("grant_type", "field"), MISSING)
@pytest.mark.parametrize("how", ["absent", "null", "empty"])
async def test_a_missing_field_is_named(
    application: Application, grant_type: str, field: str, how: str
) -> None:
    body: dict[str, str | None] = {**WHOLE[grant_type], "grant_type": grant_type}
    if how == "absent":
        del body[field]
    else:
        body[field] = None if how == "null" else ""
    text = oauth_refused(await application.api.post(AUTHENTICATE, json=body), "invalid_request")
    assert text == f"Missing: {field}."


NO_OBJECTS = [b"", b"null", b"[]", b"{}", b"{", b"[1]", b'"text"', b"\xff\xfe", b"[" * 9000]
CUT_SHORT = [b'{"email":5,', b'{"email":5,"x":' + b"[" * 9000]


@pytest.mark.parametrize("body", [*NO_OBJECTS, *CUT_SHORT])
async def test_a_body_without_fields_is_an_invalid_request(application: Application, body: bytes) -> None:
    answer = await application.api.post(
        AUTHENTICATE, content=body, headers={"content-type": "application/json"}
    )
    oauth_refused(answer, "invalid_request")


@pytest.mark.parametrize("body", [b"", b"grant_type", b"\xff=\xff", b"=&=&"])
async def test_a_form_without_fields_is_an_invalid_request(application: Application, body: bytes) -> None:
    answer = await application.api.post(
        AUTHENTICATE, content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    oauth_refused(answer, "invalid_request")


@pytest.mark.parametrize(
    "field", ["grant_type", "client_id", "client_secret", "email", "password", "ip_address"]
)
async def test_a_field_of_another_type_is_named_without_its_value(
    application: Application, field: str
) -> None:
    body: dict[str, Any] = {**WHOLE["password"], "grant_type": "password", field: {"s3cret": 1}}
    answer = await application.api.post(AUTHENTICATE, json=body)
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
    application: Application, grant_type: str, client_id: str, client_secret: str
) -> None:
    # The API key in the header does not help: only what the body says counts.
    sent = {"grant_type": grant_type, "client_id": client_id, "client_secret": client_secret}
    body = {**WHOLE[grant_type], **sent}
    text = oauth_refused(await application.api.post(AUTHENTICATE, json=body), "invalid_client")
    assert text == "Invalid client ID or client secret."


async def test_a_public_client_must_exist(application: Application) -> None:
    answer = await application.refresh("x", client_id="client_nobodys", client_secret=None)
    oauth_refused(answer, "invalid_client")


async def test_a_revoked_key_is_an_invalid_client_within_a_second(application: Application) -> None:
    user = await application.user()
    environment = await application.environment()
    record, key = await application.af.run(application.af.environments.new_key(environment, "short-lived"))
    assert (await application.password(user, client_secret=key)).status_code == 200
    await application.af.run(application.af.environments.revoke_key(environment, record.id))
    application.clock.advance(1)
    oauth_refused(await application.password(user, client_secret=key), "invalid_client")


async def test_no_authorization_header_is_needed(application: Application) -> None:
    user = await application.user()
    body = {**WHOLE["password"], "grant_type": "password", "email": user["email"], "password": PASSWORD}
    del application.api.headers["authorization"]
    assert (await application.api.post(AUTHENTICATE, json=body)).status_code == 200


async def test_unknown_emails_and_wrong_passwords_get_the_same_answer(application: Application) -> None:
    with_password = await application.user()
    without = await application.user(password=None)
    answers = {
        "wrong": await application.password(with_password, "not this one"),
        "unknown": await application.grant("password", email="nobody@example.org", password=PASSWORD),
        "no password": await application.password(without),
        "other environment": await application.password(await application.user(application.other)),
        "empty hash": await application.password(without, "\0"),
    }
    for name, answer in answers.items():
        body = refused(answer, "invalid_credentials")
        email = json.loads(answer.request.content)["email"]
        assert body == {"code": "invalid_credentials", "message": f"Invalid credentials for '{email}'."}, name


async def test_a_wrong_code_is_an_invalid_one_time_code(application: Application) -> None:
    pending = await application.begin(await application.member())
    for code in (application.wrong(), "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\0"):
        body = refused(await application.answer(pending, code), "invalid_one_time_code")
        assert set(body) == {"code", "message"}
        pending = await application.begin(await application.member())


async def test_a_code_of_some_minutes_ago_points_to_the_phones_clock(application: Application) -> None:
    pending = await application.begin(await application.member())
    body = refused(await application.answer(pending, application.code(ahead=-4)), "invalid_one_time_code")
    assert "clock" in body["message"]


async def test_a_code_works_once_across_challenges_and_sign_ins(application: Application) -> None:
    user = await application.member()
    code = application.code()
    assert (await application.answer(await application.begin(user), code)).status_code == 200
    again = await application.begin(user)
    refused(await application.answer(again, code), "one_time_code_previously_used")
    refused(await application.answer(again, application.code(ahead=-1)), "one_time_code_previously_used")
    assert (await application.answer(again, application.code(ahead=1))).status_code == 200


async def test_a_completed_challenge_cannot_be_used_again(application: Application) -> None:
    user = await application.member()
    first, second = await application.begin(user), await application.begin(user)
    assert (await application.answer(first)).status_code == 200
    application.clock.advance(30)
    answer = await application.answer(second, authentication_challenge_id=first.challenge)
    refused(answer, "one_time_code_previously_used")
    assert (await application.answer(second)).status_code == 200


async def test_a_challenge_verified_outside_the_sign_in_cannot_be_used_for_it(
    application: Application,
) -> None:
    pending = await application.begin(await application.member())
    path = f"/auth/challenges/{pending.challenge}/verify"
    assert (await application.api.post(path, json={"code": application.code()})).json()["valid"] is True
    application.clock.advance(30)
    refused(await application.answer(pending), "one_time_code_previously_used")


async def test_an_expired_challenge_is_an_expired_code(application: Application) -> None:
    user = await application.member()
    old = await application.begin(user)
    application.clock.advance(10 * MINUTE)
    fresh = await application.begin(user)
    refused(
        await application.answer(fresh, authentication_challenge_id=old.challenge), "one_time_code_expired"
    )
    assert (await application.answer(fresh)).status_code == 200


async def test_five_wrong_codes_use_up_a_challenge_and_not_the_pending_token(
    application: Application,
) -> None:
    user = await application.member()
    pending = await application.begin(user)
    for _ in range(5):
        refused(await application.answer(pending, application.wrong()), "invalid_one_time_code")
    for code in (application.wrong(), application.code()):
        refused(await application.answer(pending, code), "one_time_code_too_many_attempts")
    factor = pending.body["authentication_factors"][0]["id"]
    fresh = (await application.api.post(f"/auth/factors/{factor}/challenge")).json()["id"]
    assert (await application.answer(pending, authentication_challenge_id=fresh)).status_code == 200


async def test_the_right_code_is_refused_while_the_user_is_locked(application: Application) -> None:
    user = await application.member()
    for _ in range(2):
        pending = await application.begin(user)
        for _ in range(5):
            refused(await application.answer(pending, application.wrong()), "invalid_one_time_code")
    pending = await application.begin(user)
    body = refused(await application.answer(pending), "one_time_code_too_many_attempts")
    assert body["locked_until"] == "2023-11-14T22:28:30.000Z"
    application.clock.advance(15 * MINUTE)
    assert (await application.answer(await application.begin(user))).status_code == 200


async def test_a_challenge_of_another_user_is_a_user_mismatch_and_not_counted(
    application: Application,
) -> None:
    kim, sam = await application.member(), await application.user()
    secret = SECRET[::-1]
    theirs = (await application.enroll(sam, totp_secret=secret))["authentication_challenge"]["id"]
    alone = await application.api.post(
        "/auth/factors/enroll", json={"type": "totp", "totp_issuer": "Acme", "totp_user": "nobody"}
    )
    nobodys = (await application.api.post(f"/auth/factors/{alone.json()['id']}/challenge")).json()["id"]
    pending = await application.begin(kim)
    for _ in range(6):
        for challenge in (theirs, nobodys):
            answer = await application.answer(
                pending, application.code(secret), authentication_challenge_id=challenge
            )
            refused(answer, "user_mismatch")
    assert (await application.answer(pending)).status_code == 200
    assert (await application.answer(await application.begin(sam, secret))).status_code == 200


async def test_an_unknown_challenge_is_not_found(application: Application) -> None:
    pending = await application.begin(await application.member())
    foreign = await _foreign_challenge(application)
    for challenge in ("auth_challenge_01KXM8G7H9K1M3P5R7T9V1X3Z5", "x", "☃", foreign):
        answer = await application.answer(pending, authentication_challenge_id=challenge)
        body = refused(answer, "entity_not_found", 404)
        assert body["entity_id"] == challenge
        assert body["message"] == f"Authentication Challenge not found: '{challenge}'."


async def test_a_challenge_whose_factor_was_deleted_is_not_found(application: Application) -> None:
    pending = await application.begin(await application.member())
    factor = pending.body["authentication_factors"][0]["id"]
    assert (await application.api.delete(f"/auth/factors/{factor}")).status_code == 204
    refused(await application.answer(pending), "entity_not_found", 404)


async def test_an_unknown_pending_token_is_invalid(application: Application) -> None:
    pending = await application.begin(await application.member())
    for token in ("x", pending.token[:-1], pending.token.swapcase(), f" {pending.token}", "☃"):
        body = refused(
            await application.answer(pending, pending_authentication_token=token),
            "invalid_pending_authentication_token",
        )
        text = f"The pending_authentication_token '{token}' has expired or is invalid."
        assert body == {"code": "invalid_pending_authentication_token", "message": text}


async def test_an_unknown_refresh_token_is_an_invalid_grant(application: Application) -> None:
    for token in ("x", "☃", "\0", "y" * 5000):
        assert oauth_refused(await application.refresh(token), "invalid_grant") == "Invalid refresh token."


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_not_allowed(application: Application, method: str) -> None:
    answer = await application.api.request(method, AUTHENTICATE)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def _foreign_challenge(application: Application) -> str:
    user = await application.user(application.other)
    path = f"/user_management/users/{user['id']}/auth_factors"
    answer: httpx.Response = await application.other.post(path, json={"type": "totp", "totp_secret": SECRET})
    return str(answer.json()["authentication_challenge"]["id"])
