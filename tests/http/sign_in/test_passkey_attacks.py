"""Attacks with passkeys over HTTP, in each of the three places that take them, on both databases."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import cbor2
import httpx
import pytest

from authfactor.testing.software_authenticator import HONEST, Behavior, SoftwareAuthenticator
from tests.http.sign_in.test_passkey_sign_in import PASSKEY, PATH
from tests.http.sign_in.test_passkeys import ORIGIN, asserted, register
from tests.support.application import Application, Json, opened
from tests.support.passkeys import to_bytes, to_text
from tests.support.server_process import fields

FOREIGN: Final = [
    "https://evil.auth.example.org",
    "https://example.org",
    "https://auth.example.org:8443",
    "http://auth.example.org",
    "https://auth.example.org.evil.example",
    "https://auth.example.org/",
    "https://related.example",
    "null",
    "",
]
FAULTS: Final = [
    (Behavior(cross_origin=True), "webauthn_cross_origin"),
    (Behavior(top_origin="https://evil.example"), "webauthn_cross_origin"),
    (Behavior(rp_id="example.org"), "webauthn_rp_id_mismatch"),
    (Behavior(user_present=False), "webauthn_user_not_present"),
    (Behavior(challenge=bytes(32)), "webauthn_challenge_mismatch"),
    (Behavior(backed_up=True), "webauthn_backup_state_invalid"),
]


@pytest.fixture
async def application(database: tuple[Path, str], tmp_path: Path) -> AsyncIterator[Application]:
    async with opened(database[0], tmp_path, database_url=database[1], base_url=ORIGIN) as application:
        yield application


@pytest.fixture
def device() -> SoftwareAuthenticator:
    return SoftwareAuthenticator(random.Random(1).randbytes)


@pytest.fixture
async def user(application: Application) -> Json:
    return await application.user()


async def registration(application: Application, user: Json, credential: object) -> httpx.Response:
    path = f"/authfactor/users/{user['id']}/passkey_registrations"
    begun = fields(await application.api.post(path), 201)
    made = credential(begun["public_key"]) if callable(credential) else credential
    return await application.api.post(f"{path}/{begun['id']}/verify", json={"credential": made})


async def challenge(application: Application, factor: Json, client: httpx.AsyncClient | None = None) -> Json:
    answer = await (client or application.api).post(f"/auth/factors/{factor['id']}/challenge")
    return fields(answer, 201)


async def verify(application: Application, opened: Json, code: str) -> Json:
    return fields(
        await application.api.post(f"/auth/challenges/{opened['id']}/verify", json={"code": code}), 201
    )


async def first_factor(
    application: Application, device: SoftwareAuthenticator, behavior: Behavior = HONEST
) -> httpx.Response:
    begun = fields(await application.api.post(PATH), 201)
    credential = device.get(begun["public_key"], ORIGIN, behavior)
    return await application.grant(PASSKEY, authentication_id=begun["id"], credential=credential)


def item_of(response: httpx.Response) -> str:
    return str(fields(response, 422)["errors"][0]["code"])


@pytest.mark.parametrize(
    ("behavior", "reason"),
    [*((Behavior(origin=each), "webauthn_origin_mismatch") for each in FOREIGN if each), *FAULTS],
)
async def test_no_page_frame_or_authenticator_that_differs_gets_in(
    application: Application, device: SoftwareAuthenticator, user: Json, behavior: Behavior, reason: str
) -> None:
    other = SoftwareAuthenticator(random.Random(2).randbytes)
    made = await registration(application, user, lambda asked: other.create(asked, ORIGIN, behavior))
    assert item_of(made) == reason
    factor = await register(application, user, device)
    outcome = await verify(
        application, opened_ := await challenge(application, factor), asserted(device, opened_, behavior)
    )
    assert (outcome["valid"], outcome["reason"]) == (False, reason)
    refused = fields(await first_factor(application, device, behavior), 400)
    assert (refused["code"], refused["reason"]) == ("invalid_one_time_code", reason)
    assert await application.count_sessions() == 0
    right = await challenge(application, factor)
    assert (await verify(application, right, asserted(device, right)))["valid"], "locks no user"


async def test_a_user_who_was_not_verified_gets_in_by_no_passkey_alone(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    factor = await register(application, user, device)
    unverified = Behavior(user_verified=False)
    refused = fields(await first_factor(application, device, unverified), 400)
    assert refused["reason"] == "webauthn_user_not_verified"
    second = await challenge(application, factor)
    assert (await verify(application, second, asserted(device, second, unverified)))["valid"]


async def test_a_passkey_that_became_a_synced_one_is_refused(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    factor = await register(application, user, device)
    flipped = Behavior(backup_eligible=True, backed_up=True)
    asked = await challenge(application, factor)
    assert (await verify(application, asked, asserted(device, asked, flipped)))["reason"] == (
        "webauthn_backup_flag_changed"
    )
    assert fields(await first_factor(application, device, flipped), 400)["reason"] == (
        "webauthn_backup_flag_changed"
    )


async def test_another_environments_passkey_is_unknown(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    await register(application, user, device)
    theirs = await application.user(application.other)
    path = f"/authfactor/users/{theirs['id']}/passkey_registrations"
    begun = fields(await application.other.post(path), 201)
    own = SoftwareAuthenticator(random.Random(3).randbytes)
    body = {"credential": own.create(begun["public_key"], ORIGIN)}
    factor = fields(await application.other.post(f"{path}/{begun['id']}/verify", json=body), 201)
    asked = await challenge(application, factor, application.other)
    options = {**asked["webauthn"]["public_key"], "allowCredentials": []}
    answer = {"code": json.dumps(device.get(options, ORIGIN))}
    outcome = fields(await application.other.post(f"/auth/challenges/{asked['id']}/verify", json=answer), 201)
    assert outcome["reason"] == "webauthn_credential_unknown"
    assert (
        await application.api.post(f"/auth/challenges/{asked['id']}/verify", json=answer)
    ).status_code == 404


async def test_a_registration_and_an_assertion_do_not_stand_for_each_other(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    factor = await register(application, user, device)
    asked = await challenge(application, factor)
    signed = json.loads(asserted(device, asked))
    assert item_of(await registration(application, user, signed)) == "webauthn_response_malformed"
    other = SoftwareAuthenticator(random.Random(2).randbytes)
    path = f"/authfactor/users/{user['id']}/passkey_registrations"
    begun = fields(await application.api.post(path), 201)
    created = other.create(begun["public_key"], ORIGIN)
    assert (await verify(application, asked, json.dumps(created)))["reason"] == "webauthn_response_malformed"
    # With the members of an assertion: what it signs is a registration.
    response = created["response"] | {"authenticatorData": signed["response"]["authenticatorData"]}
    mixed = created | {"response": response | {"signature": signed["response"]["signature"]}}
    assert (await verify(application, asked, json.dumps(mixed)))["reason"] == "webauthn_type_mismatch"


async def test_a_key_of_an_algorithm_that_was_not_offered_is_refused(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    def with_es384(asked: Json) -> dict[str, Any]:
        made = device.create(asked, ORIGIN, algorithm=-7)
        attestation = cbor2.loads(to_bytes(made["response"]["attestationObject"]))
        attestation["authData"] = attestation["authData"].replace(b"\1\2\3\x26", b"\1\2\3\x38\x22")
        made["response"]["attestationObject"] = to_text(cbor2.dumps(attestation, canonical=True))
        return made

    assert item_of(await registration(application, user, with_es384)) == "webauthn_algorithm_not_offered"


async def test_large_and_deep_responses_are_refused_before_they_are_decoded(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    def with_attestation(content: bytes) -> object:
        def made(asked: Json) -> dict[str, Any]:
            credential = SoftwareAuthenticator(random.Random(2).randbytes).create(asked, ORIGIN)
            credential["response"]["attestationObject"] = to_text(content)
            return credential

        return made

    deep, many = b"\x81" * 40_000 + b"\0", b"\x99\xff\xff" + b"\0" * 65_000
    for content in (deep, many, b"\xa1" * 40_000, b"\x5b" + b"\xff" * 8, bytes(65 * 1024)):
        refused = await registration(application, user, with_attestation(content))
        assert item_of(refused) == "webauthn_response_malformed"
    assert (await registration(application, user, {"id": "A" * 100_000})).status_code == 413
    factor = await register(application, user, device)
    asked = await challenge(application, factor)
    long = json.dumps(json.loads(asserted(device, asked)) | {"more": "A" * 8_192})
    assert (await verify(application, asked, long))["reason"] == "webauthn_response_malformed"
    body = {"code": "{" + " " * 100_000}
    assert (
        await application.api.post(f"/auth/challenges/{asked['id']}/verify", json=body)
    ).status_code == 413


async def test_fifty_wrong_and_one_right_assertion_at_once_lock_no_user(
    application: Application, device: SoftwareAuthenticator
) -> None:
    user = await application.member()
    factor = await register(application, user, device)
    asked = await challenge(application, factor)
    wrong = asserted(device, asked, Behavior(challenge=bytes(32)))
    await asyncio.gather(
        *(
            application.api.post(f"/auth/challenges/{asked['id']}/verify", json={"code": wrong})
            for _ in range(50)
        )
    )
    asked = await challenge(application, factor)
    assert (await verify(application, asked, asserted(device, asked)))["valid"]
    pending = await application.begin(user)
    assert (await application.answer(pending)).status_code == 200, "nor the codes of the same user"


async def test_markup_in_a_name_comes_back_as_text(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    name = '<img src=x onerror="alert(1)">{{7*7}}'
    made = await register(application, user, device, name)
    answer = await application.api.get(f"/authfactor/users/{user['id']}/factors")
    assert answer.headers["content-type"].startswith("application/json")
    assert fields(answer, 200)["data"][0]["name"] == made["name"] == name


async def test_options_of_a_sign_in_are_the_same_whether_or_not_an_email_exists(
    application: Application, device: SoftwareAuthenticator, user: Json
) -> None:
    await register(application, user, device)

    async def options_for(email: str) -> Json:
        begun = fields(await application.api.post(PATH, json={"email": email}), 201)
        return {**begun["public_key"], "challenge": ""}

    assert await options_for(str(user["email"])) == await options_for("unknown@example.org")
