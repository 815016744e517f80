"""Passkeys over HTTP: registered, then the second factor of a sign-in, by clients that know only `code`."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from authfactor import errors
from authfactor.testing.software_authenticator import HONEST, Behavior, SoftwareAuthenticator
from authfactor.wire.requests import Authenticate
from tests.support.application import Application, Json, claims, opened, refused
from tests.support.server_process import fields

ORIGIN: Final = "https://auth.example.org"
RACERS: Final = 50


@pytest.fixture
async def application(database: tuple[Path, str], tmp_path: Path) -> AsyncIterator[Application]:
    async with opened(database[0], tmp_path, database_url=database[1], base_url=ORIGIN) as application:
        yield application


@pytest.fixture
def device() -> SoftwareAuthenticator:
    return SoftwareAuthenticator(random.Random(1).randbytes)


async def register(
    application: Application, user: Json, device: SoftwareAuthenticator, name: str | None = None
) -> Json:
    path = f"/authfactor/users/{user['id']}/passkey_registrations"
    begun = fields(await application.api.post(path, json={"name": name}), 201)
    credential = device.create(begun["public_key"], ORIGIN)
    body = {"credential": credential}
    return fields(await application.api.post(f"{path}/{begun['id']}/verify", json=body), 201)


def asserted(device: SoftwareAuthenticator, challenge: Json, behavior: Behavior = HONEST) -> str:
    return json.dumps(device.get(challenge["webauthn"]["public_key"], ORIGIN, behavior))


async def test_a_registered_passkey_is_a_factor_with_its_details(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user = await application.user()
    made = await register(application, user, device, "Blue key")
    assert made["webauthn"] == {
        "name": "Blue key",
        "aaguid": "00000000-0000-0000-0000-000000000000",
        "product": None,
        "backup_eligible": False,
        "backed_up": False,
        "transports": ["internal"],
    }
    assert (made["type"], made["state"], made["object"]) == ("webauthn", "active", "authentication_factor")
    assert "totp" not in made
    listed = fields(await application.api.get(f"/authfactor/users/{user['id']}/factors"), 200)
    assert listed["data"] == [made]
    workos = fields(await application.api.get(f"/user_management/users/{user['id']}/auth_factors"), 200)
    assert workos["data"] == []
    got = fields(await application.api.get(f"/auth/factors/{made['id']}"), 200)
    assert (got["type"], "totp" in got) == ("webauthn", False)
    path = f"/authfactor/factors/{made['id']}"
    renamed = fields(await application.api.patch(path, json={"name": "Green"}), 200)
    assert renamed["webauthn"]["name"] == renamed["name"] == "Green"
    names = [
        (each["event"], each["data"].get("type"))
        for each in await application.events("authfactor.factor_enrolled", "authfactor.factor_activated")
    ]
    assert names == [("authfactor.factor_enrolled", "webauthn"), ("authfactor.factor_activated", None)]


async def test_refused_registrations_say_why(application: Application, device: SoftwareAuthenticator) -> None:
    user = await application.user()
    path = f"/authfactor/users/{user['id']}/passkey_registrations"
    begun = fields(await application.api.post(path), 201)
    for credential, reason in (
        (None, "credential_required"),
        ({}, "credential_required"),
        ({"id": 1}, "webauthn_response_malformed"),
        ("{", "webauthn_response_malformed"),
        (device.create(begun["public_key"], "https://evil.example.org"), "webauthn_origin_mismatch"),
    ):
        answer = await application.api.post(f"{path}/{begun['id']}/verify", json={"credential": credential})
        assert [item["code"] for item in fields(answer, 422)["errors"]] == [reason]
    other = await application.user()
    wrong = f"/authfactor/users/{other['id']}/passkey_registrations/{begun['id']}/verify"
    second = SoftwareAuthenticator(random.Random(2).randbytes)
    body = {"credential": second.create(begun["public_key"], ORIGIN)}
    refused(await application.api.post(wrong, json=body), "entity_not_found", 404)
    refused(await application.other.post(f"{path}/{begun['id']}/verify", json=body), "entity_not_found", 404)
    fields(await application.api.post(f"{path}/{begun['id']}/verify", json=body), 201)


async def test_a_passkey_finishes_a_sign_in_with_its_own_claims(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user = await application.user()
    made = await register(application, user, device)
    pending = await application.begin(user)
    assert pending.body["authentication_factors"] == [{"id": made["id"], "type": "webauthn"}]
    challenge = pending.body["authentication_challenge"]
    again = fields(await application.api.get(f"/authfactor/challenges/{pending.challenge}"), 200)
    assert again == challenge
    tokens = fields(await application.answer(pending, asserted(device, challenge)), 200)
    found = claims(tokens)
    assert (found["amr"], found["acr"]) == (["pwd", "pop", "user", "mfa"], "urn:authfactor:acr:3")
    assert found["mfa_at"] == application.clock.now // 1000
    assert tokens["authentication_method"] == "Password"
    (event,) = await application.events("authentication.mfa_succeeded")
    assert event["data"]["method"] == "webauthn"


async def test_a_synced_passkey_is_a_key_in_software(application: Application) -> None:
    device = SoftwareAuthenticator(random.Random(3).randbytes, backup_eligible=True, backed_up=True)
    user = await application.user()
    await register(application, user, device)
    pending = await application.begin(user)
    sent = asserted(device, pending.body["authentication_challenge"])
    assert claims(fields(await application.answer(pending, sent), 200))["amr"] == [
        *("pwd", "pop", "user", "mfa", "swk"),
    ]


async def test_totp_comes_first_where_a_user_has_both(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user = await application.member()
    made = await register(application, user, device)
    pending = await application.begin(user)
    assert [each["type"] for each in pending.body["authentication_factors"]] == ["totp", "webauthn"]
    assert "webauthn" not in pending.body["authentication_challenge"]
    path = f"/auth/factors/{made['id']}/challenge"
    opened_challenge = fields(await application.api.post(path), 201)
    body = {"authentication_challenge_id": opened_challenge["id"]}
    fields(await application.answer(pending, asserted(device, opened_challenge), **body), 200)


async def test_fifty_sign_ins_with_one_assertion_start_one_session(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user = await application.user()
    await register(application, user, device)
    pending = await application.begin(user)
    sent = asserted(device, pending.body["authentication_challenge"])
    answers = await asyncio.gather(*(application.answer(pending, sent) for _ in range(RACERS)))
    assert sorted(each.status_code for each in answers) == [200] + [400] * (RACERS - 1)
    assert await application.count_sessions() == 1


async def test_another_users_challenge_and_passkey_do_not_sign_in(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user, attacker = await application.user(), await application.user()
    theirs = SoftwareAuthenticator(random.Random(2).randbytes)
    await register(application, user, device)
    made = await register(application, attacker, theirs)
    pending = await application.begin(user)
    foreign = fields(await application.api.post(f"/auth/factors/{made['id']}/challenge"), 201)
    body = {"authentication_challenge_id": foreign["id"]}
    refused(await application.answer(pending, asserted(theirs, foreign), **body), "user_mismatch")
    asked = pending.body["authentication_challenge"]["webauthn"]["public_key"]
    asked = {**asked, "allowCredentials": foreign["webauthn"]["public_key"]["allowCredentials"]}
    sent = json.dumps(theirs.get(asked, ORIGIN))
    answer = refused(await application.answer(pending, sent), "invalid_one_time_code")
    assert answer["reason"] == "webauthn_credential_not_allowed"
    right = asserted(device, pending.body["authentication_challenge"])
    fields(await application.answer(pending, right), 200)


async def test_wrong_assertions_are_refused_with_their_reason_and_lock_no_user(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user = await application.member()
    made = await register(application, user, device)
    pending = await application.begin(user)
    asked = fields(await application.api.post(f"/auth/factors/{made['id']}/challenge"), 201)
    body = {"authentication_challenge_id": asked["id"]}
    for _ in range(5):
        sent = asserted(device, asked, Behavior(origin="https://evil.example.org"))
        answer = refused(await application.answer(pending, sent, **body), "invalid_one_time_code")
        assert answer["reason"] == "webauthn_origin_mismatch"
    sent = asserted(device, asked)
    refused(await application.answer(pending, sent, **body), "one_time_code_too_many_attempts")
    fields(await application.answer(pending), 200)


async def test_an_assertion_with_the_password_is_refused_like_a_wrong_password(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user = await application.member()
    made = await register(application, user, device)
    challenge = fields(await application.api.post(f"/auth/factors/{made['id']}/challenge"), 201)
    more = {"code": asserted(device, challenge), "authentication_challenge_id": challenge["id"]}
    refused(await application.password(user, **more), "invalid_credentials")


async def test_a_passkey_raises_a_session(application: Application, device: SoftwareAuthenticator) -> None:
    user = await application.member()
    tokens = await application.sign_in_twice_proven(user)
    made = await register(application, user, device)
    session = claims(tokens)["sid"]
    path = f"/authfactor/sessions/{session}/challenges"
    asked = fields(await application.api.post(path, json={"factor_id": made["id"]}), 201)
    sent = {"code": asserted(device, asked)}
    outcome = fields(await application.api.post(f"/auth/challenges/{asked['id']}/verify", json=sent), 201)
    assert outcome["session"]["id"] == session
    check = f"/authfactor/sessions/{session}/check"
    found = fields(await application.api.post(check, json={"acr": "urn:authfactor:acr:3"}), 200)
    assert (found["satisfied"], found["amr"]) == (True, ["pwd", "otp", "mfa", "pop", "user"])
    (event,) = await application.events("authfactor.session_raised")
    assert event["data"]["method"] == "webauthn"
    # Without a factor named, digits are asked for.
    assert "webauthn" not in fields(await application.api.post(path), 201)


async def test_tokens_signed_before_the_passkey_was_known_are_not_given_out(application: Application) -> None:
    device = SoftwareAuthenticator(random.Random(3).randbytes, backup_eligible=True, backed_up=True)
    user = await application.user()
    await register(application, user, device)
    pending = await application.begin(user)
    request = Authenticate(
        code=asserted(device, pending.body["authentication_challenge"]),
        pending_authentication_token=pending.token,
        authentication_challenge_id=pending.challenge,
    )
    environment = await application.environment()
    application.sql("UPDATE passkeys SET rp_id = 'elsewhere.example'")
    unit = await application.af.second_step.prepare(application.af.store, environment, request)
    application.sql("UPDATE passkeys SET rp_id = ?", ORIGIN.removeprefix("https://"))
    with pytest.raises(errors.Unavailable):
        await application.af.run(unit)
    assert await application.sessions(user) == []
    fields(await application.answer(pending, request.code), 200)
