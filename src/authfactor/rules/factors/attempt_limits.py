"""How many wrong codes a user may enter: pure decisions over a `FailureRecord`.

The count is per user over all challenges, factors, sessions and processes (NIST SP 800-63B 3.2.2,
RFC 4226 section 7.3). Too many within the window lock for a while; too many in a day lock until the day has
passed; in a month, each further one doubles the wait, so that patience does not help an attacker (decision
0013); too many in a row lock until an operator removes the lock.
"""

from typing import Final

from authfactor.models import FailureRecord
from authfactor.settings import Settings

DAY: Final = 24 * 3600
MONTH: Final = 30 * DAY
NEVER: Final = 2**62  # `locked_until` of the hard stop, later than any clock


def locked_until(record: FailureRecord, now: int) -> int | None:
    """Return when the lock ends (milliseconds), None without a lock; `NEVER` for the hard stop."""
    return record.locked_until if record.locked_until is not None and record.locked_until > now else None


def record_failure(record: FailureRecord, now: int, settings: Settings) -> FailureRecord:
    """Return the record with a lock if it has reached a limit, without failures too old for any limit.

    The failure itself is in `record` already.
    """
    seconds = now // 1000
    limit = max(settings.failures_per_day, settings.failures_per_month)
    times = tuple(at for at in record.times if at > seconds - MONTH)[-limit:]
    today = [at for at in times if at > seconds - DAY][-settings.failures_per_day :]
    recent = sum(at > seconds - settings.lock_window for at in times)
    until = record.locked_until
    if recent >= settings.lock_after:
        until = now + settings.lock_time * 1000
    if len(today) >= settings.failures_per_day:
        until = max(until or 0, (today[0] + DAY) * 1000)
    if len(times) >= settings.doubling_after:
        doubled = settings.lock_time << min(len(times) - settings.doubling_after, 32)
        until = max(until or 0, now + min(doubled, settings.longest_wait) * 1000)
    if len(times) >= settings.failures_per_month:
        until = max(until or 0, (times[-settings.failures_per_month] + MONTH) * 1000)
    if record.in_a_row >= settings.failures_in_a_row:
        until = NEVER
    return FailureRecord(times, record.in_a_row, until)


def record_success(record: FailureRecord) -> FailureRecord:
    """Refund the attempt that `charge` counted and end the run of failures; all other counts stay."""
    return FailureRecord(record.times[:-1], 0, None)


def refund_refusal(record: FailureRecord) -> FailureRecord:
    """Refund an attempt that was not compared: attempts under a lock must not lengthen it."""
    return FailureRecord(record.times[:-1], record.in_a_row - 1, record.locked_until)


def tries_left(record: FailureRecord, now: int, settings: Settings) -> int:
    """Return how many more wrong codes the record allows before it locks."""
    seconds = now // 1000
    recent = sum(at > seconds - settings.lock_window for at in record.times)
    today = sum(at > seconds - DAY for at in record.times)
    month = sum(at > seconds - MONTH for at in record.times)
    left = (
        settings.lock_after - recent,
        settings.failures_per_day - today,
        # After the first wait each attempt locks if it is wrong, so one is left.
        max(settings.doubling_after - month, 1),
        settings.failures_per_month - month,
        settings.failures_in_a_row - record.in_a_row,
    )
    return max(min(left), 0)
