"""The log of the embedded database: moved into the file beside the commits, and begun anew."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from authfactor.store.sqlite import checkpointer
from authfactor.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from tests.store.conftest import Rows

EVERY: Final = 4
LOG_PAGES: Final = 40
FRAME: Final = 4096 + 24


@pytest.fixture
def path(tmp_path: Path, empty_database: Path) -> Path:
    copy = tmp_path / "authfactor.db"
    copy.write_bytes(empty_database.read_bytes())
    return copy


@pytest.fixture
async def opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    monkeypatch.setattr(checkpointer, "COMMITS_PER_CHECKPOINT", EVERY)
    monkeypatch.setattr(checkpointer, "RESTART_PAGES", LOG_PAGES)
    store = SqliteStore(path)
    yield store
    await store.close()


def log_pages(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size // FRAME


def copy_of(path: Path) -> Path:
    return Path(shutil.copy(path, path.with_name("alone.db")))


def users(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM users").fetchone()[0])


async def put(store: SqliteStore, rows: "Rows", numbers: range) -> None:
    """Two writers at once: the next commit is always about to begin."""

    async def writer(some: range) -> None:
        for number in some:
            assert await rows.put(store, rows.user(number))

    await asyncio.gather(writer(numbers[::2]), writer(numbers[1::2]))


async def test_the_log_begins_anew_instead_of_growing(opened: SqliteStore, path: Path, rows: "Rows") -> None:
    await put(opened, rows, range(1000))
    assert log_pages(path) < LOG_PAGES * 4
    assert users(path) == 1000


async def test_no_commit_moves_what_others_have_committed(
    opened: SqliteStore, path: Path, rows: "Rows"
) -> None:
    """SQLite's own measure is far away, so no commit is a long one."""
    found = opened._writer.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
    assert found == checkpointer.AUTOCHECKPOINT_PAGES
    await put(opened, rows, range(EVERY * 2))
    # What the thread has moved can be read from a copy of the file alone, without its log.
    for _ in range(100):
        if users(copy_of(path)) >= EVERY:
            return
        await asyncio.sleep(0.05)
    pytest.fail("nothing was moved")


async def test_who_reads_for_long_keeps_the_log_and_hinders_nobody(
    opened: SqliteStore, path: Path, rows: "Rows"
) -> None:
    await put(opened, rows, range(50))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        seen = reader.execute("SELECT COUNT(*) FROM users").fetchone()[0]
        await put(opened, rows, range(50, 200))
        assert log_pages(path) > LOG_PAGES * 3
        assert reader.execute("SELECT COUNT(*) FROM users").fetchone()[0] == seen
    grown = log_pages(path)
    await put(opened, rows, range(200, 600))
    assert log_pages(path) - grown < LOG_PAGES * 3


async def test_what_cannot_be_moved_stays_in_the_log_and_nobody_is_refused(
    opened: SqliteStore, path: Path, rows: "Rows"
) -> None:
    opened._checkpointer._connection.close()
    await put(opened, rows, range(EVERY * 20))
    assert opened._checkpointer._thread.is_alive()
    assert users(path) == EVERY * 20
