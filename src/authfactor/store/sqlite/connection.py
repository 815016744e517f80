"""SQLite connections: pragmas, statement dialect, and translation of errors."""

import contextlib
import functools
import re
import sqlite3
import time
from pathlib import Path
from typing import Final, cast

from authfactor import errors
from authfactor.store.db import Row, Step

BUSY_TIMEOUT_SECONDS: Final = 5.0
_BUSY_PAUSE_SECONDS: Final = 0.01
_CACHED_STATEMENTS: Final = 256
_FOR_UPDATE: Final = re.compile(r"\s+FOR UPDATE( OF \w+)?")


@functools.cache
def _dialect(statement: str) -> str:
    """Write `$1` as `?1`, and drop row locks: SQLite locks the whole file."""
    return _FOR_UPDATE.sub("", statement.replace("$", "?"))


class SqliteDb:
    """`Db` over one connection. No method suspends, so a unit runs to its end without yielding."""

    __slots__ = ("_execute",)
    serializes_writes = True

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Keep the bound method, which runs several times per request."""
        self._execute = connection.execute

    async def one(self, statement: str, *parameters: object) -> Row | None:
        """Return the statement's first row, or None."""
        return cast("Row | None", self._execute(_dialect(statement), parameters).fetchone())

    async def all(self, statement: str, *parameters: object) -> list[Row]:
        """Return all rows of the statement."""
        return self._execute(_dialect(statement), parameters).fetchall()

    async def run(self, statement: str, *parameters: object) -> int:
        """Execute a write and return the number of affected rows."""
        return self._execute(_dialect(statement), parameters).rowcount

    async def run_while_matched(self, *steps: Step) -> int:
        """Run statements in order until one affects no row; return how many affected one."""
        for done, (statement, parameters) in enumerate(steps):
            if self._execute(_dialect(statement), parameters).rowcount != 1:
                return done
        return len(steps)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection in WAL mode, fully synchronous (decision 0001). Raises `errors.Unavailable`."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    connection = None
    try:
        connection = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_CACHED_STATEMENTS,
            timeout=0,
        )
        if read_only:
            # WAL readers wait only while another connection recovers the WAL or, as the last one, closes it.
            connection.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_SECONDS * 1000)}")
        else:
            _use_wal(connection)
            connection.execute("PRAGMA synchronous=FULL")
        # 4 MiB. Every commit invalidates a reader's cache, and the kernel caches the file anyway, so a larger
        # cache is no faster; after one long read (sealing events) it would enlarge the process for good.
        connection.execute("PRAGMA cache_size=-4096")
        connection.execute("PRAGMA temp_store=MEMORY")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise to_unavailable(error) from error
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL, which is persistent.

    When two processes switch a new file at the same time, one gets SQLITE_BUSY whatever its busy timeout,
    so this retries.
    """
    for _ in range(int(BUSY_TIMEOUT_SECONDS / _BUSY_PAUSE_SECONDS)):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            time.sleep(_BUSY_PAUSE_SECONDS)
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")


def begin_immediate_waiting(connection: sqlite3.Connection) -> None:
    """Begin a write transaction, waiting for programs that do not use `WriteLock` (the sqlite3 shell)."""
    connection.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_SECONDS * 1000)}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    finally:
        connection.execute("PRAGMA busy_timeout=0")


def integrity(path: Path) -> str:
    """Return `ok` or the first problem `PRAGMA quick_check` finds. Raises `errors.Unavailable`."""
    with contextlib.closing(connect(path, read_only=True)) as connection:
        try:
            return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            raise to_unavailable(error) from error


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether the error means that another connection holds the lock."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def to_unavailable(error: Exception) -> Exception:
    """Return an `errors.Unavailable` that says what to do; other errors are bugs and returned unchanged."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    reasons = {
        sqlite3.SQLITE_BUSY: "The database is busy. Try again in a moment.",
        sqlite3.SQLITE_LOCKED: "The database is busy. Try again in a moment.",
        sqlite3.SQLITE_FULL: "The disk is full. Nothing was changed.",
        sqlite3.SQLITE_IOERR: "The disk reported an error; is it full or read-only? Nothing was changed.",
        sqlite3.SQLITE_READONLY: "The database file is read-only. Nothing was changed.",
        sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened.",
        sqlite3.SQLITE_CORRUPT: "The database file is damaged. Restore a backup.",
        sqlite3.SQLITE_NOTADB: "The database file is not a SQLite database.",
    }
    return errors.Unavailable(reasons[code]) if code in reasons else error
