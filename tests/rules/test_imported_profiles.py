"""Imported factors of every profile are verified like others, at the same limits."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from authfactor import errors
from authfactor.models import Verification
from authfactor.otp import totp
from authfactor.otp.totp import PROFILES, CodeProfile
from authfactor.rules.factors.server_clock import BATCH
from authfactor.rules.maintenance.after_restore import AfterRestore
from authfactor.store import Tx, Unit
from authfactor.wire.clock_resync import ResyncFactor
from tests.support.imported import Phone, phone, run, wanted

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener

EVERY = sorted(PROFILES)
LONG = CodeProfile("SHA256", 8, 60)


async def accepted(factor: Phone, steps: range = range(-25, 26)) -> list[int]:
    """Return the steps from now whose codes are right, by one guess each, all rolled back."""

    class Undo(Exception):
        pass

    found, installation = [], factor.installation
    for step in steps:
        challenge = await installation.af.run(
            installation.af.challenges.create(installation.environment, factor.factor_id)
        )
        verify = installation.af.challenges.verify(installation.environment, challenge.id, factor.code(step))

        async def attempt(tx: Tx, verify: Unit[Verification] = verify) -> None:
            raise Undo((await verify(tx)).valid)

        with pytest.raises(Undo) as undone:
            await installation.af.run(attempt)
        if undone.value.args == (True,):
            found.append(step)
    return found


@pytest.mark.parametrize("profile", EVERY)
async def test_codes_of_an_imported_factor_are_accepted_once_each(
    installation: "Installation", profile: CodeProfile
) -> None:
    factor = await phone(installation, await installation.user(), profile)
    code, before = factor.code(), factor.code(-1)
    assert (await factor.answer(code)).valid
    assert (await factor.answer(code)).reason == "code_already_used"
    # Nor is an earlier one good after it.
    assert (await factor.answer(before)).reason == "code_already_used"
    installation.clock.advance(profile.period)
    assert (await factor.answer(factor.code())).valid


@pytest.mark.parametrize("profile", [CodeProfile("SHA512", 8, 30), LONG, CodeProfile("SHA1", 6, 60)])
async def test_window_has_three_steps_of_30_seconds_or_two_of_60(
    installation: "Installation", profile: CodeProfile
) -> None:
    factor = await phone(installation, await installation.user(), profile)
    assert await accepted(factor) == ([-1, 0, 1] if profile.period == 30 else [-1, 0])


async def test_fifty_requests_with_one_code_of_eight_digits_have_one_success(
    installation: "Installation",
) -> None:
    factor = await phone(installation, await installation.user(), LONG)
    code = factor.code()
    results = await asyncio.gather(*(factor.answer(code) for _ in range(50)), return_exceptions=True)
    assert [getattr(each, "valid", False) for each in results].count(True) == 1


async def test_eight_digits_are_a_code_only_of_a_factor_that_has_them(installation: "Installation") -> None:
    user = await installation.user()
    factor = await phone(installation, user, LONG)
    ordinary = await installation.enroll(user)
    code = factor.code()
    for text in (code, f" {code[:4]} {code[4:]} ", f"{code[:4]}-{code[4:]}"):
        assert (await installation.answer(ordinary, text)).reason == "code_malformed"
    assert (await installation.failures(user.id)).times == ()
    # Six digits are a wrong code of such a factor, and count.
    assert (await factor.answer(code[2:])).reason == "code_mismatch"
    assert len((await installation.failures(user.id)).times) == 1
    assert (await factor.answer(f"{code[:4]} {code[4:]}")).valid


async def test_wrong_codes_of_eight_digits_lock_like_others(installation: "Installation") -> None:
    factor = await phone(installation, await installation.user(), LONG)
    near = {factor.code(at) for at in range(-20, 20)}
    wrong = next(code for code in ("00000000", "00000001") if code not in near)
    for _ in range(10):
        assert (await factor.answer(wrong)).reason == "code_mismatch"
    with pytest.raises(errors.TooManyAttempts):
        await factor.answer(factor.code())


async def test_eight_digits_of_an_imported_recovery_code_stay_one_beside_other_factors(
    installation: "Installation",
) -> None:
    user = await installation.user()
    factor = await phone(installation, user, LONG)
    ordinary = await phone(installation, user, secret=bytes(20))
    code = next(each for each in ("48213907", "48213908") if each != factor.code())
    unit = installation.af.recovery_codes.import_set(installation.environment, user.id, [code])
    await installation.af.run(unit)
    # On a challenge of the factor with eight digits, they are its code, and a wrong one.
    assert (await factor.answer(code)).reason == "code_mismatch"
    assert (await ordinary.answer(code)).recovery_codes_remaining == 0


@pytest.mark.parametrize("period", [30, 60])
async def test_response_to_a_right_code_is_repeated_for_a_moment(
    installation: "Installation", period: int
) -> None:
    factor = await phone(installation, await installation.user(), CodeProfile("SHA512", 8, period))
    af, environment = installation.af, installation.environment
    challenge = await af.run(af.challenges.create(environment, factor.factor_id))
    code = factor.code()
    assert not (await installation.verify(challenge, code)).repeated
    assert (await installation.verify(challenge, code)).repeated
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await installation.verify(challenge, factor.code(-1))


@pytest.mark.parametrize("profile", [CodeProfile("SHA1", 6, 60), LONG, CodeProfile("SHA256", 6, 30)])
async def test_two_codes_in_a_row_resync_a_factor_of_any_profile(
    installation: "Installation", profile: CodeProfile
) -> None:
    factor = await phone(installation, await installation.user(), profile)
    af, environment = installation.af, installation.environment

    async def resync(*codes: str) -> object:
        return await af.run(af.clock_resync.resync(environment, factor.factor_id, ResyncFactor(list(codes))))

    other = "123456" if profile.digits == 8 else "12345678"
    for codes in ((other, other), (factor.code(7), other)):
        with pytest.raises(errors.InvalidRequest) as refused:
            await resync(*codes)
        assert refused.value.items[0].code == "codes_invalid"
    assert (await installation.failures((await factor.details()).user_id or "")).times == ()
    await resync(factor.code(7), factor.code(8))
    assert (await factor.details()).drift == 8
    installation.clock.advance(10 * profile.period)
    assert await accepted(factor) == ([7, 8, 9] if profile.period == 30 else [7, 8])


@pytest.mark.parametrize("drift", [0, -1, -3])
async def test_long_steps_teach_no_drift_and_keep_what_was_known(
    installation: "Installation", drift: int
) -> None:
    factor = await phone(installation, await installation.user(), LONG, drift=drift, wait=600)
    for _ in range(4):
        assert (await factor.answer(factor.code(drift - 1))).valid
        assert (await factor.details()).drift == drift
        installation.clock.advance(60)


async def test_codes_of_a_restored_database_are_refused_in_steps_of_each_length(
    open_installation: "Opener",
) -> None:
    installation = await open_installation()
    factors = [
        await phone(installation, await installation.user(), profile, wait=200)
        for profile in (CodeProfile("SHA1", 6, 60), LONG, totp.STANDARD)
    ]
    codes = [factor.code() for factor in factors]
    marks = AfterRestore(installation.clock, installation.af.settings, installation.af.audit)
    await marks.mark(installation.af.store, "test")
    for factor, code in zip(factors, codes, strict=True):
        assert (await factor.answer(code)).reason == "code_already_used"
    # The window may have been moved by two learned steps.
    installation.clock.advance(4 * 60)
    for factor in factors:
        assert (await factor.answer(factor.code())).valid


async def test_late_code_of_a_long_step_tells_the_seconds(installation: "Installation") -> None:
    factor = await phone(installation, await installation.user(), LONG, wait=1200)
    outcome = await factor.answer(factor.code(-4))
    assert (outcome.reason, outcome.offset_seconds) == ("clock_drift", -240)


async def test_codes_of_long_steps_say_nothing_about_the_servers_clock(installation: "Installation") -> None:
    users = [await installation.user() for _ in range(BATCH)]
    outcomes = await run(installation, *(wanted(user.email, profile=LONG) for user in users))
    installation.clock.advance(300)
    for outcome in outcomes:
        factor = Phone(installation, outcome.factor_id or "", LONG)
        assert (await factor.answer(factor.code(-1))).valid
    assert installation.af.challenges.server_clock.median(installation.clock.now // 1000) is None
