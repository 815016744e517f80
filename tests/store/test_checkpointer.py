"""WAL checkpoints: they run outside the commits, and the WAL restarts instead of growing."""

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
MAX_WAL_PAGES: Final = 40
FRAME: Final = 4096 + 24


@pytest.fixture
def path(tmp_path: Path, empty_database: Path) -> Path:
    copy = tmp_path / "authfactor.db"
    copy.write_bytes(empty_database.read_bytes())
    return copy


@pytest.fixture
async def sqlite_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    monkeypatch.setattr(checkpointer, "COMMITS_PER_CHECKPOINT", EVERY)
    monkeypatch.setattr(checkpointer, "RESTART_PAGES", MAX_WAL_PAGES)
    store = SqliteStore(path)
    yield store
    await store.close()


def wal_pages(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size // FRAME


def copy_of(path: Path) -> Path:
    return Path(shutil.copy(path, path.with_name("without-wal.db")))


def count_users(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM users").fetchone()[0])


async def put(store: SqliteStore, rows: "Rows", numbers: range) -> None:
    """Insert users from two tasks, so that another commit is always due."""

    async def writer(share: range) -> None:
        for number in share:
            assert await rows.put(store, rows.user(number))

    await asyncio.gather(writer(numbers[::2]), writer(numbers[1::2]))


async def test_wal_restarts_instead_of_growing(sqlite_store: SqliteStore, path: Path, rows: "Rows") -> None:
    await put(sqlite_store, rows, range(1000))
    assert wal_pages(path) < MAX_WAL_PAGES * 4
    assert count_users(path) == 1000


async def test_checkpoints_run_outside_the_commits(
    sqlite_store: SqliteStore, path: Path, rows: "Rows"
) -> None:
    """SQLite's own checkpoint threshold is never reached, so no commit includes a checkpoint."""
    threshold = sqlite_store._writer.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
    assert threshold == checkpointer.AUTOCHECKPOINT_PAGES
    await put(sqlite_store, rows, range(EVERY * 2))
    # A copy of the file without its WAL contains only what the thread has checkpointed.
    for _ in range(100):
        if count_users(copy_of(path)) >= EVERY:
            return
        await asyncio.sleep(0.05)
    pytest.fail("no checkpoint ran")


async def test_long_reader_delays_checkpoints_but_not_writers(
    sqlite_store: SqliteStore, path: Path, rows: "Rows"
) -> None:
    await put(sqlite_store, rows, range(50))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        seen = reader.execute("SELECT COUNT(*) FROM users").fetchone()[0]
        await put(sqlite_store, rows, range(50, 200))
        assert wal_pages(path) > MAX_WAL_PAGES * 3
        assert reader.execute("SELECT COUNT(*) FROM users").fetchone()[0] == seen
    before = wal_pages(path)
    await put(sqlite_store, rows, range(200, 600))
    assert wal_pages(path) - before < MAX_WAL_PAGES * 3


async def test_failing_checkpoints_do_not_fail_writes(
    sqlite_store: SqliteStore, path: Path, rows: "Rows"
) -> None:
    sqlite_store._checkpointer._connection.close()
    await put(sqlite_store, rows, range(EVERY * 20))
    assert sqlite_store._checkpointer._thread.is_alive()
    assert count_users(path) == EVERY * 20
