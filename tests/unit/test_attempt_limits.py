"""Attempt limits: when wrong codes lock a user, for how long, and what a right code resets."""

from typing import Final

import pytest

from authfactor.models import FailureRecord
from authfactor.rules.factors import attempt_limits
from authfactor.settings import Settings

# Without the monthly limits, which have their own tests below.
SETTINGS: Final = Settings(doubling_after=1000, failures_per_month=1000)
DEFAULTS: Final = Settings()
START: Final = 1_700_000_000  # seconds
MINUTE: Final = 60
HOUR: Final = 3600
EMPTY: Final = FailureRecord((), 0, None)


def _charged(record: FailureRecord, second: int) -> FailureRecord:
    """Count an attempt, as the store does before a code is compared."""
    return FailureRecord((*record.times, second), record.in_a_row + 1, record.locked_until)


def _failed(record: FailureRecord, second: int, settings: Settings = SETTINGS) -> FailureRecord:
    return attempt_limits.record_failure(_charged(record, second), second * 1000, settings)


def _failures_at(seconds: list[int], settings: Settings = SETTINGS) -> FailureRecord:
    record = EMPTY
    for second in seconds:
        record = _failed(record, second, settings)
    return record


def test_user_without_failures_is_unlocked_with_ten_attempts() -> None:
    assert attempt_limits.locked_until(EMPTY, START * 1000) is None
    assert attempt_limits.tries_left(EMPTY, START * 1000, SETTINGS) == 10


def test_tenth_wrong_code_locks_for_fifteen_minutes() -> None:
    ninth = _failures_at([START + at for at in range(9)])
    tenth = _failed(ninth, START + 9)

    assert ninth.locked_until is None
    assert attempt_limits.tries_left(ninth, (START + 8) * 1000, SETTINGS) == 1
    assert tenth.locked_until == (START + 9 + 15 * MINUTE) * 1000
    assert attempt_limits.tries_left(tenth, (START + 9) * 1000, SETTINGS) == 0


def test_each_wrong_code_uses_one_attempt() -> None:
    record, left = EMPTY, []
    for at in range(10):
        record = _failed(record, START + at)
        left.append(attempt_limits.tries_left(record, (START + at) * 1000, SETTINGS))

    assert left == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_lock_starts_at_the_millisecond_of_the_failure() -> None:
    record = _charged(_failures_at([START] * 9), START)

    assert (
        attempt_limits.record_failure(record, START * 1000 + 789, SETTINGS).locked_until
        == START * 1000 + 900_789
    )


def test_lock_ends_at_its_exact_millisecond() -> None:
    record = FailureRecord((START,) * 10, 10, 900_000)

    assert [attempt_limits.locked_until(record, now) for now in (0, 899_999, 900_000, 900_001)] == [
        900_000,
        900_000,
        None,
        None,
    ]


@pytest.mark.parametrize(("gap", "locks"), [(15 * MINUTE - 1, True), (15 * MINUTE, False)])
def test_failure_leaves_the_lock_window_at_its_exact_edge(gap: int, locks: bool) -> None:
    record = _failures_at([START, *[START + 10] * 8, START + gap])

    assert (record.locked_until is not None) == locks
    assert attempt_limits.tries_left(record, (START + gap) * 1000, SETTINGS) == (0 if locks else 1)


def test_count_of_wrong_codes_restarts_after_a_lock() -> None:
    locked = _failures_at([START] * 10)
    lock_end = START + 15 * MINUTE

    assert attempt_limits.locked_until(locked, lock_end * 1000) is None
    assert attempt_limits.tries_left(locked, lock_end * 1000, SETTINGS) == 10
    assert attempt_limits.locked_until(_failed(locked, lock_end), lock_end * 1000) is None


def test_lock_shorter_than_the_window_repeats_at_the_next_failure() -> None:
    settings = Settings(lock_time=60, doubling_after=1000)
    next_failure = START + 61
    record = _failed(_failures_at([START] * 10, settings), next_failure, settings)

    assert record.locked_until == (next_failure + 60) * 1000
    assert attempt_limits.tries_left(record, next_failure * 1000, settings) == 0


def test_fifty_failures_in_a_day_lock_until_the_first_expires() -> None:
    seconds = [START + number * 20 * MINUTE for number in range(50)]
    almost = _failures_at(seconds[:-1])
    record = _failed(almost, seconds[-1])

    assert almost.locked_until is None
    assert attempt_limits.tries_left(almost, seconds[-2] * 1000, SETTINGS) == 1
    assert record.locked_until == (START + 24 * HOUR) * 1000
    assert attempt_limits.tries_left(record, seconds[-1] * 1000, SETTINGS) == 0


def test_failure_at_the_daily_limit_locks_until_the_next_one_expires() -> None:
    seconds = [START + number * 20 * MINUTE for number in range(50)]
    record = _failures_at(seconds)
    lock_end = START + 24 * HOUR

    assert attempt_limits.locked_until(record, lock_end * 1000 - 1) == lock_end * 1000
    assert attempt_limits.locked_until(record, lock_end * 1000) is None
    assert attempt_limits.tries_left(record, lock_end * 1000, SETTINGS) == 1
    assert _failed(record, lock_end).locked_until == (seconds[1] + 24 * HOUR) * 1000


@pytest.mark.parametrize(("last", "locks"), [(24 * HOUR - 1, True), (24 * HOUR, False)])
def test_failure_leaves_the_daily_window_at_its_exact_edge(last: int, locks: bool) -> None:
    record = _failures_at([START, *(START + number * 20 * MINUTE for number in range(1, 49)), START + last])

    assert (attempt_limits.locked_until(record, (START + last) * 1000) is not None) == locks


def test_longer_of_two_locks_applies() -> None:
    early = [START + number * 20 * MINUTE for number in range(40)]
    burst = START + 23 * HOUR + 55 * MINUTE
    record = _failures_at([*early, *[burst] * 10])

    assert record.locked_until == (burst + 15 * MINUTE) * 1000  # The daily lock ends ten minutes earlier.

    burst = START + 14 * HOUR
    record = _failures_at([*early, *[burst] * 10])

    assert record.locked_until == (START + 24 * HOUR) * 1000


def test_hundred_failures_in_a_row_lock_until_an_operator_unlocks() -> None:
    seconds = [START + number * 2 * HOUR for number in range(100)]
    almost = _failures_at(seconds[:-1])
    record = _failed(almost, seconds[-1])

    assert almost.in_a_row == 99
    assert almost.locked_until is None
    assert attempt_limits.tries_left(almost, seconds[-2] * 1000, SETTINGS) == 1
    assert record.locked_until == attempt_limits.NEVER
    assert (
        attempt_limits.locked_until(record, (seconds[-1] + 10_000 * 24 * HOUR) * 1000) == attempt_limits.NEVER
    )
    assert attempt_limits.tries_left(record, (seconds[-1] + 10_000 * 24 * HOUR) * 1000, SETTINGS) == 0


def test_hard_stop_overrides_a_temporary_lock() -> None:
    record = FailureRecord((START,) * 9, 99, None)

    assert _failed(record, START).locked_until == attempt_limits.NEVER


def test_never_is_a_64_bit_time_after_the_year_9999() -> None:
    assert 253_402_300_799_999 < attempt_limits.NEVER < 2**63


def test_right_code_resets_the_run_but_keeps_earlier_failures() -> None:
    record = _charged(_failures_at([START + at for at in range(9)]), START + 9)
    settled = attempt_limits.record_success(record)

    assert settled == FailureRecord(tuple(START + at for at in range(9)), 0, None)
    assert attempt_limits.tries_left(settled, (START + 9) * 1000, SETTINGS) == 1
    assert _failed(settled, START + 10).locked_until == (START + 10 + 15 * MINUTE) * 1000


def test_right_codes_alone_leave_the_record_empty() -> None:
    record = EMPTY
    for at in range(1000):
        record = attempt_limits.record_success(_charged(record, START + at))

    assert record == EMPTY


def test_alternating_right_codes_do_not_lift_the_daily_limit() -> None:
    record, second = EMPTY, START
    for _ in range(49):
        second += 3 * MINUTE
        record = attempt_limits.record_success(_charged(_failed(record, second), second))

    assert record.in_a_row == 0
    assert len(record.times) == 49
    assert _failed(record, second).locked_until == (START + 3 * MINUTE + 24 * HOUR) * 1000


def test_failures_that_no_limit_counts_are_discarded() -> None:
    month = 30 * 24 * HOUR
    old = FailureRecord((START - month, START - month + 1), 2, None)

    assert _failed(old, START).times == (START - month + 1, START)
    assert len(_failures_at([START + number * MINUTE for number in range(80)], DEFAULTS).times) == 50


def test_clock_set_back_does_not_end_a_lock() -> None:
    locked = _failures_at([START] * 10)
    earlier = START - HOUR

    assert attempt_limits.locked_until(locked, earlier * 1000) == (START + 15 * MINUTE) * 1000
    assert attempt_limits.tries_left(locked, earlier * 1000, SETTINGS) == 0


def test_every_limit_follows_its_setting() -> None:
    settings = Settings(
        lock_after=3,
        lock_window=60,
        lock_time=120,
        failures_per_day=5,
        failures_in_a_row=7,
        doubling_after=1000,
    )

    assert _failures_at([START] * 2, settings).locked_until is None
    assert _failures_at([START] * 3, settings).locked_until == (START + 120) * 1000
    assert (
        _failures_at([START + at * HOUR for at in range(5)], settings).locked_until
        == (START + 24 * HOUR) * 1000
    )
    assert _failures_at([START + at * 12 * HOUR for at in range(6)], settings).locked_until is None
    assert (
        _failures_at([START + at * 12 * HOUR for at in range(7)], settings).locked_until
        == attempt_limits.NEVER
    )


def _guess_as_fast_as_allowed(settings: Settings, days: int) -> list[int]:
    """Guess wrongly whenever no lock holds, for `days` days; return the times of the guesses in seconds."""
    record, second, times = EMPTY, START, []
    while second < START + days * 24 * HOUR and record.locked_until != attempt_limits.NEVER:
        record = _failed(record, second, settings)
        times.append(second)
        until = attempt_limits.locked_until(record, second * 1000)
        second = second if until is None else -(-until // 1000)
    return times


def test_each_failure_from_the_fifteenth_in_a_month_doubles_the_lock() -> None:
    record = _failures_at([START + number * HOUR for number in range(14)], DEFAULTS)
    second, waits = START + 15 * HOUR, []
    assert record.locked_until is None
    for _ in range(11):
        record = _failed(record, second, DEFAULTS)
        assert record.locked_until is not None
        waits.append(record.locked_until // 1000 - second)
        second = record.locked_until // 1000

    assert waits == [15 * MINUTE * 2**power for power in range(9)] + [64 * HOUR] * 2


def test_only_one_attempt_remains_between_doubled_locks() -> None:
    almost = _failures_at([START + number * HOUR for number in range(13)], DEFAULTS)
    assert attempt_limits.tries_left(almost, (START + 13 * HOUR) * 1000, DEFAULTS) == 2
    doubling = _failures_at([START + number * HOUR for number in range(16)], DEFAULTS)
    assert attempt_limits.tries_left(doubling, (START + 17 * HOUR) * 1000, DEFAULTS) == 1


def test_fastest_allowed_guessing_gets_33_guesses_in_any_30_days() -> None:
    times, month = _guess_as_fast_as_allowed(DEFAULTS, 120), 30 * 24 * HOUR
    maximum = max(sum(start <= at < start + month for at in times) for start in times)

    # Three of a million codes are valid at any time, so 33 guesses succeed less than once in 10,000 times.
    assert maximum == 33
    assert maximum * 3e-6 < 1e-4


def test_monthly_limit_holds_without_doubled_locks() -> None:
    settings = Settings(doubling_after=1000, lock_time=60, failures_per_day=1000, failures_per_month=12)
    times, month = _guess_as_fast_as_allowed(settings, 90), 30 * 24 * HOUR

    assert max(sum(start <= at < start + month for at in times) for start in times) == 12


def test_no_lock_exceeds_64_hours_in_the_first_month() -> None:
    record, second = EMPTY, START
    while second < START + 29 * 24 * HOUR:
        record = _failed(record, second, DEFAULTS)
        until = attempt_limits.locked_until(record, second * 1000)
        assert until is None or until // 1000 - second <= 64 * HOUR
        second = second if until is None else until // 1000


def test_right_codes_of_the_user_give_an_attacker_no_extra_guesses() -> None:
    record, second, guesses = EMPTY, START, 0
    while second < START + 30 * 24 * HOUR:
        if attempt_limits.locked_until(record, second * 1000) is None:
            record, guesses = _failed(record, second, DEFAULTS), guesses + 1
        if attempt_limits.locked_until(record, second * 1000) is None:
            record = attempt_limits.record_success(_charged(record, second))
        second += 5 * MINUTE

    assert 20 < guesses <= 33


def test_refund_of_a_refused_attempt_keeps_the_lock() -> None:
    locked = _failures_at([START] * 10)

    assert attempt_limits.refund_refusal(_charged(locked, START + 5)) == locked
