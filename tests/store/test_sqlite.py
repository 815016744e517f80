"""What only the embedded database does: batches, locks of other processes, full and read-only disks."""

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
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    await store.close()


def count(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM users").fetchone()[0])


async def test_the_file_is_in_wal_mode_and_every_commit_is_flushed(opened: SqliteStore) -> None:
    pragma = {
        name: opened._writer.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    }
    assert pragma == {"journal_mode": "wal", "synchronous": 2}


async def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    store = await open_store(Settings(data=tmp_path / "made" / "here"))
    await store.close()
    made = tmp_path / "made" / "here" / "authfactor.db"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700


async def test_a_file_that_is_no_database_or_cannot_be_opened_is_named_as_such(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"x" * 5000)
    with pytest.raises(errors.Unavailable, match="not a SQLite database"):
        SqliteStore(garbage)
    assert garbage.read_bytes() == b"x" * 5000
    with pytest.raises(errors.Unavailable, match="cannot be opened"):
        SqliteStore(tmp_path)


async def test_a_new_file_that_another_process_holds_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.1, lambda: other.execute("ROLLBACK"))
    release.start()
    store = SqliteStore(path)
    release.join()
    other.close()
    await store.close()


async def test_closing_empties_the_log_so_that_the_file_alone_is_a_whole_copy(
    path: Path, rows: "Rows"
) -> None:
    store = SqliteStore(path)
    await rows.put(store, rows.user(1))
    await store.close()
    left = {found.name for found in path.parent.iterdir()}
    assert not left & {"authfactor.db-wal", "authfactor.db-shm"}
    assert count(path) == 1


async def test_units_that_wait_together_share_one_commit_and_are_read_only_after_it(
    opened: SqliteStore, rows: "Rows"
) -> None:
    commits: list[str] = []
    opened._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)

    async def second(tx: Tx) -> tuple[bool, bool]:
        within = await tx.users.by_id(1, "user_0001")
        outside = await opened.read(lambda tx: tx.users.by_id(1, "user_0001"))
        return within is not None, outside is not None

    _, seen, *_ = await asyncio.gather(
        rows.put(opened, rows.user(1)),
        opened.write(second),
        *(rows.put(opened, rows.user(number)) for number in range(2, 20)),
    )
    assert seen == (True, False)
    assert commits == ["COMMIT"]


async def test_once_all_of_a_batch_are_told_and_before_any_goes_on_somebody_may_prepare_for_it(
    opened: SqliteStore, rows: "Rows"
) -> None:
    order: list[str] = []

    async def put(number: int) -> None:
        await rows.put(opened, rows.user(number))
        order.append("went on")

    opened.on_batch_committed(lambda: order.append("told"))
    await asyncio.gather(*(put(number) for number in range(3)))
    assert order == ["told", "went on", "went on", "went on"]


async def test_what_arrives_while_another_process_has_its_turn_comes_along(
    opened: SqliteStore, path: Path, rows: "Rows"
) -> None:
    commits: list[str] = []
    opened._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    another = WriteLock(path)
    assert another.try_acquire()
    first = asyncio.ensure_future(rows.put(opened, rows.user(1)))
    await asyncio.sleep(0.01)
    others = [asyncio.ensure_future(rows.put(opened, rows.user(number))) for number in range(2, 6)]
    given_up = asyncio.ensure_future(rows.put(opened, rows.user(6)))
    await asyncio.sleep(0.01)
    given_up.cancel()
    assert commits == []
    another.release()
    another.close()
    assert all(await asyncio.gather(first, *others))
    assert commits == ["COMMIT"]
    assert count(path) == 5


async def test_all_that_wait_are_told_when_no_turn_comes(
    opened: SqliteStore, path: Path, rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_SECONDS", 0.05)
    another = WriteLock(path)
    assert another.try_acquire()
    first = asyncio.ensure_future(rows.put(opened, rows.user(1)))
    await asyncio.sleep(0.01)
    outcomes = await asyncio.gather(first, rows.put(opened, rows.user(2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [errors.Unavailable] * 2
    another.close()
    assert await rows.put(opened, rows.user(1))


async def test_a_turn_that_comes_too_late_is_passed_on(
    opened: SqliteStore, path: Path, rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_SECONDS", 0.05)
    another = WriteLock(path)
    assert another.try_acquire()
    for _ in range(2):
        with pytest.raises(errors.Unavailable):
            await rows.put(opened, rows.user(1))
    another.release()
    await asyncio.sleep(0.05)
    assert another.try_acquire()
    another.close()
    assert await rows.put(opened, rows.user(1))


async def test_a_store_closes_while_another_process_keeps_the_turn(
    path: Path, rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_SECONDS", 0.05)
    another = WriteLock(path)
    assert another.try_acquire()
    opened = SqliteStore(path)
    with pytest.raises(errors.Unavailable):
        await rows.put(opened, rows.user(1))
    await asyncio.wait_for(opened.close(), 10)
    another.close()
    await asyncio.sleep(0.05)
    left = WriteLock(path)
    assert left.try_acquire(), "the turn came to a store that is closed, and stayed there"
    left.close()


async def test_a_unit_that_breaks_a_constraint_fails_alone(opened: SqliteStore, rows: "Rows") -> None:
    async def twice(tx: Tx) -> None:
        await tx.users.insert(1, rows.user(1))
        await tx.events.append(1, "event_1", "x", None, "{}", 1)
        await tx.events.append(1, "event_1", "x", None, "{}", 1)

    outcomes = await asyncio.gather(
        rows.put(opened, rows.user(2)),
        opened.write(twice),
        rows.put(opened, rows.user(3)),
        return_exceptions=True,
    )
    assert outcomes[0] is True
    assert isinstance(outcomes[1], sqlite3.IntegrityError)
    assert outcomes[2] is True
    assert await opened.read(lambda tx: tx.users.by_id(1, "user_0001")) is None
    assert await opened.read(lambda tx: tx.db.all("SELECT id FROM events")) == []


async def test_a_unit_that_waits_for_something_else_is_refused_and_undone(
    opened: SqliteStore, rows: "Rows"
) -> None:
    async def waits(tx: Tx) -> None:
        await tx.users.insert(1, rows.user(1))
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="nothing but its transaction"):
        await opened.write(waits)
    with pytest.raises(RuntimeError, match="nothing but its transaction"):
        await opened.read(lambda _: asyncio.sleep(0))
    assert await rows.put(opened, rows.user(2))
    assert await opened.read(lambda tx: tx.db.all("SELECT id FROM users")) == [("user_0002",)]


async def test_reading_cannot_write(opened: SqliteStore, rows: "Rows") -> None:
    with pytest.raises(errors.Unavailable, match="read-only"):
        await opened.read(lambda tx: tx.users.insert(1, rows.user(1)))
    assert await opened.read(lambda tx: tx.users.by_id(1, "user_0001")) is None


async def test_reads_share_a_snapshot_for_one_turn_of_the_event_loop_and_no_longer(
    path: Path, opened: SqliteStore, rows: "Rows"
) -> None:
    async def seen() -> bool:
        return await opened.read(lambda tx: tx.users.by_id(1, "user_0001")) is not None

    other = SqliteStore(path)
    assert not await seen()
    assert await rows.put(other, rows.user(1))
    assert await seen()
    assert other._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 1
    await asyncio.sleep(0)
    # One that stayed open would keep the log from being emptied.
    assert other._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    await other.close()


async def test_a_lock_of_another_process_is_waited_for_while_reads_go_on(
    opened: SqliteStore, path: Path, rows: "Rows"
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(rows.put(opened, rows.user(1)))
    for _ in range(20):
        await asyncio.sleep(0.001)
        assert await opened.read(lambda tx: tx.users.by_id(1, "user_0001")) is None
    assert not writing.done()
    other.execute("COMMIT")
    other.close()
    assert await writing is True
    assert count(path) == 1


async def test_a_fault_that_nobody_thought_of_is_raised_and_the_next_write_works(
    opened: SqliteStore, rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(opened, "_commit", "no function")
        with pytest.raises(TypeError):
            await asyncio.wait_for(rows.put(opened, rows.user(1)), 10)
    assert await rows.put(opened, rows.user(1))


async def test_a_lock_held_too_long_is_an_answer_and_the_next_write_works(
    opened: SqliteStore, path: Path, rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_SECONDS", 0.02)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(
        *(rows.put(opened, rows.user(number)) for number in range(3)),
        return_exceptions=True,
    )
    other.execute("ROLLBACK")
    other.close()
    assert [type(outcome) for outcome in outcomes] == [errors.Unavailable] * 3
    assert "busy" in str(outcomes[0])
    assert await rows.put(opened, rows.user(1))
    assert count(path) == 1


async def test_a_full_disk_is_an_answer_undoes_the_batch_and_passes(
    opened: SqliteStore, path: Path, rows: "Rows"
) -> None:
    assert await rows.put(opened, rows.user(1))
    pages = opened._writer.execute("PRAGMA page_count").fetchone()[0]
    opened._writer.execute(f"PRAGMA max_page_count={pages}")
    outcomes = await asyncio.gather(
        rows.put(opened, rows.user(2)),
        rows.put(opened, rows.user(3, metadata="x" * 100_000)),
        rows.put(opened, rows.user(4)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [errors.Unavailable] * 3
    assert "full" in str(outcomes[0])
    assert await opened.read(lambda tx: tx.db.all("SELECT id FROM users")) == [("user_0001",)]

    await opened.write(lambda tx: tx.users.record_sign_in(1, "user_0001", 5))
    opened._writer.execute("PRAGMA max_page_count=1000000")
    assert await rows.put(opened, rows.user(3, metadata="x" * 100_000))
    assert count(path) == 2


async def test_a_file_that_became_read_only_is_still_read_and_refuses_writes(
    opened: SqliteStore, rows: "Rows"
) -> None:
    await rows.put(opened, rows.user(1))
    # What SQLite answers on a read-only file, whoever runs the tests (root may write any file).
    opened._writer.execute("PRAGMA query_only=1")
    with pytest.raises(errors.Unavailable, match="read-only"):
        await rows.put(opened, rows.user(2))
    assert await opened.read(lambda tx: tx.users.by_id(1, "user_0001")) == rows.user(1)
    opened._writer.execute("PRAGMA query_only=0")
    assert await rows.put(opened, rows.user(2))


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


async def test_a_killed_process_loses_nothing_that_it_acknowledged(path: Path) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220 - this test has nothing else to do meanwhile
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
    kept = [row[0] for row in found]
    assert kept[: len(acknowledged)] == acknowledged
    assert len(kept) - len(acknowledged) in {0, 1}
