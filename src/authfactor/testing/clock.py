"""The clock of a test server. It runs in real time, can be moved, and can be frozen."""

import threading
import time
from datetime import UTC, datetime


class Clock:
    """The server's clock. Thread-safe."""

    def __init__(self) -> None:
        """Start at the real time."""
        self._lock = threading.Lock()
        self._offset_ms = 0
        self._frozen_at_ms: int | None = None

    def __call__(self) -> int:
        """Return the time in milliseconds since the epoch, as the server uses it."""
        with self._lock:
            return self._running_ms() if self._frozen_at_ms is None else self._frozen_at_ms

    def now(self) -> datetime:
        """Return the time as a datetime in UTC."""
        return datetime.fromtimestamp(self() / 1000, UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock forward by this many seconds, or back if negative."""
        with self._lock:
            self._offset_ms += round(seconds * 1000)
            if self._frozen_at_ms is not None:
                self._frozen_at_ms += round(seconds * 1000)

    def move_to(self, moment: datetime) -> None:
        """Set the clock to a datetime. Raises `ValueError` if it has no time zone."""
        if moment.tzinfo is None:
            raise ValueError("a datetime needs a time zone: datetime(..., tzinfo=UTC)")
        self.advance(moment.timestamp() - self() / 1000)

    def freeze(self) -> None:
        """Stop the clock at the current time. `advance` and `move_to` still move it."""
        now = self()
        with self._lock:
            self._frozen_at_ms = now

    def reset(self) -> None:
        """Return to the running, real time. The pytest plugin does this after every test."""
        with self._lock:
            self._offset_ms, self._frozen_at_ms = 0, None

    def _running_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._offset_ms  # noqa: TID251 - this is a clock
