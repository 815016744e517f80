"""Whose turn it is to write, among the processes on one SQLite file.

SQLite's own waiting sleeps for up to a tenth of a second at a time; the kernel hands a file lock on at once.
The lock only orders writers; what keeps them apart is SQLite's own lock. A process that dies lets go of it.
"""

import fcntl
import os
from pathlib import Path


class WriteLock:
    """A lock on a file beside the database."""

    def __init__(self, database: Path) -> None:
        """Open the lock file. Not the database itself: closing that would drop SQLite's own locks."""
        path = database.with_name(f"{database.name}-turn")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_acquire(self) -> bool:
        """Take the turn if nobody has it, or keep it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self) -> None:
        """Wait for the turn, on a thread that may wait for ever: nothing ends that but the turn."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def release(self) -> None:
        """Let the next one write."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go for good; again does nothing (the number may be another file's by then)."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
