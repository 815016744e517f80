"""A recovery code signs in through every grant that takes a code, once, and says so in the tokens."""

import asyncio
from typing import Final

from tests.support.application import Application, Json, claims, refused
from tests.support.server_process import fields

RACERS: Final = 50
AMR: Final = ["pwd", "recovery_code", "mfa"]
UNKNOWN: Final = "zzzz-zzzz-zzzz-zzzz"


async def member_with_codes(application: Application) -> tuple[Json, tuple[str, ...]]:
    user = await application.member()
    environment = await application.environment()
    made = await application.af.run(application.af.recovery_codes.create(environment, user["id"]))
    return user, made.codes


async def test_code_finishes_a_sign_in_with_its_own_claims(application: Application) -> None:
    user, codes = await member_with_codes(application)
    pending = await application.begin(user)
    tokens = fields(await application.answer(pending, codes[0].upper().replace("-", " ")), 200)
    found = claims(tokens)
    assert (found["amr"], found["acr"]) == (AMR, "urn:authfactor:acr:2")
    assert found["mfa_at"] == application.clock.now // 1000
    renewed = claims(fields(await application.refresh(tokens["refresh_token"]), 200))
    assert (renewed["amr"], renewed["mfa_at"]) == (AMR, found["mfa_at"])
    (event,) = await application.events("authentication.mfa_succeeded")
    assert event["data"]["method"] == "recovery_code"
    # After a TOTP code the event has the fields of the contract alone.
    fields(await application.answer(await application.begin(user)), 200)
    totp = (await application.events("authentication.mfa_succeeded"))[-1]
    assert "method" not in totp["data"]


async def test_code_with_the_password_signs_in_at_once(application: Application) -> None:
    user, codes = await member_with_codes(application)
    assert claims(fields(await application.password(user, code=codes[0]), 200))["amr"] == AMR
    refused(await application.password(user, code=codes[0]), "invalid_credentials")
    refused(await application.password(user, code=UNKNOWN), "invalid_credentials")
    assert claims(fields(await application.password(user, code=application.code()), 200))["amr"] == [
        "pwd",
        "otp",
        "mfa",
    ]


async def test_wrong_and_used_codes_are_refused(application: Application) -> None:
    user, codes = await member_with_codes(application)
    pending = await application.begin(user)
    assert refused(await application.answer(pending, UNKNOWN), "invalid_one_time_code")["reason"] == (
        "code_mismatch"
    )
    fields(await application.answer(pending, codes[0]), 200)
    pending = await application.begin(user)
    refused(await application.answer(pending, codes[0]), "one_time_code_previously_used")
    fields(await application.answer(pending, codes[1]), 200)


async def test_password_and_tokens_make_no_codes(application: Application) -> None:
    """Who knows the password only gets a pending token; nothing that a user holds makes a set."""
    user, codes = await member_with_codes(application)
    pending = await application.begin(user)
    signed_in = fields(await application.answer(pending, codes[0]), 200)
    path = f"/authfactor/users/{user['id']}/recovery_codes"
    for token in (pending.token, signed_in["access_token"], signed_in["refresh_token"], codes[1], ""):
        headers = {"authorization": f"Bearer {token}"}
        for method in ("POST", "PUT", "GET", "DELETE"):
            body = {"codes": ["k7x9-q2mu-45wd"]} if method == "PUT" else None
            answer = await application.api.request(method, path, headers=headers, json=body)
            assert answer.status_code == 401, (method, answer.text)
    fields(await application.answer(await application.begin(user), codes[1]), 200)


async def test_code_of_another_user_is_refused(application: Application) -> None:
    user, _ = await member_with_codes(application)
    _, foreign = await member_with_codes(application)
    refused(await application.answer(await application.begin(user), foreign[0]), "invalid_one_time_code")


async def test_code_signs_in_a_locked_user(application: Application) -> None:
    user, codes = await member_with_codes(application)
    for _ in range(2):
        pending = await application.begin(user)
        for _ in range(5):
            await application.answer(pending, application.wrong())
    pending = await application.begin(user)
    refused(await application.answer(pending), "one_time_code_too_many_attempts")
    fields(await application.answer(pending, codes[0]), 200)
    application.clock.advance(60)
    fields(await application.answer(await application.begin(user)), 200)


async def test_lost_response_is_given_again_to_the_same_request(application: Application) -> None:
    user, codes = await member_with_codes(application)
    pending = await application.begin(user)
    first = await application.answer(pending, codes[0])
    again = await application.answer(pending, codes[0].replace("-", ""))
    assert (again.status_code, again.content) == (200, first.content)
    refused(await application.answer(pending, codes[1]), "invalid_pending_authentication_token")
    fields(await application.answer(await application.begin(user), codes[1]), 200)


async def test_one_code_in_fifty_sign_ins_at_once_starts_one_session(application: Application) -> None:
    user, codes = await member_with_codes(application)
    pendings = [await application.begin(user) for _ in range(RACERS)]
    answers = await asyncio.gather(*(application.answer(pending, codes[0]) for pending in pendings))
    assert sum(answer.status_code == 200 for answer in answers) == 1
    assert len(await application.sessions(user)) == 1
