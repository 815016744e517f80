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

PAGES_PER_STEP: Final = 1024
# https://www.sqlite.org/fileformat2.html, the file header: 1 and 1 where 2 and 2 mean "with a log beside it".
_FORMAT_VERSION_OFFSET: Final = 18
_ROLLBACK_JOURNAL_FORMAT: Final = b"\x01\x01"
# The bytes that every connection in WAL mode keeps locked as long as it lives (SQLite's os.h, SHARED_FIRST).
_SHARED_FIRST: Final = 0x40000002
_SHARED_SIZE: Final = 510


class TargetOccupied(errors.Conflict):
    """Something is where it must not be for a backup or a restore; the message says what to do."""

    def __init__(self, message: str) -> None:
        """Say what."""
        super().__init__("in_the_way", message)


ProgressCallback = Callable[[int, int], object]
"""Told how many pages are done, of how many."""


@contextlib.contextmanager
def unlinked_database(folder: Path) -> Iterator[tuple[BinaryIO, sqlite3.Connection, sqlite3.Connection]]:
    """Make a file that has no name any more, and two connections to it: one to fill it, one to look at it.

    Nobody else can open it, and it is gone whenever this process is.
    """
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".authfactor-")
    with open(descriptor, "r+b") as file, contextlib.ExitStack() as stack:  # noqa: PTH123 - a descriptor
        try:
            fill, check = (
                stack.enter_context(closing(sqlite3.connect(name, isolation_level=None))) for _ in range(2)
            )
            # A log of any kind would need a name.
            fill.execute("PRAGMA journal_mode=OFF")
            fill.execute("PRAGMA synchronous=OFF")
        finally:
            Path(name).unlink()
        yield file, fill, check


@contextlib.contextmanager
def snapshot(path: Path, on_progress: ProgressCallback) -> Iterator[BinaryIO]:
    """Copy the database as it is at one moment into a nameless file beside it; writers go on meanwhile.

    The copy needs no log. Raises `errors.Unavailable`, also when the copy is not sound.
    """
    with unlinked_database(path.parent) as (file, fill, check):
        try:
            with closing(connect(path, read_only=True)) as source:
                # Held to the end: without it the copy would begin anew with every commit of somebody else.
                source.execute("BEGIN")
                source.execute("SELECT count(*) FROM sqlite_master")
                source.backup(
                    fill,
                    pages=PAGES_PER_STEP,
                    progress=lambda _, left, total: on_progress(total - left, total),
                )
            os.pwrite(file.fileno(), _ROLLBACK_JOURNAL_FORMAT, _FORMAT_VERSION_OFFSET)
            damage = integrity_errors(check)
        except sqlite3.Error as error:
            raise to_unavailable(error) from error
        if damage:
            raise errors.Unavailable(f"The database file is damaged, its copy would be too: {damage[0]}")
        yield file


def integrity_errors(connection: sqlite3.Connection) -> list[str]:
    """Let SQLite check every page and index; return what it found. Raises `sqlite3.Error`."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    return [] if found == ["ok"] else found


def file_integrity_errors(path: Path) -> list[str]:
    """Check a file that nobody else uses. What cannot be read at all is a problem, too."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return integrity_errors(connection)
    except sqlite3.DatabaseError as error:
        return [str(error)]


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
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


def install(new: Path, path: Path, keep_as: Path | None) -> None:
    """Give a finished database its name, durably; the one that has it keeps its content under `aside`.

    At every moment one of both is there. Raises `FileExistsError` when there is one and nowhere to keep it,
    and `InTheWay` when somebody uses it.
    """
    fsync_path(new)
    if keep_as is None:
        os.link(new, path)
    else:
        _checkpoint_log(path)
        with exclusive_lock(path):
            os.link(path, keep_as)
            _move_log(path, keep_as)
            new.replace(path)
    fsync_path(path.parent)


def _checkpoint_log(path: Path) -> None:
    """Bring what is in the log into the file, if it can be read."""
    with contextlib.suppress(errors.Unavailable, sqlite3.Error), closing(connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _move_log(path: Path, keep_as: Path) -> None:
    """Never leave the old log beside the new file: SQLite would write it in."""
    for ending in ("-wal", "-shm"):
        log = path.with_name(path.name + ending)
        if log.exists():
            log.rename(keep_as.with_name(keep_as.name + ending))


def fsync_path(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
