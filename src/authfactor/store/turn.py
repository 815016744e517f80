"""Whose turn it is to write, among the processes on one SQLite file.

SQLite's own waiting sleeps for up to a tenth of a second at a time. Looking at a file lock costs a
microsecond, so a waiting process can look often; on a thread, since the timers of an event loop count
whole milliseconds and would make it look without a pause. The lock only orders writers; what keeps them
apart is SQLite's own lock. A process that dies lets go of it.
"""

import fcntl
import os
from pathlib import Path
from time import monotonic, sleep
from typing import Final

# A commit takes a few tenths of a millisecond.
LOOK_SECONDS: Final = 0.0002


class Turn:
    """A lock on a file beside the database."""

    def __init__(self, database: Path) -> None:
        """Open the lock file. Not the database itself: closing that would drop SQLite's own locks."""
        path = database.with_name(f"{database.name}-turn")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take_now(self) -> bool:
        """Take the turn if nobody has it, or keep it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def take_within(self, seconds: float) -> bool:
        """Wait for the turn, blocking this thread; False when somebody keeps it for longer than that.

        Not by a lock that blocks: nothing could end that when a stopped process holds it.
        """
        deadline = monotonic() + seconds
        while not self.take_now():
            if monotonic() > deadline:
                return False
            sleep(LOOK_SECONDS)
        return True

    def give_back(self) -> None:
        """Let the next one write."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go for good; again does nothing (the number may be another file's by then)."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
