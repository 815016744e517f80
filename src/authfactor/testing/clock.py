"""A clock that tests can move. It goes on by itself unless it is frozen."""

import threading
import time
from datetime import UTC, datetime


class Clock:
    """The server's clock. Safe to move from any thread."""

    def __init__(self) -> None:
        """Show the real time."""
        self._lock = threading.Lock()
        self._ahead = 0
        self._frozen: int | None = None

    def __call__(self) -> int:
        """Milliseconds of the epoch, as the server reads it."""
        with self._lock:
            return self._real() if self._frozen is None else self._frozen

    def now(self) -> datetime:
        """Tell the time, in UTC."""
        return datetime.fromtimestamp(self() / 1000, UTC)

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds; negative ones move back."""
        with self._lock:
            self._ahead += round(seconds * 1000)
            if self._frozen is not None:
                self._frozen += round(seconds * 1000)

    def move_to(self, moment: datetime) -> None:
        """Move to a moment, which must carry its time zone."""
        if moment.tzinfo is None:
            raise ValueError("a moment needs its time zone: datetime(..., tzinfo=UTC)")
        self.advance(moment.timestamp() - self() / 1000)

    def freeze(self) -> None:
        """Stand still; `advance` and `move_to` still move."""
        now = self()
        with self._lock:
            self._frozen = now

    def reset(self) -> None:
        """Show the real time again. The plugin does this after every test."""
        with self._lock:
            self._ahead, self._frozen = 0, None

    def _real(self) -> int:
        return time.time_ns() // 1_000_000 + self._ahead  # noqa: TID251 - this is a clock
