"""The geometry of the dashboard's charts: bars over time, and a funnel."""

import datetime
from typing import Final, NamedTuple

from authfactor.rules.console.dashboard_counts import HOUR, MAX_COUNT, DashboardCounts

WIDTH: Final = 320
HEIGHT: Final = 72
GAP: Final = 2


class Bar(NamedTuple):
    """A bar of a chart and its tooltip."""

    x: float
    y: float
    width: float
    height: float
    title: str


class Chart(NamedTuple):
    """A bar chart of a series over time; `tone` is a CSS class."""

    title: str
    tone: str
    total: str
    bars: list[Bar]
    summary: str
    first: str
    last: str


class FunnelStep(NamedTuple):
    """A step of a funnel; `share` is in percent of the first step."""

    title: str
    number: str
    share: int


def chart(counts: DashboardCounts, name: str, title: str, tone: str) -> Chart:
    """Draw one series of the counts."""
    series = counts.series[name]
    highest = max(series) or 1
    slot = WIDTH / len(series)
    bars = []
    for index, count in enumerate(series):
        height = max(round(count / highest * HEIGHT, 1), 2 if count else 1)
        start = bucket_label(counts.starts[index], counts.length)
        bars.append(
            Bar(
                round(index * slot, 1),
                HEIGHT - height,
                round(slot - GAP, 1),
                height,
                f"{start}: {format_number(count)}",
            )
        )
    total = format_number(counts.total(name), truncated=counts.is_cut(name))
    return Chart(
        title,
        tone,
        total,
        bars,
        f"{title}: {total} in total, at most {format_number(max(series))} in one bar",
        bucket_label(counts.starts[0], counts.length),
        bucket_label(counts.starts[-1], counts.length),
    )


def funnel(counts: DashboardCounts) -> list[FunnelStep]:
    """Draw how many enrollments were confirmed by a code."""
    steps = (("Enrolled in a factor", "enrolled"), ("Confirmed by a code", "activated"))
    first = counts.total("enrolled")
    return [
        FunnelStep(
            title,
            format_number(counts.total(name), truncated=counts.is_cut(name)),
            min(round(100 * counts.total(name) / first), 100) if first else 0,
        )
        for title, name in steps
    ]


def format_number(count: int, *, truncated: bool = False) -> str:
    """Format a number with thin spaces between thousands; `+` marks one that was not counted further."""
    return f"{count:,}".replace(",", "\u202f") + ("+" if truncated or count >= MAX_COUNT else "")


def bucket_label(start: int, length: int) -> str:
    """Format the start of a bucket in UTC; both arguments are in milliseconds."""
    time = datetime.datetime.fromtimestamp(start / 1000, datetime.UTC)
    return time.strftime("%H:%M" if length == HOUR else "%d %b" if length > 6 * HOUR else "%d %b %H:%M")
