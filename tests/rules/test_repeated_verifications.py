"""The result of a verification is repeated to the same code for a moment, and to nothing else."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from authfactor import errors
from authfactor.crypto.vault import key_of
from authfactor.models import Enrollment, FailureRecord, Verification
from authfactor.wire.links import CreateChallengeLink

if TYPE_CHECKING:
    from tests.support.installation import Installation

RACERS: Final = 50
GRACE: Final = 30


async def verified(installation: "Installation") -> tuple[Enrollment, Verification]:
    """Enroll a new user, verify the factor, and return the enrollment and the result."""
    enrolled = await installation.enroll(await installation.user())
    first = await installation.verify(enrolled.challenge, installation.code(enrolled))
    assert (first.valid, first.repeated) == (True, False)
    return enrolled, first


async def assert_refused(installation: "Installation", enrolled: Enrollment, code: str) -> None:
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await installation.verify(enrolled.challenge, code)


@pytest.mark.parametrize("seconds", [0, 0.001, 29.999, GRACE, -0.5, -GRACE])
async def test_same_code_gets_the_same_result_for_thirty_seconds(
    installation: "Installation", seconds: float
) -> None:
    enrolled, first = await verified(installation)
    code = installation.code(enrolled)
    installation.clock.advance(seconds)
    for _ in range(3):
        again = await installation.verify(enrolled.challenge, code)
        assert (again.valid, again.repeated, again.challenge) == (True, True, first.challenge)


@pytest.mark.parametrize("seconds", [GRACE + 0.001, -GRACE - 0.001, 3600])
async def test_code_is_refused_after_thirty_seconds(installation: "Installation", seconds: float) -> None:
    enrolled, _ = await verified(installation)
    code = installation.code(enrolled)
    installation.clock.advance(seconds)
    await assert_refused(installation, enrolled, code)


async def test_repeating_does_not_extend_the_thirty_seconds(installation: "Installation") -> None:
    enrolled, _ = await verified(installation)
    code = installation.code(enrolled)
    for _ in range(2):
        installation.clock.advance(15)
        assert (await installation.verify(enrolled.challenge, code)).repeated
    installation.clock.advance(0.001)
    await assert_refused(installation, enrolled, code)


async def test_repeating_changes_nothing(installation: "Installation") -> None:
    enrolled, _ = await verified(installation)
    tables = ("factors", "challenges", "failures", "events")
    before = [installation.sql(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]  # noqa: S608 - names from above
    for _ in range(3):
        assert (await installation.verify(enrolled.challenge, installation.code(enrolled))).repeated
    assert [installation.sql(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables] == before  # noqa: S608 - names from above


@pytest.mark.parametrize("step", [-1, 1, None])
async def test_another_code_is_refused_and_ends_the_repeating(
    installation: "Installation", step: int | None
) -> None:
    enrolled, _ = await verified(installation)
    user_id = enrolled.factor.user_id or ""
    other = installation.wrong(enrolled) if step is None else installation.code(enrolled, step)
    await assert_refused(installation, enrolled, other)
    await assert_refused(installation, enrolled, installation.code(enrolled))
    assert await installation.failures(user_id) == FailureRecord((), 0, None)


async def test_of_many_concurrent_guesses_one_is_compared(installation: "Installation") -> None:
    enrolled, _ = await verified(installation)
    code, wrong = installation.code(enrolled), installation.wrong(enrolled)
    await assert_refused(installation, enrolled, wrong)
    codes = [wrong] * (RACERS - 1) + [code]
    outcomes = await asyncio.gather(
        *(installation.verify(enrolled.challenge, each) for each in codes), return_exceptions=True
    )
    assert {type(each) for each in outcomes} == {errors.ChallengeAlreadyVerified}


async def test_right_code_among_concurrent_guesses_is_not_repeated_after_them(
    installation: "Installation",
) -> None:
    for _ in range(5):
        enrolled, _ = await verified(installation)
        code = installation.code(enrolled)
        codes = [installation.wrong(enrolled) if at % 10 == 5 else code for at in range(RACERS)]
        outcomes = await asyncio.gather(
            *(installation.verify(enrolled.challenge, each) for each in codes), return_exceptions=True
        )
        assert all(
            isinstance(each, errors.ChallengeAlreadyVerified)
            or (isinstance(each, Verification) and each.repeated)
            for each in outcomes
        )
        await assert_refused(installation, enrolled, code)


async def test_fifty_concurrent_repeats_get_one_result(installation: "Installation") -> None:
    enrolled, first = await verified(installation)
    code = installation.code(enrolled)
    outcomes = await asyncio.gather(*(installation.verify(enrolled.challenge, code) for _ in range(RACERS)))
    assert Counter((each.valid, each.repeated) for each in outcomes) == {(True, True): RACERS}
    assert {each.challenge.verified_at for each in outcomes} == {first.challenge.verified_at}


async def test_what_cannot_be_a_code_is_refused_and_ends_nothing(installation: "Installation") -> None:
    enrolled, _ = await verified(installation)
    for malformed in ("", "12345", "abcdef"):
        await assert_refused(installation, enrolled, malformed)
    assert (await installation.verify(enrolled.challenge, installation.code(enrolled))).repeated


async def test_repeated_code_stays_spent_for_every_other_challenge(installation: "Installation") -> None:
    enrolled, _ = await verified(installation)
    code = installation.code(enrolled)
    assert (await installation.verify(enrolled.challenge, code)).repeated
    other = await installation.answer(enrolled, code)
    assert (other.valid, other.reason) == (False, "code_already_used")
    # Nor does a newer code on another challenge end the repeating: that code is another challenge's.
    assert (await installation.answer(enrolled, installation.code(enrolled, 1))).valid
    assert (await installation.verify(enrolled.challenge, code)).repeated


async def test_locked_user_gets_the_earlier_result_again(installation: "Installation") -> None:
    enrolled, _ = await verified(installation)
    code = installation.code(enrolled)
    for _ in range(10):
        await installation.answer(enrolled, installation.wrong(enrolled))
    assert (await installation.verify(enrolled.challenge, code)).repeated


async def test_deleted_factor_or_user_ends_the_repeating(installation: "Installation") -> None:
    af, environment = installation.af, installation.environment
    enrolled, _ = await verified(installation)
    await af.run(af.factors.delete(environment, enrolled.factor.id))
    with pytest.raises(errors.NotFound):
        await installation.verify(enrolled.challenge, installation.code(enrolled))
    enrolled, _ = await verified(installation)
    await af.run(af.users.delete(environment, enrolled.factor.user_id or ""))
    with pytest.raises(errors.NotFound):
        await installation.verify(enrolled.challenge, installation.code(enrolled))


async def test_challenge_of_another_environment_is_not_repeated(installation: "Installation") -> None:
    enrolled, _ = await verified(installation)
    assert enrolled.challenge is not None
    with pytest.raises(errors.NotFound):
        await installation.af.run(
            installation.af.challenges.verify(
                installation.other, enrolled.challenge.id, installation.code(enrolled)
            )
        )


async def test_code_that_a_page_accepted_is_not_valid_again_at_the_api(installation: "Installation") -> None:
    af, environment = installation.af, installation.environment
    user = await installation.user()
    enrolled = await installation.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    issued = await af.run(af.links.create_challenge(environment, CreateChallengeLink(user_id=user.id)))
    link, session = await af.run(await af.page_sessions.prepare_open(af.store, issued.url.rpartition("/")[2]))
    code = installation.code(enrolled)
    done = await af.run(af.page_sessions.verify(link.id, session, code))
    assert done.verification is not None
    assert done.verification.valid
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await af.run(af.challenges.verify(environment, link.challenge_id or "", code))


async def test_challenge_that_the_previous_release_verified_is_not_repeated(
    installation: "Installation",
) -> None:
    enrolled, _ = await verified(installation)
    installation.sql("UPDATE challenges SET verified_step = NULL")
    await assert_refused(installation, enrolled, installation.code(enrolled))


async def test_result_is_repeated_after_the_vault_key_was_rotated(installation: "Installation") -> None:
    enrolled, _ = await verified(installation)
    installation.af.vault.extend([key_of(bytes(range(32)))])
    assert (await installation.verify(enrolled.challenge, installation.code(enrolled))).repeated
