"""Resync of a phone whose clock is far off, by two codes in a row."""

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from authfactor import errors
from authfactor.models import Enrollment, FactorDetails
from authfactor.rules.authentication.code_refusals import operator_code_refusal
from authfactor.rules.authentication.sign_in_events import SignInEvents
from authfactor.rules.events.event_log import REFUSAL_BURST
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from authfactor.wire.clock_resync import ResyncFactor
from authfactor.wire.requests import Authenticate, EnrollFactor
from tests.rules.test_clock_drift import accepted, answer, enroll, learned
from tests.rules.test_recovery_codes import enrolled_user, lock

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener


async def active(installation: "Installation") -> Enrollment:
    """Enroll, confirm, and let the code's time pass."""
    enrolled = await enroll(installation)
    assert await answer(installation, enrolled)
    installation.clock.advance(3600)
    return enrolled


def pair(installation: "Installation", enrolled: Enrollment, first: int) -> list[str]:
    return [installation.code(enrolled, first), installation.code(enrolled, first + 1)]


async def resync(installation: "Installation", enrolled: Enrollment, codes: list[str]) -> FactorDetails:
    request = ResyncFactor(codes)
    unit = installation.af.clock_resync.resync(installation.environment, enrolled.factor.id, request)
    return await installation.af.run(unit)


async def refusal(installation: "Installation", enrolled: Enrollment, codes: list[str]) -> str:
    with pytest.raises(errors.InvalidRequest) as refused:
        await resync(installation, enrolled, codes)
    return refused.value.items[0].code


@pytest.mark.parametrize("first", [-20, -8, 0, 7, 19])
async def test_two_codes_in_a_row_move_the_window_to_the_phones_clock(
    installation: "Installation", first: int
) -> None:
    enrolled = await active(installation)
    codes = pair(installation, enrolled, first)
    resynced = await resync(installation, enrolled, codes)
    assert (resynced.drift, resynced.last_used_at) == (first + 1, installation.clock.now)
    assert (await installation.failures(enrolled.factor.user_id or "")).times == ()
    events = await installation.events()
    assert events.count("authfactor.factor_resynced") == 1
    # Both codes are spent, and what is left of the window is one code.
    assert await accepted(installation, enrolled) == [first + 2]
    for code in codes:
        assert not (await installation.answer(enrolled, code)).valid
    installation.clock.advance(120)
    assert await accepted(installation, enrolled) == [first + at for at in (0, 1, 2)]


@pytest.mark.parametrize("first", [-21, 20])
async def test_a_clock_more_than_ten_minutes_off_is_not_resynced(
    installation: "Installation", first: int
) -> None:
    enrolled = await active(installation)
    codes = pair(installation, enrolled, first)
    assert await refusal(installation, enrolled, codes) == "codes_mismatch"
    assert learned(installation, enrolled) == (0, 0)


async def test_a_wrong_pair_counts_as_one_wrong_code(installation: "Installation") -> None:
    enrolled = await active(installation)
    user = enrolled.factor.user_id or ""
    right, wrong = installation.code(enrolled, 5), installation.wrong(enrolled)
    for number, codes in enumerate(([right, wrong], [wrong, right], [right, right]), 1):
        assert await refusal(installation, enrolled, codes) == "codes_mismatch"
        assert len((await installation.failures(user)).times) == number
    assert (await installation.events())[-3:] == ["authfactor.attempt_refused"] * 3
    assert await accepted(installation, enrolled) == [-1, 0, 1]


@pytest.mark.parametrize("codes", [[], ["123456"], ["123456"] * 3, ["12345", "123456"], ["123456", "abcdef"]])
async def test_what_is_no_pair_of_codes_is_not_counted(
    installation: "Installation", codes: list[str]
) -> None:
    enrolled = await active(installation)
    assert await refusal(installation, enrolled, codes) == "codes_invalid"
    assert (await installation.failures(enrolled.factor.user_id or "")).times == ()


async def test_wrong_pairs_lock_the_user_as_wrong_codes_do(open_installation: "Opener") -> None:
    installation: Installation = await open_installation(lock_after=3)
    enrolled = await active(installation)
    wrong = [installation.wrong(enrolled)] * 2
    # One budget: a wrong code and two wrong pairs.
    await installation.answer(enrolled, wrong[0])
    for _ in range(2):
        assert await refusal(installation, enrolled, wrong) == "codes_mismatch"
    assert (await installation.events())[-2:] == ["authfactor.user_locked", "authfactor.attempt_refused"]
    before = await installation.failures(enrolled.factor.user_id or "")
    for codes in (wrong, pair(installation, enrolled, 3)):
        with pytest.raises(errors.TooManyAttempts):
            await resync(installation, enrolled, codes)
    assert await installation.failures(enrolled.factor.user_id or "") == before
    assert learned(installation, enrolled) == (0, 0)


@pytest.mark.parametrize("used", [0, 1])
async def test_a_pair_with_a_spent_code_is_refused_and_counted(
    installation: "Installation", used: int
) -> None:
    enrolled = await active(installation)
    codes = pair(installation, enrolled, 0)
    assert (await installation.answer(enrolled, codes[used])).valid
    assert await refusal(installation, enrolled, codes) == "codes_already_used"
    assert (await installation.events())[-1] == "authfactor.replay_refused"
    assert len((await installation.failures(enrolled.factor.user_id or "")).times) == 1


async def test_a_pending_or_unknown_factor_is_not_resynced(installation: "Installation") -> None:
    pending = await enroll(installation)
    assert await refusal(installation, pending, pair(installation, pending, 0)) == "factor_not_active"
    enrolled = await active(installation)
    unit = installation.af.clock_resync.resync(
        installation.other, enrolled.factor.id, ResyncFactor(pair(installation, enrolled, 3))
    )
    with pytest.raises(errors.NotFound):
        await installation.af.run(unit)


async def test_one_of_fifty_concurrent_resyncs_succeeds(open_installation: "Opener") -> None:
    installation: Installation = await open_installation(
        lock_after=100, failures_per_day=100, doubling_after=100, failures_per_month=100
    )
    enrolled = await active(installation)
    codes = pair(installation, enrolled, 10)
    results = await asyncio.gather(
        *(resync(installation, enrolled, codes) for _ in range(50)), return_exceptions=True
    )
    refused = [one for one in results if isinstance(one, errors.InvalidRequest)]
    assert len(refused) == 49
    assert {one.items[0].code for one in refused} == {"codes_already_used"}
    assert (await installation.events()).count("authfactor.factor_resynced") == 1
    assert len((await installation.failures(enrolled.factor.user_id or "")).times) == 49


async def test_a_resync_and_a_code_of_its_pair_do_not_both_succeed(installation: "Installation") -> None:
    for _ in range(5):
        enrolled = await active(installation)
        codes = pair(installation, enrolled, 0)
        challenge = await installation.challenge(enrolled)
        racing: list[Any] = [
            resync(installation, enrolled, codes),
            installation.verify(challenge, codes[1]),
        ]
        random.Random(installation.clock.now).shuffle(racing)
        results = await asyncio.gather(*racing, return_exceptions=True)
        succeeded = [one for one in results if isinstance(one, FactorDetails) or getattr(one, "valid", False)]
        assert len(succeeded) == 1


async def test_learning_goes_from_a_resync_toward_the_servers_clock_alone(
    installation: "Installation",
) -> None:
    enrolled = await active(installation)
    await resync(installation, enrolled, pair(installation, enrolled, 9))
    for _ in range(3):
        installation.clock.advance(120)
        assert await answer(installation, enrolled, 330)
    assert learned(installation, enrolled) == (10, 1)
    for drift in (10, 9, 9, 8):
        installation.clock.advance(120)
        off = 30 * (int(str(learned(installation, enrolled)[0])) - 1)
        assert await answer(installation, enrolled, off)
        assert learned(installation, enrolled)[0] == drift


async def test_a_resync_is_refused_where_drift_is_not_learned(open_installation: "Opener") -> None:
    installation: Installation = await open_installation(learn_drift=False)
    enrolled = await active(installation)
    assert await refusal(installation, enrolled, pair(installation, enrolled, 3)) == "clock_drift_off"


async def test_a_resync_spends_the_codes_of_a_duplicate(installation: "Installation") -> None:
    """Of a factor with the same secret, which an older release enrolled."""
    user = await installation.user()
    enrolled = await installation.enroll(user)
    assert await answer(installation, enrolled)
    other = await installation.enroll(user)
    copied = installation.af.vault.seal(
        installation.af.vault.unseal(enrolled.factor.secret, _row(enrolled)), _row(other)
    )
    installation.sql("UPDATE factors SET secret = ? WHERE id = ?", copied, other.factor.id)
    installation.clock.advance(120)
    codes = pair(installation, enrolled, 0)
    await resync(installation, enrolled, codes)
    for code in codes:
        assert (await installation.answer(other, code)).reason == "code_already_used"


def _row(enrolled: Enrollment) -> Any:  # noqa: ANN401 - a location in the vault
    return secret_row(1, enrolled.factor.id)


async def test_factor_without_a_user_is_resynced(installation: "Installation") -> None:
    af = installation.af
    request = EnrollFactor(type="totp", totp_issuer="Acme", totp_user="kim")
    enrolled = await af.run(af.factors.enroll_standalone(installation.environment, request))
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid
    installation.clock.advance(3600)
    assert (await resync(installation, enrolled, pair(installation, enrolled, 4))).drift == 5


async def test_refusals_under_a_lock_stop_writing_events(installation: "Installation") -> None:
    user, enrolled = await enrolled_user(installation)
    await lock(installation, user, enrolled)
    unit = installation.af.clock_resync.resync(
        installation.environment, enrolled.factor.id, ResyncFactor(pair(installation, enrolled, 4))
    )
    for _ in range(REFUSAL_BURST + 2):
        with pytest.raises(errors.TooManyAttempts):
            await installation.af.run(unit)
    written = len(await installation.events())

    async def refuse(tx: Tx) -> None:
        scope = Scope(tx, installation.environment, installation.clock.now)
        events = SignInEvents(installation.af.events)
        await events.emit_refused(scope, user, operator_code_refusal(), Authenticate())

    await installation.af.run(refuse)
    assert len(await installation.events()) == written
