"""A challenge that another process verifies in the middle of a unit is refused, and the code stays good."""

from typing import Any

import msgspec
import pytest

from authfactor import errors
from authfactor.store.queries.attempts import Attempts, CodeAttempt, SpendResult
from authfactor.wire.requests import Authenticate
from tests.support.installation import Installation

PASSWORD = "seven green bottles"


async def test_challenge_closed_between_comparing_and_spending_is_refused(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled = await installation.enroll_alone()
    code = installation.code(enrolled)

    async def closed(*_: object, **__: object) -> SpendResult:
        return SpendResult.CHALLENGE_CLOSED

    with monkeypatch.context() as patched:
        patched.setattr(Attempts, "spend", closed)
        with pytest.raises(errors.ChallengeAlreadyVerified):
            await installation.answer(enrolled, code)
    assert (await installation.answer(enrolled, code)).valid


async def test_challenge_verified_between_loading_and_charging_starts_no_session(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    af, environment = installation.af, installation.environment
    user = await installation.user(password=PASSWORD)
    enrolled = await installation.enroll(user)
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid
    installation.clock.advance(30)
    request = Authenticate(email=user.email, password=PASSWORD)
    with pytest.raises(errors.StepUpRequired) as step_up:
        await af.run(await af.sign_in.prepare_password(af.store, environment, request))
    assert step_up.value.challenge is not None
    second = Authenticate(
        pending_authentication_token=step_up.value.pending_token,
        authentication_challenge_id=step_up.value.challenge.id,
        code=installation.code(enrolled),
    )
    charge = Attempts.charge

    async def overtaken(self: Attempts, *given: Any) -> CodeAttempt | None:  # noqa: ANN401 - as `charge`
        attempt = await charge(self, *given)
        assert attempt is not None
        return attempt._replace(challenge=msgspec.structs.replace(attempt.challenge, verified_at=1))

    with monkeypatch.context() as patched:
        patched.setattr(Attempts, "charge", overtaken)
        with pytest.raises(errors.ChallengeAlreadyVerified):
            await af.run(await af.second_step.prepare(af.store, environment, second))
    assert installation.sql("SELECT count(*) FROM sessions") == [(0,)]

    signed_in = await af.run(await af.second_step.prepare(af.store, environment, second))
    assert signed_in.user.id == user.id
