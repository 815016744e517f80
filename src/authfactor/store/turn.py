"""Whose turn it is to write, among the processes on one SQLite file.

SQLite lets a waiting process sleep and try again, for up to a tenth of a second at a time, and whoever
happens to look first wins. A file lock wakes the one that waits as soon as the other lets go. It only
orders writers; what keeps them apart is SQLite's own lock.
"""

import fcntl
import os
from pathlib import Path


class Turn:
    """A lock on a file beside the database."""

    def __init__(self, database: Path) -> None:
        """Open the lock file. Not the database itself: closing that would drop SQLite's own locks."""
        path = database.with_name(f"{database.name}-turn")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take_now(self) -> bool:
        """Take the turn if nobody has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def take(self) -> None:
        """Wait for the turn (on a thread). A process that dies lets go of it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def give_back(self) -> None:
        """Let the next one write."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go for good; again does nothing (the number may be another file's by then)."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
