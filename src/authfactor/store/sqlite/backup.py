"""Snapshot the SQLite database while it is in use, check a copy, and install one in its place."""

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
# File format versions in the header (https://www.sqlite.org/fileformat2.html): 1, 1 is rollback journal;
# 2, 2 is WAL.
_FORMAT_VERSION_OFFSET: Final = 18
_ROLLBACK_JOURNAL_FORMAT: Final = b"\x01\x01"
# The byte range that every open WAL-mode connection holds a shared lock on (SQLite's os.h, SHARED_FIRST).
_SHARED_FIRST: Final = 0x40000002
_SHARED_SIZE: Final = 510


class TargetOccupied(errors.Conflict):
    """The target of a backup or restore exists or is in use; the message says what to do."""

    def __init__(self, message: str) -> None:
        """Use the code `in_the_way`."""
        super().__init__("in_the_way", message)


ProgressCallback = Callable[[int, int], object]
"""Called with the number of pages copied and the total."""


@contextlib.contextmanager
def unlinked_database(folder: Path) -> Iterator[tuple[BinaryIO, sqlite3.Connection, sqlite3.Connection]]:
    """Create a temporary database file, unlink it, and yield it with two connections: to fill and to check.

    No other process can open the file, and the kernel frees it when this process ends.
    """
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".authfactor-")
    with open(descriptor, "r+b") as file, contextlib.ExitStack() as stack:  # noqa: PTH123 - a descriptor
        try:
            fill, check = (
                stack.enter_context(closing(sqlite3.connect(name, isolation_level=None))) for _ in range(2)
            )
            # A journal of any kind would need the file's name.
            fill.execute("PRAGMA journal_mode=OFF")
            fill.execute("PRAGMA synchronous=OFF")
        finally:
            Path(name).unlink()
        yield file, fill, check


@contextlib.contextmanager
def snapshot(path: Path, on_progress: ProgressCallback) -> Iterator[BinaryIO]:
    """Yield a consistent copy of the database, in an unlinked file in the same folder; writers continue.

    The copy is in rollback-journal format, complete without a WAL file. Raises `errors.Unavailable`, also
    when the copy fails its integrity check.
    """
    with unlinked_database(path.parent) as (file, fill, check):
        try:
            with closing(connect(path, read_only=True)) as source:
                # A read transaction held until the end: without it, every commit of another connection would
                # restart the backup.
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
            raise errors.Unavailable(f"The database file is damaged, so its copy would be too: {damage[0]}")
        yield file


def integrity_errors(connection: sqlite3.Connection) -> list[str]:
    """Return the first ten problems `PRAGMA integrity_check` finds, or []. Raises `sqlite3.Error`."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    return [] if found == ["ok"] else found


def file_integrity_errors(path: Path) -> list[str]:
    """Check a file that is not in use. A file SQLite cannot read at all counts as one problem."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return integrity_errors(connection)
    except sqlite3.DatabaseError as error:
        return [str(error)]


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Prevent other processes from opening a database. Raises `TargetOccupied` if one has it open.

    This process must not open the file in the meantime: closing any descriptor of it drops the POSIX lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        except OSError as error:
            text = f"A server or another program is using {path}. Stop it first."
            raise TargetOccupied(text) from error
        yield
    finally:
        os.close(descriptor)


def install(new: Path, path: Path, keep_as: Path | None) -> None:
    """Move a finished database to `path`, durably; an existing one is first linked as `keep_as`.

    At every moment `path` names one of the two. Raises `FileExistsError` when `path` exists and `keep_as` is
    None, and `TargetOccupied` when a process has it open.
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
    """Move the WAL's content into the database file, if the file can be read."""
    with contextlib.suppress(errors.Unavailable, sqlite3.Error), closing(connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _move_log(path: Path, keep_as: Path) -> None:
    """Rename the WAL and its index with the old database: SQLite would apply them to the new file."""
    for ending in ("-wal", "-shm"):
        log = path.with_name(path.name + ending)
        if log.exists():
            log.rename(keep_as.with_name(keep_as.name + ending))


def fsync_path(path: Path) -> None:
    """Make a file's content, or a directory's entries, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
