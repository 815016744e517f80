"""SQLite only: batched commits, locks of other processes, full and read-only disks."""

import asyncio
import contextlib
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authfactor import errors
from authfactor.settings import Settings
from authfactor.store import Tx
from authfactor.store.opening import open_store
from authfactor.store.sqlite import connection
from authfactor.store.sqlite.store import SqliteStore
from authfactor.store.sqlite.write_lock import WriteLock

if TYPE_CHECKING:
    from tests.store.conftest import Rows


@pytest.fixture
def path(tmp_path: Path, empty_database: Path) -> Path:
    copy = tmp_path / "authfactor.db"
    copy.write_bytes(empty_database.read_bytes())
    return copy


@pytest.fixture
async def sqlite_store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    await store.close()


def count_users(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM users").fetchone()[0])


async def test_database_uses_wal_mode_and_full_synchronous_commits(sqlite_store: SqliteStore) -> None:
    pragma = {
        name: sqlite_store._writer.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    }
    assert pragma == {"journal_mode": "wal", "synchronous": 2}


async def test_new_database_file_has_owner_only_permissions(tmp_path: Path) -> None:
    store = await open_store(Settings(data=tmp_path / "new" / "folder"))
    await store.close()
    path = tmp_path / "new" / "folder" / "authfactor.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_file_that_is_not_a_database_is_refused_unchanged(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"x" * 5000)
    with pytest.raises(errors.Unavailable, match="not a SQLite database"):
        SqliteStore(garbage)
    assert garbage.read_bytes() == b"x" * 5000
    with pytest.raises(errors.Unavailable, match="cannot be opened"):
        SqliteStore(tmp_path)


async def test_opening_waits_for_a_file_locked_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.1, lambda: other.execute("ROLLBACK"))
    release.start()
    store = SqliteStore(path)
    release.join()
    other.close()
    await store.close()


async def test_closing_moves_the_wal_into_the_file(path: Path, rows: "Rows") -> None:
    store = SqliteStore(path)
    await rows.put(store, rows.user(1))
    await store.close()
    names = {found.name for found in path.parent.iterdir()}
    assert not names & {"authfactor.db-wal", "authfactor.db-shm"}
    assert count_users(path) == 1


async def test_concurrent_units_share_one_commit_and_are_visible_after_it(
    sqlite_store: SqliteStore, rows: "Rows"
) -> None:
    commits: list[str] = []
    sqlite_store._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)

    async def second(tx: Tx) -> tuple[bool, bool]:
        within = await tx.users.by_id(1, "user_0001")
        outside = await sqlite_store.read(lambda tx: tx.users.by_id(1, "user_0001"))
        return within is not None, outside is not None

    _, seen, *_ = await asyncio.gather(
        rows.put(sqlite_store, rows.user(1)),
        sqlite_store.write(second),
        *(rows.put(sqlite_store, rows.user(number)) for number in range(2, 20)),
    )
    assert seen == (True, False)
    assert commits == ["COMMIT"]


async def test_batch_callback_runs_before_any_writer_of_the_batch_resumes(
    sqlite_store: SqliteStore, rows: "Rows"
) -> None:
    order: list[str] = []

    async def put(number: int) -> None:
        await rows.put(sqlite_store, rows.user(number))
        order.append("resumed")

    sqlite_store.on_batch_committed(lambda: order.append("callback"))
    await asyncio.gather(*(put(number) for number in range(3)))
    assert order == ["callback", "resumed", "resumed", "resumed"]


async def test_units_waiting_for_the_write_lock_share_one_commit(
    sqlite_store: SqliteStore, path: Path, rows: "Rows"
) -> None:
    commits: list[str] = []
    sqlite_store._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    other_lock = WriteLock(path)
    assert other_lock.try_acquire()
    first = asyncio.ensure_future(rows.put(sqlite_store, rows.user(1)))
    await asyncio.sleep(0.01)
    others = [asyncio.ensure_future(rows.put(sqlite_store, rows.user(number))) for number in range(2, 6)]
    canceled = asyncio.ensure_future(rows.put(sqlite_store, rows.user(6)))
    await asyncio.sleep(0.01)
    canceled.cancel()
    assert commits == []
    other_lock.release()
    other_lock.close()
    assert all(await asyncio.gather(first, *others))
    assert commits == ["COMMIT"]
    assert count_users(path) == 5


async def test_all_waiting_writers_fail_when_the_write_lock_times_out(
    sqlite_store: SqliteStore, path: Path, rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_SECONDS", 0.05)
    other_lock = WriteLock(path)
    assert other_lock.try_acquire()
    first = asyncio.ensure_future(rows.put(sqlite_store, rows.user(1)))
    await asyncio.sleep(0.01)
    outcomes = await asyncio.gather(first, rows.put(sqlite_store, rows.user(2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [errors.Unavailable] * 2
    other_lock.close()
    assert await rows.put(sqlite_store, rows.user(1))


async def test_write_lock_acquired_after_its_timeout_is_released(
    sqlite_store: SqliteStore, path: Path, rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_SECONDS", 0.05)
    other_lock = WriteLock(path)
    assert other_lock.try_acquire()
    for _ in range(2):
        with pytest.raises(errors.Unavailable):
            await rows.put(sqlite_store, rows.user(1))
    other_lock.release()
    await asyncio.sleep(0.05)
    assert other_lock.try_acquire()
    other_lock.close()
    assert await rows.put(sqlite_store, rows.user(1))


async def test_store_closes_while_another_process_has_the_write_lock(
    path: Path, rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_SECONDS", 0.05)
    other_lock = WriteLock(path)
    assert other_lock.try_acquire()
    sqlite_store = SqliteStore(path)
    with pytest.raises(errors.Unavailable):
        await rows.put(sqlite_store, rows.user(1))
    await asyncio.wait_for(sqlite_store.close(), 10)
    other_lock.close()
    await asyncio.sleep(0.05)
    lock = WriteLock(path)
    assert lock.try_acquire(), "a closed store acquired the write lock and kept it"
    lock.close()


async def test_unit_that_violates_a_constraint_fails_alone(sqlite_store: SqliteStore, rows: "Rows") -> None:
    async def twice(tx: Tx) -> None:
        await tx.users.insert(1, rows.user(1))
        await tx.events.append(1, "event_1", "x", None, "{}", 1)
        await tx.events.append(1, "event_1", "x", None, "{}", 1)

    outcomes = await asyncio.gather(
        rows.put(sqlite_store, rows.user(2)),
        sqlite_store.write(twice),
        rows.put(sqlite_store, rows.user(3)),
        return_exceptions=True,
    )
    assert outcomes[0] is True
    assert isinstance(outcomes[1], sqlite3.IntegrityError)
    assert outcomes[2] is True
    assert await sqlite_store.read(lambda tx: tx.users.by_id(1, "user_0001")) is None
    assert await sqlite_store.read(lambda tx: tx.db.all("SELECT id FROM events")) == []


async def test_unit_that_awaits_anything_else_is_refused_and_rolled_back(
    sqlite_store: SqliteStore, rows: "Rows"
) -> None:
    async def waits(tx: Tx) -> None:
        await tx.users.insert(1, rows.user(1))
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="nothing but its transaction"):
        await sqlite_store.write(waits)
    with pytest.raises(RuntimeError, match="nothing but its transaction"):
        await sqlite_store.read(lambda _: asyncio.sleep(0))
    assert await rows.put(sqlite_store, rows.user(2))
    assert await sqlite_store.read(lambda tx: tx.db.all("SELECT id FROM users")) == [("user_0002",)]


async def test_write_in_a_read_unit_is_refused(sqlite_store: SqliteStore, rows: "Rows") -> None:
    with pytest.raises(errors.Unavailable, match="read-only"):
        await sqlite_store.read(lambda tx: tx.users.insert(1, rows.user(1)))
    assert await sqlite_store.read(lambda tx: tx.users.by_id(1, "user_0001")) is None


async def test_read_snapshot_ends_with_the_event_loop_iteration(
    path: Path, sqlite_store: SqliteStore, rows: "Rows"
) -> None:
    async def seen() -> bool:
        return await sqlite_store.read(lambda tx: tx.users.by_id(1, "user_0001")) is not None

    other = SqliteStore(path)
    assert not await seen()
    assert await rows.put(other, rows.user(1))
    assert await seen()
    assert other._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 1
    await asyncio.sleep(0)
    # A snapshot that is still open would prevent the truncation.
    assert other._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    await other.close()


async def test_write_waits_for_a_lock_of_another_process_while_reads_continue(
    sqlite_store: SqliteStore, path: Path, rows: "Rows"
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(rows.put(sqlite_store, rows.user(1)))
    for _ in range(20):
        await asyncio.sleep(0.001)
        assert await sqlite_store.read(lambda tx: tx.users.by_id(1, "user_0001")) is None
    assert not writing.done()
    other.execute("COMMIT")
    other.close()
    assert await writing is True
    assert count_users(path) == 1


async def test_write_succeeds_after_an_unexpected_commit_error(
    sqlite_store: SqliteStore, rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sqlite_store, "_commit", "not callable")
        with pytest.raises(TypeError):
            await asyncio.wait_for(rows.put(sqlite_store, rows.user(1)), 10)
    assert await rows.put(sqlite_store, rows.user(1))


async def test_lock_held_too_long_is_unavailable_and_the_next_write_succeeds(
    sqlite_store: SqliteStore, path: Path, rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_SECONDS", 0.02)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(
        *(rows.put(sqlite_store, rows.user(number)) for number in range(3)),
        return_exceptions=True,
    )
    other.execute("ROLLBACK")
    other.close()
    assert [type(outcome) for outcome in outcomes] == [errors.Unavailable] * 3
    assert "busy" in str(outcomes[0])
    assert await rows.put(sqlite_store, rows.user(1))
    assert count_users(path) == 1


async def test_full_disk_is_unavailable_and_rolls_back_the_batch(
    sqlite_store: SqliteStore, path: Path, rows: "Rows"
) -> None:
    assert await rows.put(sqlite_store, rows.user(1))
    pages = sqlite_store._writer.execute("PRAGMA page_count").fetchone()[0]
    sqlite_store._writer.execute(f"PRAGMA max_page_count={pages}")
    outcomes = await asyncio.gather(
        rows.put(sqlite_store, rows.user(2)),
        rows.put(sqlite_store, rows.user(3, metadata="x" * 100_000)),
        rows.put(sqlite_store, rows.user(4)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [errors.Unavailable] * 3
    assert "full" in str(outcomes[0])
    assert await sqlite_store.read(lambda tx: tx.db.all("SELECT id FROM users")) == [("user_0001",)]

    await sqlite_store.write(lambda tx: tx.users.record_sign_in(1, "user_0001", 5))
    sqlite_store._writer.execute("PRAGMA max_page_count=1000000")
    assert await rows.put(sqlite_store, rows.user(3, metadata="x" * 100_000))
    assert count_users(path) == 2


async def test_read_only_database_serves_reads_and_refuses_writes(
    sqlite_store: SqliteStore, rows: "Rows"
) -> None:
    await rows.put(sqlite_store, rows.user(1))
    # SQLite's behavior on a read-only file; file permissions would not stop root.
    sqlite_store._writer.execute("PRAGMA query_only=1")
    with pytest.raises(errors.Unavailable, match="read-only"):
        await rows.put(sqlite_store, rows.user(2))
    assert await sqlite_store.read(lambda tx: tx.users.by_id(1, "user_0001")) == rows.user(1)
    sqlite_store._writer.execute("PRAGMA query_only=0")
    assert await rows.put(sqlite_store, rows.user(2))


WRITER = """
import asyncio, sys
from pathlib import Path
from authfactor.store.sqlite.store import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    for number in range(1_000_000):
        await store.write(lambda tx: tx.events.append(1, f"event_{number:07}", "x", None, "{}", number))
        print(number, flush=True)

asyncio.run(main())
"""


async def test_killed_process_loses_no_acknowledged_write(path: Path) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220 - this test runs nothing else
        [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    acknowledged = [int(next(process.stdout)) for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    process.stdout.close()
    process.wait()
    store = SqliteStore(path)
    found = await store.read(lambda tx: tx.db.all("SELECT created_at FROM events ORDER BY id"))
    await store.close()
    stored = [row[0] for row in found]
    assert stored[: len(acknowledged)] == acknowledged
    assert len(stored) - len(acknowledged) in {0, 1}
