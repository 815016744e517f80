"""An advisory `flock` that orders the writing processes of one SQLite file (decision 0030).

SQLite's busy handler sleeps for up to 100 ms at a time; the kernel passes a file lock on immediately. This
lock only orders writers; exclusion is still SQLite's own lock. The kernel releases it when a process dies.
"""

import fcntl
import os
from pathlib import Path


class WriteLock:
    """An exclusive lock on the file `<database>-turn` next to the database."""

    def __init__(self, database: Path) -> None:
        """Open the lock file. Not the database itself: closing it would drop SQLite's POSIX locks."""
        path = database.with_name(f"{database.name}-turn")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_acquire(self) -> bool:
        """Take the lock if it is free or already held by this process; return whether it is held now."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self) -> None:
        """Block until the lock is acquired, without a timeout; call it on a thread."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def release(self) -> None:
        """Release the lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the lock file; idempotent, since the descriptor's number may be reused afterwards."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
