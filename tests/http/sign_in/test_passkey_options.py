"""Passkeys over HTTP beside the ceremonies: signals, sizes, lists, proofs before an enrollment, metrics."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from authfactor.rules.tenants.environments import options_of
from authfactor.testing.software_authenticator import Behavior, SoftwareAuthenticator
from tests.http.sign_in.test_passkeys import ORIGIN, asserted, register
from tests.support.application import Application, Json, Pending, opened, refused
from tests.support.clock import MINUTE
from tests.support.server_process import fields


@pytest.fixture
async def application(database: tuple[Path, str], tmp_path: Path) -> AsyncIterator[Application]:
    async with opened(database[0], tmp_path, database_url=database[1], base_url=ORIGIN) as application:
        yield application


@pytest.fixture
def device() -> SoftwareAuthenticator:
    return SoftwareAuthenticator(random.Random(1).randbytes)


async def configure(application: Application, **changes: Any) -> None:  # noqa: ANN401 - any option
    environment = await application.environment()
    options = msgspec.structs.replace(options_of(environment), **changes)
    await application.af.run(application.af.environments.update(environment, options=options))
    # Callers are cached for a second.
    application.clock.advance(1)


async def signals(application: Application, user: Json) -> Json:
    return fields(await application.api.get(f"/authfactor/users/{user['id']}/passkey_signals"), 200)


async def test_signals_name_the_passkeys_that_exist(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user = await application.user()
    none = await signals(application, user)
    assert none == {
        "object": "passkey_signals",
        "user_id": user["id"],
        "all_accepted_credentials": None,
        "current_user_details": None,
    }
    made = await register(application, user, device)
    (credential,) = device.credentials.values()
    told = await signals(application, user)
    accepted, details = told["all_accepted_credentials"], told["current_user_details"]
    assert accepted["rpId"] == details["rpId"] == "auth.example.org"
    assert accepted["userId"] == details["userId"]
    assert len(accepted["allAcceptedCredentialIds"]) == 1
    assert (details["name"], details["displayName"]) == (user["email"], user["email"])
    challenge = fields(await application.api.post(f"/auth/factors/{made['id']}/challenge"), 201)
    signed = json.loads(asserted(device, challenge, Behavior(counter=0)))
    assert accepted["allAcceptedCredentialIds"] == [signed["id"]]
    path = f"/auth/challenges/{challenge['id']}/verify"
    copied = fields(await application.api.post(path, json={"code": json.dumps(signed)}), 201)
    assert copied["reason"] == "webauthn_counter_not_growing"
    assert (await signals(application, user)) == told, "a browser would delete a suspect passkey"
    await application.api.delete(f"/auth/factors/{made['id']}")
    assert (await signals(application, user))["all_accepted_credentials"]["allAcceptedCredentialIds"] == []
    assert credential.user_handle is not None


async def test_signals_of_an_unknown_user_are_not_found(application: Application) -> None:
    elsewhere = await application.user(application.other)
    for user_id in ("user_01", elsewhere["id"]):
        response = await application.api.get(f"/authfactor/users/{user_id}/passkey_signals")
        assert response.status_code == 404


async def test_a_registration_may_have_96_kib_whatever_other_requests_may_have(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user = await application.user()
    path = f"/authfactor/users/{user['id']}/passkey_registrations"
    begun = fields(await application.api.post(path), 201)
    credential = device.create(begun["public_key"], ORIGIN)
    # Unsigned members that browsers add are ignored, but count.
    credential["response"]["publicKey"] = "A" * 90_000
    finished = await application.api.post(f"{path}/{begun['id']}/verify", json={"credential": credential})
    assert finished.status_code == 201, finished.text
    begun = fields(await application.api.post(path), 201)
    for size, status in ((90_000, 422), (98_304, 413)):
        body = {"credential": {"id": "A" * size}}
        response = await application.api.post(f"{path}/{begun['id']}/verify", json=body)
        assert response.status_code == status
    other = await application.api.post("/user_management/users", json={"email": "a" * 70_000})
    assert other.status_code == 413


async def test_an_environment_may_list_more_types_of_factors(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user = await application.member()
    made = await register(application, user, device)
    path = f"/user_management/users/{user['id']}/auth_factors"
    before = fields(await application.api.get(path), 200)["data"]
    assert [each["type"] for each in before] == ["totp"]
    await configure(application, listed_factor_types=("totp", "webauthn"))
    listed = fields(await application.api.get(path), 200)["data"]
    assert [each["type"] for each in listed] == ["webauthn", "totp"]
    assert listed[0]["id"] == made["id"]
    first = fields(await application.api.get(path, params={"limit": 1}), 200)
    rest = fields(
        await application.api.get(path, params={"limit": 1, "after": first["list_metadata"]["after"]}), 200
    )
    assert [each["id"] for each in first["data"] + rest["data"]] == [each["id"] for each in listed]
    await configure(application, listed_factor_types=("webauthn",))
    assert [each["type"] for each in fields(await application.api.get(path), 200)["data"]] == ["webauthn"]


async def begin(application: Application, user: Json, session_id: str | None = None) -> Any:  # noqa: ANN401 - a response
    path = f"/authfactor/users/{user['id']}/passkey_registrations"
    return await application.api.post(path, json={"session_id": session_id})


async def session_of(application: Application, user: Json) -> str:
    await application.sign_in_twice_proven(user)
    return str((await application.sessions(user))[0]["id"])


async def test_a_passkey_beside_a_factor_needs_a_proof_of_it_where_that_is_asked_for(
    application: Application,
) -> None:
    user, other = await application.member(), await application.member()
    assert (await begin(application, user)).status_code == 201
    await configure(application, enrollment_needs_mfa=True)
    proven, others = await session_of(application, user), await session_of(application, other)
    for session_id in (None, "", "session_01", others, "\0"):
        refused(await begin(application, user, session_id), "reauthentication_required", 403)
    assert (await begin(application, user, proven)).status_code == 201
    ((proven_at,),) = application.sql("SELECT mfa_at FROM sessions ORDER BY mfa_at LIMIT 1")
    assert isinstance(proven_at, int)
    application.clock.now = proven_at + 10 * MINUTE * 1000
    assert (await begin(application, user, proven)).status_code == 201
    application.clock.advance(1)
    refused(await begin(application, user, proven), "reauthentication_required", 403)


async def test_neither_an_ended_session_nor_a_password_alone_is_a_proof(application: Application) -> None:
    user = await application.member()
    await configure(application, enrollment_needs_mfa=True)
    proven = await session_of(application, user)
    ended = await application.api.post("/user_management/sessions/revoke", json={"session_id": proven})
    assert ended.status_code == 200
    refused(await begin(application, user, proven), "reauthentication_required", 403)
    await application.configure("off")
    application.clock.advance(1)
    by_password = fields(await application.password(user), 200)
    assert by_password["access_token"]
    (session,) = await application.sessions(user)
    refused(await begin(application, user, str(session["id"])), "reauthentication_required", 403)


async def test_a_first_factor_needs_no_proof_of_another(application: Application) -> None:
    user = await application.user()
    await configure(application, enrollment_needs_mfa=True)
    await application.api.post(f"/user_management/users/{user['id']}/auth_factors", json={"type": "totp"})
    assert (await begin(application, user)).status_code == 201, "a pending factor is none"
    assert (await begin(application, {"id": "user_01"})).status_code == 404


async def test_fifty_registrations_at_once_with_an_old_proof_begin_none(application: Application) -> None:
    user = await application.member()
    await configure(application, enrollment_needs_mfa=True)
    proven = await session_of(application, user)
    application.clock.advance(10 * MINUTE + 1)
    answers = await asyncio.gather(*(begin(application, user, proven) for _ in range(50)))
    assert {each.status_code for each in answers} == {403}
    assert application.sql("SELECT count(*) FROM passkey_ceremonies") == [(0,)]


async def test_a_policy_may_name_passkeys_alone(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user = await application.member()
    await register(application, user, device)
    policy = {"policy": "required", "methods": ["webauthn"]}
    assert fields(await application.api.put("/authfactor/mfa_policy", json=policy), 200)["methods"] == [
        "webauthn"
    ]
    application.clock.advance(1)
    body = fields(await application.password(user), 403)
    assert body["code"] == "mfa_challenge"
    assert [each["type"] for each in body["authentication_factors"]] == ["webauthn"]
    pending = Pending(body, "")
    assert (await application.answer(pending, code=application.code())).status_code == 400
    opened_ = body["authentication_challenge"]
    answer = await application.answer(pending, code=asserted(device, opened_))
    assert answer.status_code == 200, answer.text
    begun = fields(await application.api.post("/authfactor/passkey_authentications"), 201)
    credential = device.get(begun["public_key"], ORIGIN)
    first = {"authentication_id": begun["id"], "credential": credential}
    assert (await application.grant("urn:authfactor:oauth:grant-type:passkey", **first)).status_code == 200
    without = await application.member()
    enroll = fields(await application.password(without), 403)
    assert enroll["code"] == "mfa_enrollment", "its TOTP factor does not count"
