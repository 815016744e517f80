"""Small charts drawn here: bars over time, and a funnel. Only numbers go in, only geometry comes out."""

import datetime
from typing import Final, NamedTuple

from authfactor.rules.console.dashboard_counts import HOUR, MAX_COUNT, DashboardCounts

WIDTH: Final = 320
HEIGHT: Final = 72
GAP: Final = 2


class Bar(NamedTuple):
    """One bar of a chart and what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    title: str


class Chart(NamedTuple):
    """A series over time."""

    title: str
    tone: str
    total: str
    bars: list[Bar]
    summary: str
    first: str
    last: str


class FunnelStep(NamedTuple):
    """One step of a funnel; `share` in percent of the first step."""

    title: str
    number: str
    share: int


def chart(glance: DashboardCounts, name: str, title: str, tone: str) -> Chart:
    """Draw a series of a glance."""
    counts = glance.series[name]
    highest = max(counts) or 1
    slot = WIDTH / len(counts)
    bars = []
    for at, count in enumerate(counts):
        height = max(round(count / highest * HEIGHT, 1), 2 if count else 1)
        moment = label(glance.starts[at], glance.length)
        bars.append(
            Bar(
                round(at * slot, 1),
                HEIGHT - height,
                round(slot - GAP, 1),
                height,
                f"{moment}: {shown(count)}",
            )
        )
    total = shown(glance.total(name), cut=glance.is_cut(name))
    return Chart(
        title,
        tone,
        total,
        bars,
        f"{title}: {total} in all, at most {shown(max(counts))} in one bar",
        label(glance.starts[0], glance.length),
        label(glance.starts[-1], glance.length),
    )


def funnel(glance: DashboardCounts) -> list[FunnelStep]:
    """Draw how many of those who began to enrol got through."""
    steps = (("Enrolled in a factor", "enrolled"), ("Confirmed by a code", "activated"))
    first = glance.total("enrolled")
    return [
        FunnelStep(
            title,
            shown(glance.total(name), cut=glance.is_cut(name)),
            min(round(100 * glance.total(name) / first), 100) if first else 0,
        )
        for title, name in steps
    ]


def shown(count: int, *, cut: bool = False) -> str:
    """Write a number with its thousands apart."""
    return f"{count:,}".replace(",", "\u202f") + ("+" if cut or count >= MAX_COUNT else "")


def label(start: int, length: int) -> str:
    """Name a bucket by when it begins, in UTC."""
    moment = datetime.datetime.fromtimestamp(start / 1000, datetime.UTC)
    return moment.strftime("%H:%M" if length == HOUR else "%d %b" if length > 6 * HOUR else "%d %b %H:%M")
