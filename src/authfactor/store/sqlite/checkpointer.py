"""Moving what was committed from the log (WAL) into the database file, while commits go on.

SQLite does this by itself within the commit that makes the log a thousand pages long. That commit takes ten
times as long as others, and so does everybody who waits for it or for the next one: seven requests in a
thousand, hence the 99th percentile (decision 0029). Here a thread with a connection of its own does most of
it. Only while nobody writes can nothing be left over, so that the log begins anew from its start instead of
growing; so the little that remains is moved right after a commit, before the next one begins.
"""

import contextlib
import sqlite3
import threading
from typing import Final

# After so many commits it is looked how long the log is, and what is in it is moved.
COMMITS_PER_CHECKPOINT: Final = 64
# From so many pages on the log begins anew; SQLite's own measure.
RESTART_PAGES: Final = 1000
# Where SQLite steps in after all: somebody reads for long, and keeps the log from beginning anew.
AUTOCHECKPOINT_PAGES: Final = 8000


class Checkpointer:
    """Keeps the log short. Commits are told from one thread, which owns the writing connection meanwhile."""

    def __init__(self, writer: sqlite3.Connection, own_connection: sqlite3.Connection) -> None:
        """Take the connection that commits, and one for nothing else, and start the thread."""
        self._writer = writer
        self._connection = own_connection
        self._writer.execute(f"PRAGMA wal_autocheckpoint={AUTOCHECKPOINT_PAGES}")
        self._commits = 0
        self._requests = threading.Semaphore(0)
        self._closing = self._caught_up = False
        self._thread = threading.Thread(target=self._run, name="authfactor-checkpoint", daemon=True)
        self._thread.start()

    def committed(self) -> None:
        """Take note of a commit; once the thread has caught up, move what is left."""
        self._commits += 1
        if self._caught_up:
            self._caught_up = False
            self._commits = 0
            _checkpoint_passive(self._writer)
        elif self._commits == COMMITS_PER_CHECKPOINT:
            self._commits = 0
            self._requests.release()

    def close(self) -> None:
        """Wait for what is under way, end the thread, close its connection."""
        self._closing = True
        self._requests.release()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while self._requests.acquire() and not self._closing:
            if _checkpoint_passive(self._connection) >= RESTART_PAGES:
                # That took a while. What has come in meanwhile takes less.
                _checkpoint_passive(self._connection)
                self._caught_up = True


def _checkpoint_passive(connection: sqlite3.Connection) -> int:
    """Move what nobody reads any more, and tell how many pages the log has.

    What is in the log is durable, so a failure (a full disk) harms nothing: the next time may go better.
    """
    with contextlib.suppress(sqlite3.Error):
        return int(connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])
    return 0
