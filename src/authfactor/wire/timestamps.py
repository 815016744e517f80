"""Times on the wire: UTC, ISO 8601, exactly three fraction digits and `Z` (contract section 1.3)."""

import datetime
import functools
from typing import Final

# Written once: a page of a list has twenty times in it.
_FRACTIONS: Final = tuple(f".{number:03d}Z" for number in range(1000))


@functools.lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def format_ms(milliseconds: int) -> str:
    """Write milliseconds of the epoch. Neighbouring times share their cached seconds."""
    return _second(milliseconds // 1000) + _FRACTIONS[milliseconds % 1000]


def format_optional(milliseconds: int | None) -> str | None:
    """Write a time that may be missing."""
    return None if milliseconds is None else format_ms(milliseconds)


def parse(text: str) -> int:
    """Read an ISO 8601 time as milliseconds of the epoch; without a zone it is UTC.

    Raises `ValueError` when the text is no such time.
    """
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return round(moment.timestamp() * 1000)
