"""Limits on wrong codes, across challenges, factors and time."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from authfactor import errors
from authfactor.models import Enrollment, Verification
from authfactor.rules.events.event_log import REFUSAL_BURST, REFUSAL_INTERVAL
from authfactor.rules.factors.clock_drift import LATE_STEPS

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener

MINUTE, DAY = 60, 24 * 3600
# For the tests of the shorter limits.
NO_MONTHLY_LIMITS = {"doubling_after": 1000, "failures_per_month": 1000}
LOCK = 15 * MINUTE


async def fail(installation: "Installation", enrolled: Enrollment, times: int = 1) -> Verification:
    """Verify wrong codes, each on a new challenge; return the last result."""
    for _ in range(times - 1):
        assert not (await installation.answer(enrolled, installation.wrong(enrolled))).valid
    return await installation.answer(enrolled, installation.wrong(enrolled))


async def assert_locked(
    installation: "Installation", enrolled: Enrollment, code: str = ""
) -> errors.TooManyAttempts:
    with pytest.raises(errors.TooManyAttempts) as refused:
        await installation.answer(enrolled, code or installation.code(enrolled))
    return refused.value


async def test_challenge_refuses_even_the_right_code_after_five_attempts(
    installation: "Installation",
) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    left = [
        (await installation.verify(enrolled.challenge, installation.wrong(enrolled))).attempts_remaining
        for _ in range(5)
    ]
    assert left == [4, 3, 2, 1, 0]
    for code in (installation.code(enrolled), installation.wrong(enrolled)):
        with pytest.raises(errors.TooManyAttempts) as refused:
            await installation.verify(enrolled.challenge, code)
        assert (refused.value.locked_until, refused.value.hard_stop) == (None, False)
    assert (await installation.failures(user.id)).in_a_row == 5
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid


async def test_only_five_of_many_concurrent_codes_are_checked(installation: "Installation") -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    wrong = installation.wrong(enrolled)
    outcomes = await asyncio.gather(
        *(installation.verify(enrolled.challenge, wrong) for _ in range(50)), return_exceptions=True
    )
    assert sum(isinstance(each, Verification) for each in outcomes) == 5
    assert sum(isinstance(each, errors.TooManyAttempts) for each in outcomes) == 45
    assert (await installation.failures(user.id)).in_a_row == 5


async def test_ten_wrong_codes_across_factors_lock_the_user_for_fifteen_minutes(
    installation: "Installation",
) -> None:
    user = await installation.user()
    phone, tablet = await installation.enroll(user), await installation.enroll(user)
    await fail(installation, phone, 5)
    assert (await fail(installation, tablet, 4)).attempts_remaining == 1
    installation.clock.advance(0.5)
    last = await fail(installation, phone)
    until = installation.clock.now + LOCK * 1000
    assert (last.attempts_remaining, last.locked_until) == (0, until)
    assert (await installation.events()).count("authfactor.user_locked") == 1

    for enrolled in (phone, tablet):
        refusal = await assert_locked(installation, enrolled)
        assert (refusal.locked_until, refusal.hard_stop) == (until, False)
    installation.clock.advance(LOCK - 0.001)
    await assert_locked(installation, phone)
    installation.clock.advance(0.001)
    assert (await installation.answer(phone, installation.code(phone))).valid


async def test_lock_does_not_affect_another_user(installation: "Installation") -> None:
    mine, theirs = (
        await installation.enroll(await installation.user()),
        await installation.enroll(await installation.user()),
    )
    await fail(installation, mine, 10)
    assert (await installation.answer(theirs, installation.code(theirs))).valid


async def test_attempts_under_a_lock_do_not_count_or_extend_it(installation: "Installation") -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user)
    until = (await fail(installation, enrolled, 10)).locked_until
    record = await installation.failures(user.id)
    for _ in range(14):
        installation.clock.advance(MINUTE)
        assert (
            await assert_locked(installation, enrolled, installation.wrong(enrolled))
        ).locked_until == until
    assert await installation.failures(user.id) == record
    assert (await installation.events()).count("authfactor.user_locked") == 1
    challenge = await installation.challenge(enrolled)
    with pytest.raises(errors.TooManyAttempts):
        await installation.verify(challenge, installation.code(enrolled))
    installation.clock.advance(MINUTE)
    assert (await installation.verify(challenge, installation.code(enrolled))).valid


async def test_wrong_codes_further_apart_than_the_window_do_not_lock(
    open_installation: "Opener",
) -> None:
    installation: Installation = await open_installation(**NO_MONTHLY_LIMITS)
    enrolled = await installation.enroll(await installation.user())
    for _ in range(20):
        assert (await fail(installation, enrolled)).locked_until is None
        installation.clock.advance(LOCK / 9)
    await fail(installation, enrolled)


async def test_right_code_does_not_reset_the_lock_window(installation: "Installation") -> None:
    """An attacker who holds one factor of a user must not reset the count while guessing another."""
    user = await installation.user()
    held, guessed = await installation.enroll(user), await installation.enroll(user)
    await fail(installation, guessed, 9)
    assert (await installation.answer(held, installation.code(held))).valid
    assert (await fail(installation, guessed)).locked_until is not None


async def test_replays_are_counted_like_wrong_codes(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    code = installation.code(enrolled)
    assert (await installation.answer(enrolled, code)).valid
    for _ in range(9):
        assert (await installation.answer(enrolled, code)).reason == "code_already_used"
    last = await installation.answer(enrolled, code)
    assert (last.reason, last.attempts_remaining) == ("code_already_used", 0)
    assert last.locked_until is not None
    await assert_locked(installation, enrolled, installation.code(enrolled, 1))


async def test_fifty_wrong_codes_in_a_day_lock_until_the_day_has_passed(
    open_installation: "Opener",
) -> None:
    installation: Installation = await open_installation(**NO_MONTHLY_LIMITS)
    enrolled = await installation.enroll(await installation.user())
    first = installation.clock.now
    for _ in range(49):
        assert (await fail(installation, enrolled)).locked_until is None
        installation.clock.advance(2 * MINUTE)
    last = await fail(installation, enrolled)
    assert last.locked_until == first + DAY * 1000
    installation.clock.now = first + DAY * 1000 - 1
    assert (await assert_locked(installation, enrolled)).locked_until == first + DAY * 1000
    installation.clock.advance(0.001)
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid


async def test_hundred_wrong_codes_in_a_row_lock_until_an_operator_unlocks(
    open_installation: "Opener",
) -> None:
    installation: Installation = await open_installation(**NO_MONTHLY_LIMITS)
    user = await installation.user()
    enrolled = await installation.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    for _ in range(99):
        assert (await fail(installation, enrolled)).locked_until is None
        installation.clock.advance(30 * MINUTE)
    last = await fail(installation, enrolled)
    assert (last.attempts_remaining, last.locked_until) == (0, None)
    for days in (0, 1, 3650):
        installation.clock.advance(days * DAY)
        refusal = await assert_locked(installation, enrolled)
        assert (refusal.locked_until, refusal.hard_stop) == (None, True)
    assert await installation.af.run(lambda tx: tx.failures.clear(installation.environment.number, user.id))
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid


async def test_right_code_resets_the_count_in_a_row(
    open_installation: "Opener",
) -> None:
    installation: Installation = await open_installation(**NO_MONTHLY_LIMITS)
    user = await installation.user()
    enrolled = await installation.enroll(user)
    for _ in range(60):
        await fail(installation, enrolled)
        installation.clock.advance(30 * MINUTE)
    assert (await installation.failures(user.id)).in_a_row == 60
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid
    assert (await installation.failures(user.id)).in_a_row == 0
    for _ in range(60):
        installation.clock.advance(30 * MINUTE)
        assert (await fail(installation, enrolled)).attempts_remaining


async def test_factor_without_a_user_has_its_own_count(installation: "Installation") -> None:
    user = await installation.user()
    alone, other, owned = (
        await installation.enroll_alone(),
        await installation.enroll_alone(),
        await installation.enroll_alone(user.id),
    )
    assert (await fail(installation, alone, 10)).locked_until is not None
    await assert_locked(installation, alone)
    assert (await installation.answer(other, installation.code(other))).valid
    assert (await fail(installation, owned)).locked_until is None
    assert (await installation.failures(alone.factor.id)).in_a_row == 10
    assert (await installation.failures(user.id)).in_a_row == 1


async def test_new_factor_does_not_end_a_lock(installation: "Installation") -> None:
    user = await installation.user()
    first = await installation.enroll(user)
    await fail(installation, first, 10)
    await installation.af.run(installation.af.factors.delete(installation.environment, first.factor.id))
    await assert_locked(installation, await installation.enroll(user))


async def test_clock_set_back_does_not_end_a_lock(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    installation.clock.advance(10)
    await fail(installation, enrolled, 9)
    installation.clock.advance(-5 * MINUTE)
    assert (await fail(installation, enrolled)).locked_until is not None
    installation.clock.advance(-DAY)
    await assert_locked(installation, enrolled)


async def test_limits_follow_their_settings(open_installation: "Opener") -> None:
    installation: Installation = await open_installation(
        attempts_per_challenge=2, lock_after=3, lock_time=60, lock_window=60
    )
    enrolled = await installation.enroll(await installation.user())
    wrong = installation.wrong(enrolled)
    left = [(await installation.verify(enrolled.challenge, wrong)).attempts_remaining for _ in range(2)]
    assert left == [1, 0]
    with pytest.raises(errors.TooManyAttempts):
        await installation.verify(enrolled.challenge, installation.code(enrolled))
    assert (await fail(installation, enrolled)).locked_until == installation.clock.now + 60_000
    installation.clock.advance(60)
    assert (await installation.answer(enrolled, installation.code(enrolled))).valid


async def test_lock_doubles_after_fifteen_wrong_codes_despite_right_ones(
    installation: "Installation",
) -> None:
    user = await installation.user()
    enrolled = await installation.enroll(user, totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    for _ in range(14):
        assert (await fail(installation, enrolled)).locked_until is None
        installation.clock.advance(DAY)
    for wait in (15, 30, 60):
        refused = await fail(installation, enrolled)
        assert (refused.attempts_remaining, refused.locked_until) == (
            0,
            installation.clock.now + wait * MINUTE * 1000,
        )
        installation.clock.advance(wait * MINUTE)
        assert (await installation.answer(enrolled, installation.code(enrolled))).valid
        installation.clock.advance(MINUTE)


async def test_refused_attempt_emits_an_event_but_is_not_counted(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    challenge = await installation.challenge(enrolled)
    await fail(installation, enrolled, 10)
    with pytest.raises(errors.TooManyAttempts):
        await installation.verify(challenge, installation.code(enrolled))
    installation.clock.advance(DAY)
    with pytest.raises(errors.ChallengeExpired):
        await installation.verify(challenge, installation.code(enrolled))
    fresh = await installation.challenge(enrolled)
    assert (await installation.verify(fresh, installation.code(enrolled))).valid
    with pytest.raises(errors.ChallengeAlreadyVerified):
        await installation.verify(fresh, installation.code(enrolled, 1))
    events = installation.sql("SELECT data FROM events WHERE name = 'authfactor.attempt_refused' ORDER BY id")
    reasons = [str(row[0]).rpartition('"reason":"')[2].rstrip('"}') for row in events]
    assert reasons == [
        *["code_mismatch"] * 10,
        "one_time_code_too_many_attempts",
        "authentication_challenge_expired",
        "authentication_challenge_previously_verified",
    ]


async def test_wrong_and_replayed_codes_emit_events_with_their_reasons(
    installation: "Installation",
) -> None:
    enrolled = await installation.enroll(await installation.user())
    await installation.answer(enrolled, installation.wrong(enrolled))
    await installation.answer(enrolled, installation.code(enrolled, -LATE_STEPS + 2))
    code = installation.code(enrolled)
    assert (await installation.answer(enrolled, code)).valid
    await installation.answer(enrolled, code)
    events = installation.sql(
        "SELECT name, data FROM events WHERE name LIKE 'authfactor.%refused' ORDER BY id"
    )
    assert [(name, str(data).partition('"reason":')[2]) for name, data in events] == [
        ("authfactor.attempt_refused", '"code_mismatch"}'),
        ("authfactor.attempt_refused", '"clock_drift"}'),
        ("authfactor.replay_refused", ""),
    ]


async def test_events_of_repeated_refusals_are_rate_limited(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    challenge = await installation.challenge(enrolled)
    await fail(installation, enrolled, 10)

    async def count_new_events(times: int) -> int:
        before = len(installation.sql("SELECT id FROM events"))
        for _ in range(times):
            with pytest.raises(errors.ChallengeRefused):
                await installation.verify(challenge, "000000")
        return len(installation.sql("SELECT id FROM events")) - before

    assert await count_new_events(REFUSAL_BURST + 20) == REFUSAL_BURST
    installation.clock.advance(2 * REFUSAL_INTERVAL / 1000)
    assert await count_new_events(10) == 2
    installation.clock.advance(DAY)
    # The challenge has expired by now.
    assert await count_new_events(REFUSAL_BURST + 20) == REFUSAL_BURST


async def test_response_to_a_malformed_code_has_the_attempts_that_are_left(
    installation: "Installation",
) -> None:
    enrolled = await installation.enroll(await installation.user())
    assert (await installation.verify(enrolled.challenge, "12345")).attempts_remaining == 5
    await installation.verify(enrolled.challenge, installation.wrong(enrolled))
    assert (await installation.verify(enrolled.challenge, "12345")).attempts_remaining == 4
    # Of the user's, if the challenge has more.
    await fail(installation, enrolled, 8)
    assert (await installation.answer(enrolled, "")).attempts_remaining == 1


async def test_malformed_code_is_refused_where_no_code_is_compared(installation: "Installation") -> None:
    enrolled = await installation.enroll(await installation.user())
    used_up = await installation.challenge(enrolled)
    for _ in range(5):
        await installation.verify(used_up, installation.wrong(enrolled))
    with pytest.raises(errors.TooManyAttempts) as refused:
        await installation.verify(used_up, "12345")
    assert refused.value.locked_until is None
    await fail(installation, enrolled, 5)
    before = await installation.events()
    refusal = await assert_locked(installation, enrolled, "12345")
    assert refusal.locked_until == installation.clock.now + LOCK * 1000
    installation.clock.advance(DAY)
    with pytest.raises(errors.ChallengeExpired):
        await installation.verify(enrolled.challenge, "12345")
    assert await installation.events() == before


async def test_malformed_code_after_a_lock_has_one_attempt_left(
    open_installation: "Opener",
) -> None:
    installation = await open_installation(lock_after=3, lock_time=60, lock_window=600)
    enrolled = await installation.enroll(await installation.user())
    await fail(installation, enrolled, 3)
    installation.clock.advance(60)
    assert (await installation.answer(enrolled, "12345")).attempts_remaining == 1
