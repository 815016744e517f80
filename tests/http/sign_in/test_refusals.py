"""Every error of `POST /user_management/authenticate`: status, fields and code."""

import json
from typing import Any

import httpx
import pytest

from authfactor.http.api.authentication import DEVICE_CODE
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

COMPLETE_BODIES: dict[str, dict[str, str]] = {
    "password": {"client_id": CLIENT, "client_secret": KEY, "email": "kim@example.org", "password": "x"},
    "refresh_token": {"client_id": CLIENT, "refresh_token": "x"},
    DEVICE_CODE: {"client_id": CLIENT, "device_code": "x"},
    MFA_TOTP: {
        "client_id": CLIENT,
        "client_secret": KEY,
        "code": "123456",
        "pending_authentication_token": "x",
        "authentication_challenge_id": "x",
    },
}
MISSING = [
    (grant, field, absence)
    for grant, body in COMPLETE_BODIES.items()
    for field in body
    for absence in ("absent", "null", "empty")
    if (field, absence) != ("code", "empty")  # an empty code is malformed, not missing
]


@pytest.mark.parametrize(
    "grant_type",
    [None, "", "client_credentials", "PASSWORD", "urn:ietf:params:oauth:grant-type:token-exchange"],
)
async def test_unsupported_grant_type_is_an_invalid_request(
    application: Application, grant_type: str | None
) -> None:
    body = {**COMPLETE_BODIES["password"], "grant_type": grant_type}
    assert "grant_type" in oauth_refused(
        await application.api.post(AUTHENTICATE, json=body), "invalid_request"
    )


@pytest.mark.parametrize(("grant_type", "field", "absence"), MISSING)
async def test_missing_field_is_named(
    application: Application, grant_type: str, field: str, absence: str
) -> None:
    body: dict[str, str | None] = {**COMPLETE_BODIES[grant_type], "grant_type": grant_type}
    if absence == "absent":
        del body[field]
    else:
        body[field] = None if absence == "null" else ""
    text = oauth_refused(await application.api.post(AUTHENTICATE, json=body), "invalid_request")
    assert text == f"Missing: {field}."


NOT_OBJECTS = [b"", b"null", b"[]", b"{}", b"{", b"[1]", b'"text"', b"\xff\xfe", b"[" * 9000]
TRUNCATED = [b'{"email":5,', b'{"email":5,"x":' + b"[" * 9000]


@pytest.mark.parametrize("body", [*NOT_OBJECTS, *TRUNCATED])
async def test_body_without_fields_is_an_invalid_request(application: Application, body: bytes) -> None:
    response = await application.api.post(
        AUTHENTICATE, content=body, headers={"content-type": "application/json"}
    )
    oauth_refused(response, "invalid_request")


@pytest.mark.parametrize("body", [b"", b"grant_type", b"\xff=\xff", b"=&=&"])
async def test_form_without_fields_is_an_invalid_request(application: Application, body: bytes) -> None:
    response = await application.api.post(
        AUTHENTICATE, content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    oauth_refused(response, "invalid_request")


@pytest.mark.parametrize(
    "field", ["grant_type", "client_id", "client_secret", "email", "password", "ip_address"]
)
async def test_field_of_the_wrong_type_is_named_without_its_value(
    application: Application, field: str
) -> None:
    body: dict[str, Any] = {**COMPLETE_BODIES["password"], "grant_type": "password", field: {"s3cret": 1}}
    response = await application.api.post(AUTHENTICATE, json=body)
    items = refused(response, "invalid_request_parameters", 422)["errors"]
    assert [item["field"] for item in items] == [field]
    assert "s3cret" not in response.text


@pytest.mark.parametrize("grant_type", ["password", MFA_TOTP, "refresh_token"])
@pytest.mark.parametrize(
    ("client_id", "client_secret"),
    [
        (CLIENT, "sk_unknown"),
        (CLIENT, OTHER_KEY),
        (OTHER_CLIENT, KEY),
        ("client_unknown", KEY),
        (CLIENT.upper(), KEY),
        (CLIENT, f"{KEY} "),
        ("client_☃", "☃"),
    ],
)
async def test_mismatched_client_credentials_are_an_invalid_client(
    application: Application, grant_type: str, client_id: str, client_secret: str
) -> None:
    # The API key in the header does not count: only the credentials in the body do.
    credentials = {"grant_type": grant_type, "client_id": client_id, "client_secret": client_secret}
    body = {**COMPLETE_BODIES[grant_type], **credentials}
    text = oauth_refused(await application.api.post(AUTHENTICATE, json=body), "invalid_client")
    assert text == "Invalid client ID or client secret."


async def test_unknown_public_client_is_refused(application: Application) -> None:
    response = await application.refresh("x", client_id="client_unknown", client_secret=None)
    oauth_refused(response, "invalid_client")


async def test_revoked_api_key_is_refused_within_a_second(application: Application) -> None:
    user = await application.user()
    environment = await application.environment()
    record, key = await application.af.run(application.af.environments.new_key(environment, "short-lived"))
    assert (await application.password(user, client_secret=key)).status_code == 200
    await application.af.run(application.af.environments.revoke_key(environment, record.id))
    application.clock.advance(1)
    oauth_refused(await application.password(user, client_secret=key), "invalid_client")


async def test_no_authorization_header_is_needed(application: Application) -> None:
    user = await application.user()
    body = {
        **COMPLETE_BODIES["password"],
        "grant_type": "password",
        "email": user["email"],
        "password": PASSWORD,
    }
    del application.api.headers["authorization"]
    assert (await application.api.post(AUTHENTICATE, json=body)).status_code == 200


async def test_unknown_emails_and_wrong_passwords_get_the_same_response(application: Application) -> None:
    with_password = await application.user()
    without_password = await application.user(password=None)
    responses = {
        "wrong": await application.password(with_password, "not this one"),
        "unknown": await application.grant("password", email="unknown@example.org", password=PASSWORD),
        "no password": await application.password(without_password),
        "other environment": await application.password(await application.user(application.other)),
        "empty hash": await application.password(without_password, "\0"),
    }
    for name, response in responses.items():
        body = refused(response, "invalid_credentials")
        email = json.loads(response.request.content)["email"]
        assert body == {"code": "invalid_credentials", "message": f"Invalid credentials for '{email}'."}, name


async def test_wrong_code_is_an_invalid_one_time_code(application: Application) -> None:
    pending = await application.begin(await application.member())
    for code in (application.wrong(), application.code(ahead=-30), application.code(ahead=30)):
        body = refused(await application.answer(pending, code), "invalid_one_time_code")
        assert set(body) == {"code", "message", "reason"}
        assert body["reason"] == "code_mismatch"


async def test_error_for_an_old_code_mentions_the_phones_clock(application: Application) -> None:
    pending = await application.begin(await application.member())
    body = refused(await application.answer(pending, application.code(ahead=-4)), "invalid_one_time_code")
    assert "clock" in body["message"]


async def test_code_works_once_across_challenges_and_sign_ins(application: Application) -> None:
    user = await application.member()
    code = application.code()
    assert (await application.answer(await application.begin(user), code)).status_code == 200
    second_sign_in = await application.begin(user)
    refused(await application.answer(second_sign_in, code), "one_time_code_previously_used")
    refused(
        await application.answer(second_sign_in, application.code(ahead=-1)), "one_time_code_previously_used"
    )
    assert (await application.answer(second_sign_in, application.code(ahead=1))).status_code == 200


async def test_completed_challenge_is_refused_for_another_sign_in(application: Application) -> None:
    user = await application.member()
    first, second = await application.begin(user), await application.begin(user)
    assert (await application.answer(first)).status_code == 200
    application.clock.advance(30)
    response = await application.answer(second, authentication_challenge_id=first.challenge)
    refused(response, "one_time_code_previously_used")
    assert (await application.answer(second)).status_code == 200


async def test_challenge_verified_outside_the_sign_in_is_refused(
    application: Application,
) -> None:
    pending = await application.begin(await application.member())
    path = f"/auth/challenges/{pending.challenge}/verify"
    assert (await application.api.post(path, json={"code": application.code()})).json()["valid"] is True
    application.clock.advance(30)
    refused(await application.answer(pending), "one_time_code_previously_used")


async def test_expired_challenge_is_refused(application: Application) -> None:
    user = await application.member()
    expired = await application.begin(user)
    application.clock.advance(10 * MINUTE)
    current = await application.begin(user)
    refused(
        await application.answer(current, authentication_challenge_id=expired.challenge),
        "one_time_code_expired",
    )
    assert (await application.answer(current)).status_code == 200


async def test_five_wrong_codes_exhaust_only_the_challenge(
    application: Application,
) -> None:
    user = await application.member()
    pending = await application.begin(user)
    for _ in range(5):
        refused(await application.answer(pending, application.wrong()), "invalid_one_time_code")
    for code in (application.wrong(), application.code()):
        refused(await application.answer(pending, code), "one_time_code_too_many_attempts")
    factor = pending.body["authentication_factors"][0]["id"]
    new_challenge = (await application.api.post(f"/auth/factors/{factor}/challenge")).json()["id"]
    assert (await application.answer(pending, authentication_challenge_id=new_challenge)).status_code == 200


async def test_correct_code_is_refused_while_the_user_is_locked(application: Application) -> None:
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


async def test_another_users_challenge_is_refused_without_counting(
    application: Application,
) -> None:
    kim, sam = await application.member(), await application.user()
    secret = SECRET[::-1]
    sams_challenge = (await application.enroll(sam, totp_secret=secret))["authentication_challenge"]["id"]
    standalone = await application.api.post(
        "/auth/factors/enroll", json={"type": "totp", "totp_issuer": "Acme", "totp_user": "standalone"}
    )
    standalone_challenge = (
        await application.api.post(f"/auth/factors/{standalone.json()['id']}/challenge")
    ).json()["id"]
    pending = await application.begin(kim)
    for _ in range(6):
        for challenge in (sams_challenge, standalone_challenge):
            response = await application.answer(
                pending, application.code(secret), authentication_challenge_id=challenge
            )
            refused(response, "user_mismatch")
    assert (await application.answer(pending)).status_code == 200
    assert (await application.answer(await application.begin(sam, secret))).status_code == 200


async def test_unknown_challenge_is_not_found(application: Application) -> None:
    pending = await application.begin(await application.member())
    foreign = await _foreign_challenge(application)
    for challenge in ("auth_challenge_01KXM8G7H9K1M3P5R7T9V1X3Z5", "x", "☃", foreign):
        response = await application.answer(pending, authentication_challenge_id=challenge)
        body = refused(response, "entity_not_found", 404)
        assert body["entity_id"] == challenge
        assert body["message"] == f"Authentication Challenge not found: '{challenge}'."


async def test_challenge_of_a_deleted_factor_is_not_found(application: Application) -> None:
    pending = await application.begin(await application.member())
    factor = pending.body["authentication_factors"][0]["id"]
    assert (await application.api.delete(f"/auth/factors/{factor}")).status_code == 204
    refused(await application.answer(pending), "entity_not_found", 404)


async def test_unknown_pending_token_is_invalid(application: Application) -> None:
    pending = await application.begin(await application.member())
    for token in ("x", pending.token[:-1], pending.token.swapcase(), f" {pending.token}", "☃"):
        body = refused(
            await application.answer(pending, pending_authentication_token=token),
            "invalid_pending_authentication_token",
        )
        text = f"The pending_authentication_token '{token}' has expired or is invalid."
        assert body == {"code": "invalid_pending_authentication_token", "message": text}


async def test_unknown_refresh_token_is_an_invalid_grant(application: Application) -> None:
    for token in ("x", "☃", "\0", "y" * 5000):
        assert oauth_refused(await application.refresh(token), "invalid_grant") == "Invalid refresh token."


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_methods_other_than_post_are_not_allowed(application: Application, method: str) -> None:
    response = await application.api.request(method, AUTHENTICATE)
    assert response.status_code == 405
    assert response.headers["allow"] == "OPTIONS, POST"


async def _foreign_challenge(application: Application) -> str:
    user = await application.user(application.other)
    path = f"/user_management/users/{user['id']}/auth_factors"
    response: httpx.Response = await application.other.post(
        path, json={"type": "totp", "totp_secret": SECRET}
    )
    return str(response.json()["authentication_challenge"]["id"])
