"""A fake clock, and durations in seconds to advance it by."""

from typing import Final

from tests.support.authenticator import PERIOD

START: Final = 1_700_000_010_000
"""Milliseconds since the epoch: the beginning of a TOTP step."""
MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class FakeClock:
    """Stands still until a test moves it; `now` is in milliseconds since the epoch."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move forward, or back when negative."""
        self.now += round(seconds * 1000)

    @property
    def step(self) -> int:
        """The current TOTP step."""
        return self.now // 1000 // PERIOD
