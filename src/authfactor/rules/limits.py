"""How many wrong codes a user may give: pure decisions over a `FailureRecord`.

The count is per user over all challenges, factors, sessions and processes (NIST SP 800-63B 3.2.2,
RFC 4226 section 7.3). Within a window they lock for a while; over a day until the day has passed;
too many in a row lock until an operator or a recovery code lifts it.
"""

from typing import Final

from authfactor.models import FailureRecord
from authfactor.settings import Settings

DAY: Final = 24 * 3600
NEVER: Final = 2**62  # "locked until" of the hard stop, far beyond any clock


def locked_until(record: FailureRecord, now: int) -> int | None:
    """Return when the lock ends (milliseconds), None when there is none; `NEVER` for the hard stop."""
    return record.locked_until if record.locked_until is not None and record.locked_until > now else None


def settle_failure(record: FailureRecord, now: int, settings: Settings) -> FailureRecord:
    """Decide whether the record, this failure included, locks; forget what no limit looks at any more."""
    seconds = now // 1000
    times = tuple(at for at in record.times if at > seconds - DAY)[-settings.failures_per_day :]
    recent = sum(at > seconds - settings.lock_window for at in times)
    until = record.locked_until
    if recent >= settings.lock_after:
        until = now + settings.lock_time * 1000
    if len(times) >= settings.failures_per_day:
        until = max(until or 0, (times[0] + DAY) * 1000)
    if record.in_a_row >= settings.failures_in_a_row:
        until = NEVER
    return FailureRecord(times, record.in_a_row, until)


def settle_success(record: FailureRecord) -> FailureRecord:
    """Give back the attempt that `charge` counted; the run of failures ends, the window's count stays."""
    return FailureRecord(record.times[:-1], 0, None)


def tries_left(record: FailureRecord, now: int, settings: Settings) -> int:
    """Return how many more wrong codes the record allows before it locks."""
    seconds = now // 1000
    recent = sum(at > seconds - settings.lock_window for at in record.times)
    today = sum(at > seconds - DAY for at in record.times)
    left = (
        settings.lock_after - recent,
        settings.failures_per_day - today,
        settings.failures_in_a_row - record.in_a_row,
    )
    return max(min(left), 0)
