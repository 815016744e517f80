"""Limits on wrong codes: when they lock, for how long, and what a right code gives back."""

from typing import Final

import pytest

from authfactor.models import FailureRecord
from authfactor.rules.factors import attempt_limits
from authfactor.settings import Settings

# The limits of the month have tests of their own below.
SETTINGS: Final = Settings(doubling_after=1000, failures_per_month=1000)
USUAL: Final = Settings()
START: Final = 1_700_000_000  # seconds
MINUTE: Final = 60
HOUR: Final = 3600
NONE: Final = FailureRecord((), 0, None)


def _charged(record: FailureRecord, second: int) -> FailureRecord:
    """Count an attempt, as the store does before a code is compared."""
    return FailureRecord((*record.times, second), record.in_a_row + 1, record.locked_until)


def _failed(record: FailureRecord, second: int, settings: Settings = SETTINGS) -> FailureRecord:
    return attempt_limits.record_failure(_charged(record, second), second * 1000, settings)


def _after(seconds: list[int], settings: Settings = SETTINGS) -> FailureRecord:
    record = NONE
    for second in seconds:
        record = _failed(record, second, settings)
    return record


def test_a_new_user_is_not_locked_and_has_ten_tries() -> None:
    assert attempt_limits.locked_until(NONE, START * 1000) is None
    assert attempt_limits.tries_left(NONE, START * 1000, SETTINGS) == 10


def test_nine_wrong_codes_do_not_lock_and_the_tenth_does() -> None:
    ninth = _after([START + at for at in range(9)])
    tenth = _failed(ninth, START + 9)

    assert ninth.locked_until is None
    assert attempt_limits.tries_left(ninth, (START + 8) * 1000, SETTINGS) == 1
    assert tenth.locked_until == (START + 9 + 15 * MINUTE) * 1000
    assert attempt_limits.tries_left(tenth, (START + 9) * 1000, SETTINGS) == 0


def test_tries_are_counted_down_one_by_one() -> None:
    record, left = NONE, []
    for at in range(10):
        record = _failed(record, START + at)
        left.append(attempt_limits.tries_left(record, (START + at) * 1000, SETTINGS))

    assert left == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_the_lock_begins_with_the_failure_in_milliseconds() -> None:
    record = _charged(_after([START] * 9), START)

    assert (
        attempt_limits.record_failure(record, START * 1000 + 789, SETTINGS).locked_until
        == START * 1000 + 900_789
    )


def test_a_lock_lasts_to_its_end_and_not_a_millisecond_longer() -> None:
    record = FailureRecord((START,) * 10, 10, 900_000)

    assert [attempt_limits.locked_until(record, now) for now in (0, 899_999, 900_000, 900_001)] == [
        900_000,
        900_000,
        None,
        None,
    ]


@pytest.mark.parametrize(("gap", "locks"), [(15 * MINUTE - 1, True), (15 * MINUTE, False)])
def test_the_window_slides_and_its_edge_is_exact(gap: int, locks: bool) -> None:
    first_leaves = _after([START, *[START + 10] * 8, START + gap])

    assert (first_leaves.locked_until is not None) == locks
    assert attempt_limits.tries_left(first_leaves, (START + gap) * 1000, SETTINGS) == (0 if locks else 1)


def test_after_the_lock_wrong_codes_are_counted_anew() -> None:
    locked = _after([START] * 10)
    again = START + 15 * MINUTE

    assert attempt_limits.locked_until(locked, again * 1000) is None
    assert attempt_limits.tries_left(locked, again * 1000, SETTINGS) == 10
    assert attempt_limits.locked_until(_failed(locked, again), again * 1000) is None


def test_a_lock_shorter_than_the_window_locks_again_at_the_next_wrong_code() -> None:
    settings = Settings(lock_time=60, doubling_after=1000)
    again = START + 61
    record = _failed(_after([START] * 10, settings), again, settings)

    assert record.locked_until == (again + 60) * 1000
    assert attempt_limits.tries_left(record, again * 1000, settings) == 0


def test_fifty_wrong_codes_in_a_day_lock_until_the_first_is_a_day_old() -> None:
    spread = [START + number * 20 * MINUTE for number in range(50)]
    before = _after(spread[:-1])
    record = _failed(before, spread[-1])

    assert before.locked_until is None
    assert attempt_limits.tries_left(before, spread[-2] * 1000, SETTINGS) == 1
    assert record.locked_until == (START + 24 * HOUR) * 1000
    assert attempt_limits.tries_left(record, spread[-1] * 1000, SETTINGS) == 0


def test_after_the_day_each_wrong_code_waits_for_the_next_oldest_to_go() -> None:
    spread = [START + number * 20 * MINUTE for number in range(50)]
    record = _after(spread)
    free = START + 24 * HOUR

    assert attempt_limits.locked_until(record, free * 1000 - 1) == free * 1000
    assert attempt_limits.locked_until(record, free * 1000) is None
    assert attempt_limits.tries_left(record, free * 1000, SETTINGS) == 1
    assert _failed(record, free).locked_until == (spread[1] + 24 * HOUR) * 1000


@pytest.mark.parametrize(("last", "locks"), [(24 * HOUR - 1, True), (24 * HOUR, False)])
def test_the_day_slides_and_its_edge_is_exact(last: int, locks: bool) -> None:
    record = _after([START, *(START + number * 20 * MINUTE for number in range(1, 49)), START + last])

    assert (attempt_limits.locked_until(record, (START + last) * 1000) is not None) == locks


def test_the_longer_of_two_locks_holds() -> None:
    early = [START + number * 20 * MINUTE for number in range(40)]
    burst = START + 23 * HOUR + 55 * MINUTE
    record = _after([*early, *[burst] * 10])

    assert record.locked_until == (burst + 15 * MINUTE) * 1000  # The day's would end ten minutes earlier.

    burst = START + 14 * HOUR
    record = _after([*early, *[burst] * 10])

    assert record.locked_until == (START + 24 * HOUR) * 1000


def test_a_hundred_in_a_row_lock_until_an_operator_unlocks() -> None:
    slow = [START + number * 2 * HOUR for number in range(100)]
    before = _after(slow[:-1])
    record = _failed(before, slow[-1])

    assert before.in_a_row == 99
    assert before.locked_until is None
    assert attempt_limits.tries_left(before, slow[-2] * 1000, SETTINGS) == 1
    assert record.locked_until == attempt_limits.NEVER
    assert attempt_limits.locked_until(record, (slow[-1] + 10_000 * 24 * HOUR) * 1000) == attempt_limits.NEVER
    assert attempt_limits.tries_left(record, (slow[-1] + 10_000 * 24 * HOUR) * 1000, SETTINGS) == 0


def test_the_hard_stop_wins_over_a_lock_that_ends() -> None:
    record = FailureRecord((START,) * 9, 99, None)

    assert _failed(record, START).locked_until == attempt_limits.NEVER


def test_never_is_a_64_bit_number_beyond_any_clock() -> None:
    assert 253_402_300_799_999 < attempt_limits.NEVER < 2**63


def test_a_right_code_gives_back_its_own_attempt_and_ends_the_run_but_not_the_window() -> None:
    record = _charged(_after([START + at for at in range(9)]), START + 9)
    settled = attempt_limits.record_success(record)

    assert settled == FailureRecord(tuple(START + at for at in range(9)), 0, None)
    assert attempt_limits.tries_left(settled, (START + 9) * 1000, SETTINGS) == 1
    assert _failed(settled, START + 10).locked_until == (START + 10 + 15 * MINUTE) * 1000


def test_right_codes_alone_leave_no_trace() -> None:
    record = NONE
    for at in range(1000):
        record = attempt_limits.record_success(_charged(record, START + at))

    assert record == NONE


def test_a_right_code_among_every_ten_wrong_ones_does_not_lift_the_days_limit() -> None:
    record, second = NONE, START
    for _ in range(49):
        second += 3 * MINUTE
        record = attempt_limits.record_success(_charged(_failed(record, second), second))

    assert record.in_a_row == 0
    assert len(record.times) == 49
    assert _failed(record, second).locked_until == (START + 3 * MINUTE + 24 * HOUR) * 1000


def test_what_no_limit_looks_at_is_forgotten() -> None:
    month = 30 * 24 * HOUR
    old = FailureRecord((START - month, START - month + 1), 2, None)

    assert _failed(old, START).times == (START - month + 1, START)
    assert len(_after([START + number * MINUTE for number in range(80)], USUAL).times) == 50


def test_a_clock_that_goes_back_frees_nobody() -> None:
    locked = _after([START] * 10)
    earlier = START - HOUR

    assert attempt_limits.locked_until(locked, earlier * 1000) == (START + 15 * MINUTE) * 1000
    assert attempt_limits.tries_left(locked, earlier * 1000, SETTINGS) == 0


def test_every_limit_is_a_setting() -> None:
    settings = Settings(
        lock_after=3,
        lock_window=60,
        lock_time=120,
        failures_per_day=5,
        failures_in_a_row=7,
        doubling_after=1000,
    )

    assert _after([START] * 2, settings).locked_until is None
    assert _after([START] * 3, settings).locked_until == (START + 120) * 1000
    assert _after([START + at * HOUR for at in range(5)], settings).locked_until == (START + 24 * HOUR) * 1000
    assert _after([START + at * 12 * HOUR for at in range(6)], settings).locked_until is None
    assert _after([START + at * 12 * HOUR for at in range(7)], settings).locked_until == attempt_limits.NEVER


def _patient(settings: Settings, days: int) -> list[int]:
    """Guess wrongly as soon as it is allowed, for so many days; return the seconds of the guesses."""
    record, second, times = NONE, START, []
    while second < START + days * 24 * HOUR and record.locked_until != attempt_limits.NEVER:
        record = _failed(record, second, settings)
        times.append(second)
        until = attempt_limits.locked_until(record, second * 1000)
        second = second if until is None else -(-until // 1000)
    return times


def test_from_the_fifteenth_wrong_code_of_a_month_on_each_doubles_the_wait() -> None:
    record = _after([START + number * HOUR for number in range(14)], USUAL)
    second, waits = START + 15 * HOUR, []
    assert record.locked_until is None
    for _ in range(11):
        record = _failed(record, second, USUAL)
        assert record.locked_until is not None
        waits.append(record.locked_until // 1000 - second)
        second = record.locked_until // 1000

    assert waits == [15 * MINUTE * 2**power for power in range(9)] + [64 * HOUR] * 2


def test_before_the_first_wait_the_tries_are_counted_down_and_after_it_there_is_one_at_a_time() -> None:
    spread = _after([START + number * HOUR for number in range(13)], USUAL)
    assert attempt_limits.tries_left(spread, (START + 13 * HOUR) * 1000, USUAL) == 2
    waiting = _after([START + number * HOUR for number in range(16)], USUAL)
    assert attempt_limits.tries_left(waiting, (START + 17 * HOUR) * 1000, USUAL) == 1


def test_whoever_guesses_as_fast_as_is_allowed_gets_33_guesses_in_any_30_days() -> None:
    times, month = _patient(USUAL, 120), 30 * 24 * HOUR
    most = max(sum(start <= at < start + month for at in times) for start in times)

    # Three of a million codes are right at any moment: 33 guesses are 1 in 10,000.
    assert most == 33
    assert most * 3e-6 < 1e-4


def test_the_month_holds_however_the_waits_are_set() -> None:
    settings = Settings(doubling_after=1000, lock_time=60, failures_per_day=1000, failures_per_month=12)
    times, month = _patient(settings, 90), 30 * 24 * HOUR

    assert max(sum(start <= at < start + month for at in times) for start in times) == 12


def test_nobody_waits_longer_than_64_hours_in_the_first_month_of_an_attack() -> None:
    record, second = NONE, START
    while second < START + 29 * 24 * HOUR:
        record = _failed(record, second, USUAL)
        until = attempt_limits.locked_until(record, second * 1000)
        assert until is None or until // 1000 - second <= 64 * HOUR
        second = second if until is None else until // 1000


def test_right_codes_of_the_user_give_an_attacker_no_new_guesses() -> None:
    record, second, guesses = NONE, START, 0
    while second < START + 30 * 24 * HOUR:
        if attempt_limits.locked_until(record, second * 1000) is None:
            record, guesses = _failed(record, second, USUAL), guesses + 1
        if attempt_limits.locked_until(record, second * 1000) is None:
            record = attempt_limits.record_success(_charged(record, second))
        second += 5 * MINUTE

    assert 20 < guesses <= 33


def test_what_a_stranger_can_provoke_does_not_count_for_the_month() -> None:
    record = NONE
    for number in range(40):
        record = attempt_limits.record_failure(
            _charged(record, START + number * HOUR), (START + number * HOUR) * 1000, USUAL, months=False
        )

    assert record.locked_until is None


def test_a_refused_attempt_is_given_back_and_the_lock_stays() -> None:
    locked = _after([START] * 10)

    assert attempt_limits.refund_refusal(_charged(locked, START + 5)) == locked
