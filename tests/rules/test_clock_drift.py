"""Clocks of phones that are off: the window follows them, and never holds more codes."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from authfactor.models import Enrollment, Verification
from authfactor.store import SpendResult, Tx, Unit

if TYPE_CHECKING:
    from tests.support.installation import Installation, Opener

DAY = 24 * 3600


async def enroll(installation: "Installation") -> Enrollment:
    return await installation.enroll(await installation.user())


async def answer(installation: "Installation", enrolled: Enrollment, ahead: float = 0) -> bool:
    """Type the code of a phone whose clock is this many seconds ahead."""
    seconds = installation.clock.now / 1000
    step = int((seconds + ahead) // 30) - int(seconds // 30)
    return (await installation.answer(enrolled, installation.code(enrolled, step))).valid


def learned(installation: "Installation", enrolled: Enrollment) -> tuple[object, ...]:
    found = "SELECT drift, last_offset FROM factors WHERE id = ?"
    return tuple(installation.sql(found, enrolled.factor.id)[0])


async def accepted(installation: "Installation", enrolled: Enrollment) -> list[int]:
    """Return the steps from now whose codes are right, by one guess each, all rolled back."""

    class Undo(Exception):
        pass

    found = []
    for step in range(-25, 26):
        challenge = await installation.challenge(enrolled)
        verify = installation.af.challenges.verify(
            installation.environment, challenge.id, installation.code(enrolled, step)
        )

        async def attempt(tx: Tx, verify: Unit[Verification] = verify) -> None:
            if (await verify(tx)).valid:
                raise Undo("right")
            raise Undo("wrong")

        with pytest.raises(Undo) as undone:
            await installation.af.run(attempt)
        if undone.value.args == ("right",):
            found.append(step)
    return found


async def test_two_codes_ahead_move_the_window_by_one_step(installation: "Installation") -> None:
    enrolled = await enroll(installation)
    assert await accepted(installation, enrolled) == [-1, 0, 1]
    # The first is the one that activates the factor.
    for state in ((0, 1), (1, 0)):
        assert await answer(installation, enrolled, 30)
        assert learned(installation, enrolled) == state
        installation.clock.advance(120)
    assert await accepted(installation, enrolled) == [0, 1, 2]
    for state in ((1, -1), (0, 0)):
        assert await answer(installation, enrolled)
        assert learned(installation, enrolled) == state
        installation.clock.advance(120)
    assert await accepted(installation, enrolled) == [-1, 0, 1]


async def test_wrong_and_used_codes_teach_nothing(installation: "Installation") -> None:
    enrolled = await enroll(installation)
    assert await answer(installation, enrolled, 30)
    for code in (
        installation.wrong(enrolled),
        installation.code(enrolled, 1),
        installation.code(enrolled, -5),
    ):
        assert not (await installation.answer(enrolled, code)).valid
    assert learned(installation, enrolled) == (0, 1)


@pytest.mark.parametrize("direction", [1, -1])
async def test_a_clock_that_slowly_drifts_is_accepted_up_to_89_seconds(
    installation: "Installation", direction: int
) -> None:
    enrolled = await enroll(installation)
    for off in range(0, 90, 2):
        assert await answer(installation, enrolled, direction * off), off
        installation.clock.advance(3600 + 7)
    for off in (60, 89, 89, 89):
        for at in (0, 29):
            installation.clock.advance(600 + at - installation.clock.now // 1000 % 30)
            assert await answer(installation, enrolled, direction * off), (off, at)
    assert learned(installation, enrolled)[0] == 2 * direction
    installation.clock.advance(600)
    assert await accepted(installation, enrolled) == [2 * direction + at for at in (-1, 0, 1)]
    # At 91 seconds, a second in thirty is beyond the window, and learning goes no farther.
    for at, valid in ((15, True), (29 if direction > 0 else 0, False), (15, True), (15, True)):
        installation.clock.advance(600 + at - installation.clock.now // 1000 % 30)
        assert await answer(installation, enrolled, direction * 91) is valid
    assert learned(installation, enrolled)[0] == 2 * direction


@pytest.mark.parametrize("off", [60, 89, 91, -60, -89, -91])
async def test_a_new_phone_that_far_off_is_refused(installation: "Installation", off: int) -> None:
    enrolled = await enroll(installation)
    assert not await answer(installation, enrolled, off)
    assert learned(installation, enrolled) == (0, 0)


async def test_a_spent_code_stays_spent_when_the_window_moves(installation: "Installation") -> None:
    enrolled = await enroll(installation)
    for _ in range(2):
        installation.clock.advance(120)
        assert await answer(installation, enrolled, -30)
    spent = installation.code(enrolled, -1)
    assert learned(installation, enrolled) == (-1, 0)
    assert await accepted(installation, enrolled) == [0]
    for later, reason in ((0, "code_already_used"), (30, "code_already_used"), (30, "clock_drift")):
        installation.clock.advance(later)
        refused = await installation.answer(enrolled, spent)
        assert (refused.valid, refused.reason) == (False, reason)


async def test_the_servers_clock_jumps_and_comes_back(installation: "Installation") -> None:
    enrolled = await enroll(installation)
    assert await answer(installation, enrolled)
    # 30 s ahead: phones seem behind, and are followed.
    installation.clock.advance(630)
    for _ in range(2):
        assert await answer(installation, enrolled, -30)
        installation.clock.advance(600)
    assert learned(installation, enrolled) == (-1, 0)
    installation.clock.advance(-30)
    for _ in range(2):
        assert await answer(installation, enrolled)
        installation.clock.advance(600)
    assert learned(installation, enrolled) == (0, 0)
    # Two minutes ahead: refused, and nothing is learned.
    installation.clock.advance(120)
    late = await installation.answer(enrolled, installation.code(enrolled, -4))
    assert (late.reason, late.offset_seconds) == ("clock_drift", -120)
    installation.clock.advance(-120)
    assert await answer(installation, enrolled)


async def test_drift_is_forgotten_after_90_days_without_a_code(installation: "Installation") -> None:
    enrolled = await enroll(installation)
    for _ in range(4):
        assert await answer(installation, enrolled, 30 + 30 * (learned(installation, enrolled)[0] == 1))
        installation.clock.advance(120)
    assert learned(installation, enrolled) == (2, 0)
    installation.clock.advance(89 * DAY)
    assert await accepted(installation, enrolled) == [1, 2, 3]
    installation.clock.advance(DAY)
    assert await accepted(installation, enrolled) == [-1, 0, 1]
    assert await answer(installation, enrolled)
    assert learned(installation, enrolled) == (0, 0)


async def test_without_learning_the_window_stays_around_now(open_installation: "Opener") -> None:
    learning: Installation = await open_installation()
    enrolled = await enroll(learning)
    for _ in range(2):
        assert await answer(learning, enrolled, 30)
        learning.clock.advance(120)
    assert learned(learning, enrolled) == (1, 0)
    fixed: Installation = await open_installation(learn_drift=False)
    assert await accepted(fixed, enrolled) == [-1, 0, 1]
    for _ in range(3):
        assert await answer(fixed, enrolled, 30)
        fixed.clock.advance(120)
    assert learned(fixed, enrolled) == (0, 0)
    assert await accepted(fixed, enrolled) == [-1, 0, 1]


async def test_a_code_between_now_and_the_window_of_a_slow_clock_is_not_named(
    installation: "Installation",
) -> None:
    """An attacker who guessed it would learn when to use it."""
    enrolled = await enroll(installation)
    assert await answer(installation, enrolled)
    installation.sql("UPDATE factors SET drift = -15 WHERE id = ?", enrolled.factor.id)
    for step in (0, -2, -12):
        refused = await installation.answer(enrolled, installation.code(enrolled, step))
        assert (refused.reason, refused.offset_seconds) == ("code_mismatch", None)


@pytest.mark.parametrize(("step", "seconds"), [(-2, -60), (-12, -360)])
async def test_a_late_code_tells_how_far_the_clock_is_off(
    installation: "Installation", step: int, seconds: int
) -> None:
    enrolled = await enroll(installation)
    refused = await installation.answer(enrolled, installation.code(enrolled, step))
    assert (refused.reason, refused.offset_seconds) == ("clock_drift", seconds)


async def test_fifty_concurrent_codes_teach_once(installation: "Installation") -> None:
    enrolled = await enroll(installation)
    assert await answer(installation, enrolled, 30)
    installation.clock.advance(120)
    challenges = [await installation.challenge(enrolled) for _ in range(50)]
    code = installation.code(enrolled, 1)
    results = await asyncio.gather(
        *(installation.verify(challenge, code) for challenge in challenges), return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) and one.valid for one in results) == 1
    assert learned(installation, enrolled) == (1, 0)


async def test_what_was_learned_from_an_older_row_does_not_overwrite_a_later_code(
    installation: "Installation",
) -> None:
    """As when a resync commits between a verification's first statement and its last."""
    enrolled = await enroll(installation)
    step = installation.clock.step
    challenge = await installation.challenge(enrolled)
    now = installation.clock.now

    async def overtaken(tx: Tx) -> SpendResult:
        attempt = await tx.attempts.charge(1, challenge.id, 5, now)
        assert attempt is not None
        changed = "UPDATE factors SET drift = -9, last_offset = 1, last_step = $2 WHERE id = $1"
        await tx.db.run(changed, enrolled.factor.id, step - 8)
        return await tx.attempts.spend(1, attempt, step, attempt.record, now, learned=(1, 0))

    assert await installation.af.run(overtaken) == SpendResult.ALL
    assert learned(installation, enrolled) == (-9, 0)


async def test_accepted_codes_tell_this_servers_clock(installation: "Installation") -> None:
    for number in range(51):
        enrolled = await enroll(installation)
        assert await answer(installation, enrolled, -30)
        if number % 5 == 0:
            installation.clock.advance(1)
    now = installation.clock.now // 1000
    assert installation.af.challenges.server_clock.median(now) == -1
