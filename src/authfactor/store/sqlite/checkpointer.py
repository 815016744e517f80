"""Checkpoint the write-ahead log (WAL) into the database file while commits continue.

By default SQLite checkpoints within the commit that makes the WAL a thousand pages long. That commit takes
ten times as long as others and delays every request that shares it or waits for the next one: seven in a
thousand, and so the 99th percentile (decision 0029). Here a thread with a separate connection does most of
the work. The WAL restarts from its beginning, instead of growing, only after a checkpoint that leaves no
frame behind, which takes a moment without writers; so the committing thread moves the few remaining frames
right after a commit, before the next one begins.
"""

import contextlib
import sqlite3
import threading
from typing import Final

# Run a passive checkpoint in the background after this many commits.
COMMITS_PER_CHECKPOINT: Final = 64
# Let the WAL restart once it has this many pages; SQLite's default for wal_autocheckpoint.
RESTART_PAGES: Final = 1000
# SQLite's own checkpoint as a fallback, when a long-running reader keeps the WAL from restarting.
AUTOCHECKPOINT_PAGES: Final = 8000


class Checkpointer:
    """Keeps the WAL short. `committed` is called by the thread that is using the writing connection."""

    def __init__(self, writer: sqlite3.Connection, own_connection: sqlite3.Connection) -> None:
        """Start the thread. `writer` is the committing connection; `own_connection` is the thread's."""
        self._writer = writer
        self._connection = own_connection
        self._writer.execute(f"PRAGMA wal_autocheckpoint={AUTOCHECKPOINT_PAGES}")
        self._commits = 0
        self._requests = threading.Semaphore(0)
        self._closing = self._caught_up = False
        self._thread = threading.Thread(target=self._run, name="authfactor-checkpoint", daemon=True)
        self._thread.start()

    def committed(self) -> None:
        """Count a commit; once the background checkpoint has caught up, finish it on this thread."""
        self._commits += 1
        if self._caught_up:
            self._caught_up = False
            self._commits = 0
            _checkpoint_passive(self._writer)
        elif self._commits == COMMITS_PER_CHECKPOINT:
            self._commits = 0
            self._requests.release()

    def close(self) -> None:
        """Wait for a running checkpoint, end the thread and close its connection."""
        self._closing = True
        self._requests.release()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while self._requests.acquire() and not self._closing:
            if _checkpoint_passive(self._connection) >= RESTART_PAGES:
                # Commits continued during that checkpoint; a second one has fewer pages left to move.
                _checkpoint_passive(self._connection)
                self._caught_up = True


def _checkpoint_passive(connection: sqlite3.Connection) -> int:
    """Run a passive checkpoint and return the number of pages in the WAL.

    Committed pages are durable in the WAL, so a failure (a full disk) is ignored: a later checkpoint retries.
    """
    with contextlib.suppress(sqlite3.Error):
        return int(connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])
    return 0
