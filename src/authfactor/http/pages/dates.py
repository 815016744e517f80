"""Dates and times on pages, in UTC; a script shows times in the reader's own zone."""

from datetime import UTC, datetime
from typing import NamedTuple

from authfactor.http.pages.translations import Translations


class ShownTime(NamedTuple):
    """A time in words, and as the value of `<time datetime>`."""

    text: str
    iso: str


def day(texts: Translations, milliseconds: int) -> str:
    """Return a date in words."""
    at = _datetime(milliseconds)
    month = texts("common.months").split()[at.month - 1]
    return texts("common.date", day=at.day, month=month, year=at.year)


def shown_time(texts: Translations, milliseconds: int) -> ShownTime:
    """Return date and time, to the minute."""
    at = _datetime(milliseconds)
    text = texts("common.time", date=day(texts, milliseconds), time=f"{at:%H:%M}")
    return ShownTime(text, f"{at:%Y-%m-%dT%H:%M:%SZ}")


def _datetime(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC)
