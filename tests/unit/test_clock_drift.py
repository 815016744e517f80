"""What accepted codes tell about a phone's clock: the decisions alone."""

from typing import Final

import pytest

from authfactor.models import FactorRecord
from authfactor.otp import totp
from authfactor.rules.factors import clock_drift
from authfactor.rules.factors.clock_drift import RESYNC_STEPS, UNUSED_SECONDS, drift_of, late_offset, learn
from authfactor.rules.factors.server_clock import BATCH, SPAN_SECONDS, ServerClock
from authfactor.settings import Settings

NOW: Final = 1_700_000_010
STEP: Final = NOW // 30
UNUSED_STEPS = UNUSED_SECONDS // 30
SECRET: Final = bytes(range(20))
ON, OFF = Settings(), Settings(learn_drift=False)


def factor(drift: int = 0, last_offset: int = 0, last_step: int = STEP - 10) -> FactorRecord:
    return FactorRecord("auth_factor_1", "user_1", "Acme", "kim", "s", 1, last_step, 1, 1, drift, last_offset)


@pytest.mark.parametrize(
    ("before", "offset", "after"),
    [
        ((0, 0), 0, (0, 0)),
        ((0, 0), 1, (0, 1)),
        ((0, 1), 1, (1, 0)),
        ((0, -1), 1, (0, 1)),
        ((0, 1), 0, (0, 0)),
        ((0, -1), -1, (-1, 0)),
        ((1, 1), 1, (2, 0)),
        ((2, 1), 1, (2, 1)),
        ((-2, -1), -1, (-2, -1)),
        ((-2, 1), 1, (-1, 0)),
        ((1, -1), -1, (0, 0)),
        # After a resync: toward the server's clock, never farther away.
        ((20, 1), 1, (20, 1)),
        ((20, -1), -1, (19, 0)),
        ((3, -1), -1, (2, 0)),
        ((-7, -1), -1, (-7, -1)),
        ((-7, 1), 1, (-6, 0)),
        # A window of two steps on each side.
        ((0, 1), 2, (1, 0)),
        ((0, 0), -2, (0, -1)),
    ],
)
def test_two_codes_in_a_row_on_one_side_move_the_drift_by_one(
    before: tuple[int, int], offset: int, after: tuple[int, int]
) -> None:
    assert learn(factor(*before), STEP + before[0] + offset, NOW, ON) == after


def test_what_was_learned_is_forgotten_after_90_days_without_a_code() -> None:
    for unused, drift, after in ((UNUSED_STEPS - 1, 2, (2, 1)), (UNUSED_STEPS, 0, (0, 1))):
        phone = factor(2, 1, STEP - unused)
        assert drift_of(phone, NOW, ON) == drift
        assert learn(phone, STEP + drift + 1, NOW, ON) == after
    # The first of two in a row is forgotten as well.
    assert learn(factor(0, 1, STEP - UNUSED_STEPS), STEP + 1, NOW, ON) == (0, 1)


def test_a_pending_factors_first_code_is_the_first_of_two() -> None:
    assert learn(factor(last_step=0), STEP - 1, NOW, ON) == (0, -1)


def test_without_learning_drift_is_ignored_and_forgotten() -> None:
    assert drift_of(factor(2, 1), NOW, OFF) == 0
    assert drift_of(factor(-20), NOW, OFF) == 0
    assert learn(factor(2, 1), STEP + 1, NOW, OFF) == (0, 0)


@pytest.mark.parametrize("drift", [-RESYNC_STEPS, -2, -1, 0, 1, 2, RESYNC_STEPS])
@pytest.mark.parametrize("window", [0, 1, 2])
def test_only_a_past_code_before_the_window_is_named_as_late(drift: int, window: int) -> None:
    named = {
        offset
        for offset in range(-40, 41)
        if late_offset(SECRET, totp.code_at(SECRET, STEP + offset), NOW, drift, window) is not None
    }
    past = set(range(-window - 1 - clock_drift.LATE_STEPS, -window))
    assert named == {offset for offset in past if offset < drift - window}


def test_a_late_code_tells_how_many_steps_it_is_late() -> None:
    for offset in range(-12, -1):
        assert late_offset(SECRET, totp.code_at(SECRET, STEP + offset), NOW, 0, 1) == offset


@pytest.mark.parametrize(("first", "found"), [(-21, None), (-20, -20), (0, 0), (19, 19), (20, None)])
def test_two_steps_are_found_within_the_window_alone(first: int, found: int | None) -> None:
    codes = [totp.code_at(SECRET, STEP + first + at) for at in (0, 1)]
    step = totp.match_two_steps(SECRET, codes[0], codes[1], NOW, 20)
    assert step == (None if found is None else STEP + found)


def test_two_steps_in_another_order_or_apart_are_no_pair() -> None:
    codes = [totp.code_at(SECRET, STEP + at) for at in range(3)]
    for one, two in ((1, 0), (0, 2), (0, 0), (2, 1)):
        assert totp.match_two_steps(SECRET, codes[one], codes[two], NOW, 20) is None
    assert totp.match_two_steps(SECRET, "000000", codes[1], NOW, 20) is None
    assert totp.match_two_steps(SECRET, codes[0], "000000", NOW, 20) is None


def feed(clock: ServerClock, offsets: list[int], seconds_apart: float = 1, start: int = NOW) -> int:
    for number, offset in enumerate(offsets):
        clock.add(start + int(number * seconds_apart), offset)
    return start + int((len(offsets) - 1) * seconds_apart)


def test_the_median_of_accepted_codes_tells_this_servers_clock() -> None:
    clock = ServerClock()
    assert clock.median(NOW) is None
    end = feed(clock, [1] * 26 + [0] * 25)
    assert clock.median(end) == 1
    assert clock.median(end + SPAN_SECONDS) == 1
    assert clock.median(end + SPAN_SECONDS + 1) is None
    end = feed(clock, [-1] * 25 + [0] * 26, start=end + 1)
    assert clock.median(end) == 0


def test_too_few_codes_tell_nothing_about_this_servers_clock() -> None:
    clock = ServerClock()
    assert clock.median(feed(clock, [1] * (BATCH - 1))) is None
    slow = ServerClock()
    assert slow.median(feed(slow, [1] * BATCH, seconds_apart=SPAN_SECONDS / (BATCH - 1) + 1)) is None


def test_clock_that_is_set_back_is_not_judged_by_codes_from_before() -> None:
    clock = ServerClock()
    end = feed(clock, [-1] * BATCH)
    assert clock.median(end - 1) is None
    feed(clock, [-1] * (BATCH - 1), start=end)
    clock.add(end - 3600, -1)
    assert clock.median(end - 3600) is None
    assert clock.median(feed(clock, [0] * BATCH, start=end - 3600)) == 0
