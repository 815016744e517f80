"""Codes of imported factors sign in through every grant, and are claimed as codes."""

from typing import Final

import pytest

from authfactor import errors
from authfactor.factor_files.entries import FactorEntry
from authfactor.otp import totp
from authfactor.rules.factors.imports import Owner, WantedFactor
from authfactor.wire.requests import Authenticate
from tests.support.application import PASSWORD, SECRET, Application, Json, claims, refused
from tests.support.server_process import fields

LONG: Final = totp.CodeProfile("SHA256", 8, 60)
KEY: Final = bytes(range(32))
AMR: Final = ["pwd", "otp", "mfa"]
RECOVERY: Final = ["48213907", "70184362"]


async def bring(application: Application, user: Json, profile: totp.CodeProfile = LONG) -> None:
    """Import a factor of the user, and let the steps pass that the import has spent."""
    environment = await application.environment()
    entry = WantedFactor(Owner("id", user["id"]), FactorEntry("line 1", KEY, profile))
    (outcome,) = await application.af.run(application.af.imports.run(environment, [entry]))
    assert outcome.status == "imported"
    application.clock.advance(180)


def code(application: Application) -> str:
    return totp.code_at(KEY, totp.step_at(application.clock.now // 1000, LONG.period), LONG)


async def test_eight_digits_finish_a_sign_in_and_are_claimed_as_a_code(application: Application) -> None:
    user = await application.user()
    await bring(application, user)
    pending = await application.begin(user)
    tokens = fields(await application.answer(pending, code(application)), 200)
    assert claims(tokens)["amr"] == AMR
    again = fields(await application.answer(pending, code(application)), 200)
    assert again["access_token"] == tokens["access_token"]
    (event,) = await application.events("authentication.mfa_succeeded")
    assert "method" not in event["data"]
    refused(
        await application.answer(await application.begin(user), code(application)),
        "one_time_code_previously_used",
    )


async def test_wrong_eight_digits_are_counted(application: Application) -> None:
    user = await application.user()
    await bring(application, user)
    wrong = "00000000" if code(application) != "00000000" else "00000001"
    body = refused(await application.answer(await application.begin(user), wrong), "invalid_one_time_code")
    assert body["reason"] == "code_mismatch"


@pytest.mark.parametrize("with_challenge", [False, True])
async def test_eight_digits_beside_the_password_start_a_session(
    application: Application, *, with_challenge: bool
) -> None:
    user = await application.user()
    await bring(application, user)
    # The newest factor is another one, whose codes have six digits.
    await application.enroll(user, totp_secret=SECRET)
    more = {}
    if with_challenge:
        environment = await application.environment()
        factors = await application.af.read(application.af.factors.of_user(environment, user["id"]))
        imported = next(each for each in factors if each.digits == 8)
        challenge = await application.af.run(application.af.challenges.create(environment, imported.id))
        more = {"authentication_challenge_id": challenge.id}
    tokens = fields(await application.password(user, code=code(application), **more), 200)
    assert claims(tokens)["amr"] == AMR
    (event,) = await application.events("authentication.mfa_succeeded")
    assert "method" not in event["data"]
    assert claims(fields(await application.password(user, code=application.code()), 200))["amr"] == AMR


@pytest.mark.parametrize("with_challenge", [False, True])
async def test_eight_digits_of_a_recovery_code_are_claimed_as_one(
    application: Application, *, with_challenge: bool
) -> None:
    user = await application.member()
    environment = await application.environment()
    await application.af.run(application.af.recovery_codes.import_set(environment, user["id"], RECOVERY))
    more = {}
    if with_challenge:
        more = {"authentication_challenge_id": (await application.begin(user)).challenge}
    tokens = fields(await application.password(user, code=RECOVERY[0], **more), 200)
    assert claims(tokens)["amr"] == ["pwd", "recovery_code", "mfa"]


async def test_eight_digits_of_a_user_without_a_factor_are_refused(application: Application) -> None:
    user = await application.user()
    refused(await application.password(user, code=RECOVERY[0]), "invalid_credentials")
    challenge = (await application.begin(await application.member())).challenge
    refused(
        await application.password(user, code=RECOVERY[0], authentication_challenge_id=challenge),
        "invalid_credentials",
    )


async def test_tokens_never_claim_another_proof_than_the_one_that_was_checked(
    application: Application,
) -> None:
    user = await application.user()
    environment, af = await application.environment(), application.af
    await application.enroll(user, totp_secret=SECRET)
    await bring(application, user)
    request = Authenticate(
        grant_type="password", email=user["email"], password=PASSWORD, code=code(application)
    )
    unit = await af.sign_in.prepare_password(af.store, environment, request)
    factors = await af.read(af.factors.of_user(environment, user["id"]))
    await af.run(af.factors.delete(environment, next(each.id for each in factors if each.digits == 8)))
    with pytest.raises(errors.Unavailable, match="have just changed"):
        await af.run(unit)
