"""How many wrong codes are allowed, over challenges, factors and time."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from authfactor import errors
from authfactor.models import Enrollment, Verification
from authfactor.rules.events.event_log import REFUSAL_BURST, REFUSAL_INTERVAL
from authfactor.rules.factors.challenges import DRIFT_STEPS

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener

MINUTE, DAY = 60, 24 * 3600
# For what the shorter limits do; those of the month are looked at below.
NO_MONTH = {"doubling_after": 1000, "failures_per_month": 1000}
LOCK = 15 * MINUTE


async def fail(desk: "Installation", enrolled: Enrollment, times: int = 1) -> Verification:
    """Give wrong codes, each on a challenge of its own."""
    for _ in range(times - 1):
        assert not (await desk.answer(enrolled, desk.wrong(enrolled))).valid
    return await desk.answer(enrolled, desk.wrong(enrolled))


async def locked(desk: "Installation", enrolled: Enrollment, code: str = "") -> errors.TooManyAttempts:
    with pytest.raises(errors.TooManyAttempts) as refused:
        await desk.answer(enrolled, code or desk.code(enrolled))
    return refused.value


async def test_a_challenge_takes_five_codes_and_then_not_even_the_right_one(desk: "Installation") -> None:
    user = await desk.user()
    enrolled = await desk.enroll(user)
    left = [
        (await desk.verify(enrolled.challenge, desk.wrong(enrolled))).attempts_remaining for _ in range(5)
    ]
    assert left == [4, 3, 2, 1, 0]
    for code in (desk.code(enrolled), desk.wrong(enrolled)):
        with pytest.raises(errors.TooManyAttempts) as refused:
            await desk.verify(enrolled.challenge, code)
        assert (refused.value.locked_until, refused.value.hard_stop) == (None, False)
    assert (await desk.failures(user.id)).in_a_row == 5
    assert (await desk.answer(enrolled, desk.code(enrolled))).valid


async def test_of_many_codes_at_once_no_more_than_five_are_looked_at(desk: "Installation") -> None:
    user = await desk.user()
    enrolled = await desk.enroll(user)
    wrong = desk.wrong(enrolled)
    outcomes = await asyncio.gather(
        *(desk.verify(enrolled.challenge, wrong) for _ in range(50)), return_exceptions=True
    )
    assert sum(isinstance(each, Verification) for each in outcomes) == 5
    assert sum(isinstance(each, errors.TooManyAttempts) for each in outcomes) == 45
    assert (await desk.failures(user.id)).in_a_row == 5


async def test_ten_wrong_codes_over_challenges_and_factors_lock_the_user_for_fifteen_minutes(
    desk: "Installation",
) -> None:
    user = await desk.user()
    phone, tablet = await desk.enroll(user), await desk.enroll(user)
    await fail(desk, phone, 5)
    assert (await fail(desk, tablet, 4)).attempts_remaining == 1
    desk.clock.advance(0.5)
    last = await fail(desk, phone)
    until = desk.clock.now + LOCK * 1000
    assert (last.attempts_remaining, last.locked_until) == (0, until)
    assert (await desk.events()).count("authfactor.user_locked") == 1

    for enrolled in (phone, tablet):
        refusal = await locked(desk, enrolled)
        assert (refusal.locked_until, refusal.hard_stop) == (until, False)
    desk.clock.advance(LOCK - 0.001)
    await locked(desk, phone)
    desk.clock.advance(0.001)
    assert (await desk.answer(phone, desk.code(phone))).valid


async def test_another_user_is_not_locked_too(desk: "Installation") -> None:
    mine, theirs = await desk.enroll(await desk.user()), await desk.enroll(await desk.user())
    await fail(desk, mine, 10)
    assert (await desk.answer(theirs, desk.code(theirs))).valid


async def test_attempts_under_a_lock_neither_count_nor_lengthen_it(desk: "Installation") -> None:
    user = await desk.user()
    enrolled = await desk.enroll(user)
    until = (await fail(desk, enrolled, 10)).locked_until
    record = await desk.failures(user.id)
    for _ in range(14):
        desk.clock.advance(MINUTE)
        assert (await locked(desk, enrolled, desk.wrong(enrolled))).locked_until == until
    assert await desk.failures(user.id) == record
    assert (await desk.events()).count("authfactor.user_locked") == 1
    challenge = await desk.challenge(enrolled)
    with pytest.raises(errors.TooManyAttempts):
        await desk.verify(challenge, desk.code(enrolled))
    desk.clock.advance(MINUTE)
    assert (await desk.verify(challenge, desk.code(enrolled))).valid


async def test_wrong_codes_further_apart_than_the_window_do_not_lock(
    open_desk: "Opener",
) -> None:
    desk: Installation = await open_desk(**NO_MONTH)
    enrolled = await desk.enroll(await desk.user())
    for _ in range(20):
        assert (await fail(desk, enrolled)).locked_until is None
        desk.clock.advance(LOCK / 9)
    await fail(desk, enrolled)


async def test_a_right_code_does_not_wipe_the_window(desk: "Installation") -> None:
    """Someone who holds one factor of a user must not be able to reset the count while guessing another."""
    user = await desk.user()
    own, guessed = await desk.enroll(user), await desk.enroll(user)
    await fail(desk, guessed, 9)
    assert (await desk.answer(own, desk.code(own))).valid
    assert (await fail(desk, guessed)).locked_until is not None


async def test_replays_are_counted_like_wrong_codes(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    code = desk.code(enrolled)
    assert (await desk.answer(enrolled, code)).valid
    for _ in range(9):
        assert (await desk.answer(enrolled, code)).reason == "code_already_used"
    last = await desk.answer(enrolled, code)
    assert (last.reason, last.attempts_remaining) == ("code_already_used", 0)
    assert last.locked_until is not None
    await locked(desk, enrolled, desk.code(enrolled, 1))


async def test_fifty_wrong_codes_in_a_day_lock_until_the_day_has_passed(
    open_desk: "Opener",
) -> None:
    desk: Installation = await open_desk(**NO_MONTH)
    enrolled = await desk.enroll(await desk.user())
    first = desk.clock.now
    for _ in range(49):
        assert (await fail(desk, enrolled)).locked_until is None
        desk.clock.advance(2 * MINUTE)
    last = await fail(desk, enrolled)
    assert last.locked_until == first + DAY * 1000
    desk.clock.now = first + DAY * 1000 - 1
    assert (await locked(desk, enrolled)).locked_until == first + DAY * 1000
    desk.clock.advance(0.001)
    assert (await desk.answer(enrolled, desk.code(enrolled))).valid


async def test_a_hundred_wrong_codes_in_a_row_stop_until_an_operator_unlocks(
    open_desk: "Opener",
) -> None:
    desk: Installation = await open_desk(**NO_MONTH)
    user = await desk.user()
    enrolled = await desk.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    for _ in range(99):
        assert (await fail(desk, enrolled)).locked_until is None
        desk.clock.advance(30 * MINUTE)
    last = await fail(desk, enrolled)
    assert (last.attempts_remaining, last.locked_until) == (0, None)
    for days in (0, 1, 3650):
        desk.clock.advance(days * DAY)
        refusal = await locked(desk, enrolled)
        assert (refusal.locked_until, refusal.hard_stop) == (None, True)
    assert await desk.af.run(lambda tx: tx.failures.clear(desk.environment.number, user.id))
    assert (await desk.answer(enrolled, desk.code(enrolled))).valid


async def test_a_right_code_ends_the_run(
    open_desk: "Opener",
) -> None:
    desk: Installation = await open_desk(**NO_MONTH)
    user = await desk.user()
    enrolled = await desk.enroll(user)
    for _ in range(60):
        await fail(desk, enrolled)
        desk.clock.advance(30 * MINUTE)
    assert (await desk.failures(user.id)).in_a_row == 60
    assert (await desk.answer(enrolled, desk.code(enrolled))).valid
    assert (await desk.failures(user.id)).in_a_row == 0
    for _ in range(60):
        desk.clock.advance(30 * MINUTE)
        assert (await fail(desk, enrolled)).attempts_remaining


async def test_a_factor_without_a_user_counts_on_its_own(desk: "Installation") -> None:
    user = await desk.user()
    alone, other, owned = (
        await desk.enroll_alone(),
        await desk.enroll_alone(),
        await desk.enroll_alone(user.id),
    )
    assert (await fail(desk, alone, 10)).locked_until is not None
    await locked(desk, alone)
    assert (await desk.answer(other, desk.code(other))).valid
    assert (await fail(desk, owned)).locked_until is None
    assert (await desk.failures(alone.factor.id)).in_a_row == 10
    assert (await desk.failures(user.id)).in_a_row == 1


async def test_a_new_factor_gives_no_new_tries(desk: "Installation") -> None:
    user = await desk.user()
    first = await desk.enroll(user)
    await fail(desk, first, 10)
    await desk.af.run(desk.af.factors.delete(desk.environment, first.factor.id))
    await locked(desk, await desk.enroll(user))


async def test_a_clock_set_back_lifts_no_lock(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    desk.clock.advance(10)
    await fail(desk, enrolled, 9)
    desk.clock.advance(-5 * MINUTE)
    assert (await fail(desk, enrolled)).locked_until is not None
    desk.clock.advance(-DAY)
    await locked(desk, enrolled)


async def test_the_limits_are_settings(open_desk: "Opener") -> None:
    desk: Installation = await open_desk(attempts_per_challenge=2, lock_after=3, lock_time=60, lock_window=60)
    enrolled = await desk.enroll(await desk.user())
    left = [(await desk.verify(enrolled.challenge, "x")).attempts_remaining for _ in range(2)]
    assert left == [1, 0]
    with pytest.raises(errors.TooManyAttempts):
        await desk.verify(enrolled.challenge, desk.code(enrolled))
    assert (await fail(desk, enrolled)).locked_until == desk.clock.now + 60_000
    desk.clock.advance(60)
    assert (await desk.answer(enrolled, desk.code(enrolled))).valid


async def test_after_fifteen_wrong_codes_in_a_month_the_wait_doubles_and_a_right_code_does_not_end_it(
    desk: "Installation",
) -> None:
    user = await desk.user()
    enrolled = await desk.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    for _ in range(14):
        assert (await fail(desk, enrolled)).locked_until is None
        desk.clock.advance(DAY)
    for wait in (15, 30, 60):
        refused = await fail(desk, enrolled)
        assert (refused.attempts_remaining, refused.locked_until) == (
            0,
            desk.clock.now + wait * MINUTE * 1000,
        )
        desk.clock.advance(wait * MINUTE)
        assert (await desk.answer(enrolled, desk.code(enrolled))).valid
        desk.clock.advance(MINUTE)


async def test_a_refused_attempt_leaves_its_event_and_no_count(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    challenge = await desk.challenge(enrolled)
    await fail(desk, enrolled, 10)
    with pytest.raises(errors.TooManyAttempts):
        await desk.verify(challenge, desk.code(enrolled))
    desk.clock.advance(DAY)
    with pytest.raises(errors.ChallengeExpired):
        await desk.verify(challenge, desk.code(enrolled))
    fresh = await desk.challenge(enrolled)
    assert (await desk.verify(fresh, desk.code(enrolled))).valid
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await desk.verify(fresh, desk.code(enrolled))
    told = desk.sql("SELECT data FROM events WHERE name = 'authfactor.attempt_refused' ORDER BY id")
    reasons = [str(row[0]).rpartition('"reason":"')[2].rstrip('"}') for row in told]
    assert reasons == [
        *["code_mismatch"] * 10,
        "one_time_code_too_many_attempts",
        "authentication_challenge_expired",
        "authentication_challenge_previously_verified",
    ]


async def test_a_wrong_code_leaves_an_event_with_its_reason_and_a_replay_its_own(
    desk: "Installation",
) -> None:
    enrolled = await desk.enroll(await desk.user())
    await desk.answer(enrolled, desk.wrong(enrolled))
    await desk.answer(enrolled, desk.code(enrolled, -DRIFT_STEPS + 2))
    good = desk.code(enrolled)
    assert (await desk.answer(enrolled, good)).valid
    await desk.answer(enrolled, good)
    told = desk.sql("SELECT name, data FROM events WHERE name LIKE 'authfactor.%refused' ORDER BY id")
    assert [(name, str(data).partition('"reason":')[2]) for name, data in told] == [
        ("authfactor.attempt_refused", '"code_mismatch"}'),
        ("authfactor.attempt_refused", '"clock_drift"}'),
        ("authfactor.replay_refused", ""),
    ]


async def test_whoever_goes_on_knocking_does_not_fill_the_disk(desk: "Installation") -> None:
    enrolled = await desk.enroll(await desk.user())
    challenge = await desk.challenge(enrolled)
    await fail(desk, enrolled, 10)

    async def knock(times: int) -> int:
        before = len(desk.sql("SELECT id FROM events"))
        for _ in range(times):
            with pytest.raises(errors.ChallengeRefused):
                await desk.verify(challenge, "000000")
        return len(desk.sql("SELECT id FROM events")) - before

    assert await knock(REFUSAL_BURST + 20) == REFUSAL_BURST
    desk.clock.advance(2 * REFUSAL_INTERVAL / 1000)
    assert await knock(10) == 2
    desk.clock.advance(DAY)
    # It has expired by now.
    assert await knock(REFUSAL_BURST + 20) == REFUSAL_BURST
