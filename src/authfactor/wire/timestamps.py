"""Times in JSON: UTC, ISO 8601, exactly three fraction digits and `Z` (contract section 1.3)."""

import datetime
import functools
from typing import Final

# Precomputed: a page of a list has twenty or more timestamps.
_FRACTIONS: Final = tuple(f".{number:03d}Z" for number in range(1000))


@functools.lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def format_ms(milliseconds: int) -> str:
    """Format milliseconds since the epoch. The part up to the second is cached."""
    return _second(milliseconds // 1000) + _FRACTIONS[milliseconds % 1000]


def format_optional(milliseconds: int | None) -> str | None:
    """Format milliseconds since the epoch, or return None."""
    return None if milliseconds is None else format_ms(milliseconds)


def parse(text: str) -> int:
    """Parse an ISO 8601 time to milliseconds since the epoch; a time without a zone is UTC.

    Raises `ValueError` when the text is not such a time.
    """
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return round(moment.timestamp() * 1000)
