"""An imported recovery code signs in through every grant; a wrong text is no costly request."""

import asyncio
from typing import Any, Final

import pytest

from authfactor.rules.authentication.sessions import Sessions
from tests.support.application import Application, Json, claims, refused
from tests.support.server_process import fields

RACERS: Final = 50
AMR: Final = ["pwd", "recovery_code", "mfa"]
SHORT: Final = [f"k7x9q2{at:02}" for at in range(10)]
LONG: Final = [f"f47ac10b-58cc-4372-a567-0e02b2c3d4{at:02}" for at in range(10)]
SETS: Final = pytest.mark.parametrize("codes", [SHORT, LONG], ids=["guessable", "long"])


async def member_with(application: Application, codes: list[str]) -> Json:
    user = await application.member()
    environment = await application.environment()
    await application.af.run(application.af.recovery_codes.import_set(environment, user["id"], codes))
    return user


@SETS
async def test_imported_code_finishes_a_sign_in(application: Application, codes: list[str]) -> None:
    user = await member_with(application, codes)
    pending = await application.begin(user)
    tokens = fields(await application.answer(pending, codes[0].upper()), 200)
    assert claims(tokens)["amr"] == AMR
    again = fields(await application.answer(pending, codes[0].upper()), 200)
    assert again["access_token"] == tokens["access_token"]
    pending = await application.begin(user)
    refused(await application.answer(pending, codes[0]), "one_time_code_previously_used")
    assert claims(fields(await application.password(user, code=codes[1]), 200))["amr"] == AMR


@SETS
async def test_imported_code_in_fifty_sign_ins_at_once_starts_one_session(
    application: Application, codes: list[str]
) -> None:
    user = await member_with(application, codes)
    pending = [await application.begin(user) for _ in range(5)]
    answers = await asyncio.gather(*[application.answer(pending[at % 5], codes[0]) for at in range(RACERS)])
    assert len({answer.json()["access_token"] for answer in answers if answer.status_code == 200}) == 1
    assert len(await application.events("session.created")) == 1


async def test_wrong_text_of_a_foreign_shape_costs_no_signature_without_an_imported_set(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await application.member()
    pending = await application.begin(user)
    prepare = Sessions.prepare
    prepared = 0

    async def counted(self: Sessions, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
        nonlocal prepared
        prepared += 1
        return await prepare(self, *given, **named)

    monkeypatch.setattr(Sessions, "prepare", counted)
    body = refused(await application.answer(pending, SHORT[0]), "invalid_one_time_code")
    assert (body["reason"], prepared) == ("code_malformed", 0)
    environment = await application.environment()
    await application.af.run(application.af.recovery_codes.import_set(environment, user["id"], SHORT))
    fields(await application.answer(pending, SHORT[0]), 200)
    assert prepared == 1
