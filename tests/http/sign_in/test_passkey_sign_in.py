"""A sign-in by a passkey alone: it names its user, is two factors, and works once."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import pytest

from authfactor import errors
from authfactor.rules.authentication.passkey_sign_in import LIFE_MS
from authfactor.rules.maintenance.after_restore import AfterRestore
from authfactor.testing.software_authenticator import HONEST, Behavior, SoftwareAuthenticator
from authfactor.wire.requests import Authenticate
from tests.http.sign_in.test_passkeys import ORIGIN, register
from tests.support.application import (
    OTHER_CLIENT,
    OTHER_KEY,
    Application,
    Json,
    claims,
    oauth_refused,
    opened,
    refused,
)
from tests.support.clock import DAY
from tests.support.server_process import fields

PASSKEY: Final = "urn:authfactor:oauth:grant-type:passkey"
PATH: Final = "/authfactor/passkey_authentications"
RACERS: Final = 50


@pytest.fixture
async def application(database: tuple[Path, str], tmp_path: Path) -> AsyncIterator[Application]:
    async with opened(database[0], tmp_path, database_url=database[1], base_url=ORIGIN) as application:
        yield application


@pytest.fixture
def device() -> SoftwareAuthenticator:
    return SoftwareAuthenticator(random.Random(1).randbytes)


@pytest.fixture
async def user(application: Application, device: SoftwareAuthenticator) -> Json:
    made = await application.user()
    await register(application, made, device)
    return made


async def begin(application: Application) -> Json:
    return fields(await application.api.post(PATH), 201)


async def answer(
    application: Application,
    begun: Json,
    device: SoftwareAuthenticator,
    behavior: Behavior = HONEST,
    **more: Any,  # noqa: ANN401 - any field
) -> httpx.Response:
    credential = device.get(begun["public_key"], ORIGIN, behavior)
    body = {"authentication_id": begun["id"], "credential": credential, **more}
    return await application.grant(PASSKEY, **body)


async def test_a_passkey_signs_in_its_user(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    begun = await begin(application)
    assert begun["public_key"]["allowCredentials"] == []
    assert begun["public_key"]["userVerification"] == "required"
    tokens = fields(await answer(application, begun, device, ip_address="203.0.113.9"), 200)
    assert (tokens["user"]["id"], tokens["authentication_method"]) == (user["id"], "Passkey")
    found = claims(tokens)
    assert (found["amr"], found["acr"]) == (["pop", "user", "mfa"], "urn:authfactor:acr:3")
    (session,) = await application.sessions(user)
    assert (session["auth_method"], session["ip_address"]) == ("passkey", "203.0.113.9")
    renewed = fields(await application.refresh(tokens["refresh_token"]), 200)
    assert (renewed["authentication_method"], claims(renewed)["amr"]) == ("Passkey", found["amr"])
    (event,) = await application.events("authentication.passkey_succeeded")
    assert (event["data"]["type"], event["data"]["user_id"]) == ("passkey", user["id"])
    assert not await application.events("authentication.mfa_succeeded")


async def test_options_tell_nothing_about_users_and_cost_no_row(
    application: Application, device: SoftwareAuthenticator
) -> None:
    empty = await begin(application)
    user = await application.user()
    await register(application, user, device)
    rows = application.sql("SELECT count(*) FROM passkey_ceremonies")
    known = [await begin(application) for _ in range(3)]
    assert application.sql("SELECT count(*) FROM passkey_ceremonies") == rows
    for each in known:
        assert each["public_key"].keys() == empty["public_key"].keys()
        changed = {name for name, value in each["public_key"].items() if value != empty["public_key"][name]}
        assert changed == {"challenge"}
    assert len({each["public_key"]["challenge"] for each in known}) == len(known)


async def test_of_fifty_requests_with_one_assertion_one_signs_in(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    begun = await begin(application)
    credential = device.get(begun["public_key"], ORIGIN)
    body = {"authentication_id": begun["id"], "credential": credential}
    answers = await asyncio.gather(*(application.grant(PASSKEY, **body) for _ in range(RACERS)))
    assert sorted(each.status_code for each in answers) == [200] + [400] * (RACERS - 1)
    codes = {each.json()["code"] for each in answers if each.status_code != 200}
    assert codes == {"one_time_code_previously_used"}
    assert await application.count_sessions() == 1
    # A repeat is no sign of a copy.
    assert not await application.events("authfactor.passkey_suspect")
    assert (await answer(application, await begin(application), device)).status_code == 200
    assert user["id"]


async def test_an_answer_is_refused_after_it_was_used_expired_or_a_restore(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    begun = await begin(application)
    fields(await answer(application, begun, device), 200)
    refused(await answer(application, begun, device), "one_time_code_previously_used")
    begun = await begin(application)
    application.clock.advance(LIFE_MS // 1000)
    refused(await answer(application, begun, device), "one_time_code_expired")
    begun = await begin(application)
    af = application.af
    await AfterRestore(af.clock, af.settings, af.audit).mark(af.store, "test")
    refused(await answer(application, begun, device), "one_time_code_expired")
    application.clock.advance(1)
    assert (await answer(application, await begin(application), device)).status_code == 200
    assert user["id"]


REFUSALS: Final = {
    "webauthn_origin_mismatch": Behavior(origin="https://evil.auth.example.org"),
    "webauthn_cross_origin": Behavior(cross_origin=True),
    "webauthn_type_mismatch": Behavior(type="webauthn.create"),
    "webauthn_challenge_mismatch": Behavior(challenge=bytes(32)),
    "webauthn_rp_id_mismatch": Behavior(rp_id="example.org"),
    "webauthn_user_not_present": Behavior(user_present=False),
    "webauthn_user_not_verified": Behavior(user_verified=False),
    "webauthn_backup_flag_changed": Behavior(backup_eligible=True),
    "webauthn_user_handle_mismatch": Behavior(user_handle=b"another"),
    "webauthn_counter_not_growing": Behavior(counter=0),
}


@pytest.mark.parametrize("reason", REFUSALS)
async def test_each_check_has_its_reason(
    application: Application, device: SoftwareAuthenticator, user: Json, reason: str
) -> None:
    response = await answer(application, await begin(application), device, REFUSALS[reason])
    assert refused(response, "invalid_one_time_code")["reason"] == reason
    assert await application.count_sessions() == 0
    (event,) = await application.events("authentication.passkey_failed")
    assert (event["data"]["status"], event["data"]["user_id"]) == ("failed", None)
    suspect = await application.events("authfactor.passkey_suspect")
    assert len(suspect) == (reason == "webauthn_counter_not_growing")
    assert user["id"]


async def test_an_id_of_another_purpose_environment_or_kind_is_refused(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    begun = await begin(application)
    credential = device.get(begun["public_key"], ORIGIN)
    for other in ("", "x", "passkey_authentication_", f"passkey_authentication_{'!' * 26}"):
        response = await application.grant(PASSKEY, authentication_id=other or " ", credential=credential)
        refused(response, "one_time_code_expired")
    # The environment beside it has the same site, and not this passkey.
    theirs = fields(await application.other.post(PATH), 201)
    client: dict[str, Any] = {"client_id": OTHER_CLIENT, "client_secret": OTHER_KEY}
    foreign = await answer(application, theirs, device, **client)
    assert refused(foreign, "invalid_one_time_code")["reason"] == "webauthn_credential_unknown"
    foreign = await answer(application, begun, device, **client)
    assert refused(foreign, "invalid_one_time_code")["reason"] == "webauthn_challenge_mismatch"
    # An assertion for a second step is none for a sign-in, and the other way round.
    pending = await application.begin(user)
    asked = pending.body["authentication_challenge"]["webauthn"]["public_key"]
    second = device.get(asked, ORIGIN)
    response = await application.grant(PASSKEY, authentication_id=begun["id"], credential=second)
    assert refused(response, "invalid_one_time_code")["reason"] == "webauthn_challenge_mismatch"
    oauth_refused(await application.grant(PASSKEY, authentication_id=begun["id"]), "invalid_request")


async def test_junk_costs_a_bounded_number_of_events(
    application: Application, device: SoftwareAuthenticator
) -> None:
    begun = await begin(application)
    for _ in range(130):
        body = {"authentication_id": begun["id"], "credential": {"id": "x"}}
        refused(await application.grant(PASSKEY, **body), "invalid_one_time_code")
    events = "SELECT count(*) FROM events WHERE name = 'authentication.passkey_failed'"
    assert application.sql(events) == [(100,)]
    assert device.credentials == {}


async def test_a_policy_without_passkeys_refuses_them(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    path = "/authfactor/mfa_policy"
    fields(await application.api.put(path, json={"policy": "required", "methods": ["totp"]}), 200)
    application.clock.advance(1)
    response = await answer(application, await begin(application), device)
    assert refused(response, "invalid_one_time_code")["reason"] == "method_not_allowed"
    fields(await application.api.put(path, json={"policy": "required", "methods": ["webauthn"]}), 200)
    application.clock.advance(1)
    fields(await answer(application, await begin(application), device), 200)
    assert user["id"]


async def test_sessions_claim_no_password_once_the_passkey_is_removed(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    tokens = fields(await answer(application, await begin(application), device), 200)
    (factor,) = fields(await application.api.get(f"/authfactor/users/{user['id']}/factors"), 200)["data"]
    assert (await application.api.delete(f"/auth/factors/{factor['id']}")).status_code == 204
    found = claims(fields(await application.refresh(tokens["refresh_token"]), 200))
    assert (found["amr"], found["acr"]) == (["pop", "user"], "urn:authfactor:acr:1")
    assert "mfa_at" not in found


async def test_a_clock_that_was_set_back_keeps_no_passkey_out(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    before = await begin(application)
    application.clock.advance(-DAY)
    refused(await answer(application, before, device), "one_time_code_expired")
    assert (await answer(application, await begin(application), device)).status_code == 200


async def test_an_assertion_of_more_than_8_kib_is_not_parsed(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    begun = await begin(application)
    credential = device.get(begun["public_key"], ORIGIN)
    credential["clientExtensionResults"] = {"padding": "x" * 8192}
    sent = await application.grant(PASSKEY, authentication_id=begun["id"], credential=credential)
    assert fields(sent, 400)["reason"] == "webauthn_response_malformed"


async def test_a_passkey_that_was_a_copy_when_tokens_would_be_signed_gets_none(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    begun = await begin(application)
    body = {"authentication_id": begun["id"], "credential": device.get(begun["public_key"], ORIGIN)}
    request = msgspec.json.decode(msgspec.json.encode(body), type=Authenticate)
    environment = await application.environment()
    application.sql("UPDATE passkeys SET sign_count = 99")
    unit = await application.af.passkey_sign_in.prepare(application.af.store, environment, request)
    application.sql("UPDATE passkeys SET sign_count = 0")
    with pytest.raises(errors.SignInRefused):
        await application.af.run(unit)
    assert await application.sessions(user) == []
