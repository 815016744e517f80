"""Copying the embedded database while it is in use, checking a copy, and putting one in its place."""

import contextlib
import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Final

from authfactor import errors
from authfactor.store.sqlite.connection import connect, to_unavailable

PAGES: Final = 1024
# https://www.sqlite.org/fileformat2.html, the file header: 1 and 1 where 2 and 2 mean "with a log beside it".
_FORMAT_AT: Final = 18
_WITHOUT_LOG: Final = b"\x01\x01"
# The bytes that every connection in WAL mode keeps locked as long as it lives (SQLite's os.h, SHARED_FIRST).
_SHARED_FIRST: Final = 0x40000002
_SHARED_SIZE: Final = 510


class TargetOccupied(errors.Conflict):
    """Something is where it must not be for a backup or a restore; the message says what to do."""

    def __init__(self, message: str) -> None:
        """Say what."""
        super().__init__("in_the_way", message)


Tell = Callable[[int, int], object]
"""Told how many pages are done, of how many."""


@contextlib.contextmanager
def nameless(folder: Path) -> Iterator[tuple[BinaryIO, sqlite3.Connection, sqlite3.Connection]]:
    """Make a file that has no name any more, and two connections to it: one to fill it, one to look at it.

    Nobody else can open it, and it is gone whenever this process is.
    """
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".authfactor-")
    with open(descriptor, "r+b") as file, contextlib.ExitStack() as opened:  # noqa: PTH123 - a descriptor
        try:
            fill, look = (
                opened.enter_context(closing(sqlite3.connect(name, isolation_level=None))) for _ in range(2)
            )
            # A log of any kind would need a name.
            fill.execute("PRAGMA journal_mode=OFF")
            fill.execute("PRAGMA synchronous=OFF")
        finally:
            Path(name).unlink()
        yield file, fill, look


@contextlib.contextmanager
def snapshot(path: Path, tell: Tell) -> Iterator[BinaryIO]:
    """Copy the database as it is at one moment into a nameless file beside it; writers go on meanwhile.

    The copy needs no log. Raises `errors.Unavailable`, also when the copy is not sound.
    """
    with nameless(path.parent) as (file, fill, look):
        try:
            with closing(connect(path, read_only=True)) as here:
                # Held to the end: without it the copy would begin anew with every commit of somebody else.
                here.execute("BEGIN")
                here.execute("SELECT count(*) FROM sqlite_master")
                here.backup(fill, pages=PAGES, progress=lambda _, left, total: tell(total - left, total))
            os.pwrite(file.fileno(), _WITHOUT_LOG, _FORMAT_AT)
            found = problems(look)
        except sqlite3.Error as error:
            raise to_unavailable(error) from error
        if found:
            raise errors.Unavailable(f"The database file is damaged, its copy would be too: {found[0]}")
        yield file


def problems(connection: sqlite3.Connection) -> list[str]:
    """Let SQLite check every page and index; return what it found. Raises `sqlite3.Error`."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    return [] if found == ["ok"] else found


def problems_of(path: Path) -> list[str]:
    """Check a file that nobody else uses. What cannot be read at all is a problem, too."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return problems(connection)
    except sqlite3.DatabaseError as error:
        return [str(error)]


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep everybody else from opening a database. Raises `InTheWay` while somebody has it open.

    Nothing may open it in this process meanwhile: closing it would give the lock up.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        except OSError as error:
            text = f"A server or another program uses {path}. Stop it first."
            raise TargetOccupied(text) from error
        yield
    finally:
        os.close(descriptor)


def put(draft: Path, path: Path, aside: Path | None) -> None:
    """Give a finished database its name, durably; the one that has it keeps its content under `aside`.

    At every moment one of both is there. Raises `FileExistsError` when there is one and nowhere to keep it,
    and `InTheWay` when somebody uses it.
    """
    sync(draft)
    if aside is None:
        os.link(draft, path)
    else:
        _settle(path)
        with alone(path):
            os.link(path, aside)
            _move_log(path, aside)
            draft.replace(path)
    sync(path.parent)


def _settle(path: Path) -> None:
    """Bring what is in the log into the file, if it can be read."""
    with contextlib.suppress(errors.Unavailable, sqlite3.Error), closing(connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _move_log(path: Path, aside: Path) -> None:
    """Never leave the old log beside the new file: SQLite would write it in."""
    for ending in ("-wal", "-shm"):
        log = path.with_name(path.name + ending)
        if log.exists():
            log.rename(aside.with_name(aside.name + ending))


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
