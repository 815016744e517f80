"""The SQLite store: WAL mode, fully synchronous, with group commit.

Units run on the event loop without suspending, one at a time, on one writing connection; all queued units
share the next commit. The commit (an fdatasync) runs on a thread while the next batch collects. A failed
unit does not affect the others: if it had written rows, the batch is rolled back and rerun with a savepoint
around each unit. Decision 0001 has the measurements; 0029 covers checkpoints, 0030 several processes.
"""

import asyncio
import contextlib
import functools
import sqlite3
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

from authfactor import errors
from authfactor.store.protocol import StoreStats, Unit
from authfactor.store.sqlite import connection
from authfactor.store.sqlite.checkpointer import Checkpointer
from authfactor.store.sqlite.commit_thread import CommitThread
from authfactor.store.sqlite.connection import (
    SqliteDb,
    begin_immediate_waiting,
    connect,
    is_busy,
    to_unavailable,
)
from authfactor.store.sqlite.write_lock import WriteLock
from authfactor.store.transaction import Tx

T = TypeVar("T")


class SqliteStore:
    """`Store` over one database file. Belongs to the event loop that created it."""

    reads_never_suspend = True

    def __init__(self, path: Path) -> None:
        """Open the migrated file and start the writer task. Raises `errors.Unavailable`."""
        self._write_lock = WriteLock(path)
        self._writer = connect(path)
        self._reader = connect(path, read_only=True)
        self._write_tx = Tx(SqliteDb(self._writer))
        self._read_tx = Tx(SqliteDb(self._reader))
        self._queue: deque[tuple[Unit[Any], asyncio.Future[Any]]] = deque()
        self._commit_thread = CommitThread("authfactor-commit")
        self._lock_wait: asyncio.Future[None] | None = None
        self._checkpointer = Checkpointer(self._writer, connect(path))
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._closing = self._reading = False
        self._batches = list(StoreStats().batches)
        self._units = self._failed = 0
        self._on_batch_committed: Callable[[], None] = _nothing
        self._task = self._loop.create_task(self._write_batches())

    async def write(self, unit: Unit[T]) -> T:
        """Queue the unit for the next commit and return its result once it is durable."""
        if self._closing:
            raise errors.Unavailable("The service is stopping.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.append((unit, future))
        self._wake.set()
        return await future

    async def read(self, unit: Unit[T]) -> T:
        """Run the unit immediately on the reading connection.

        All reads of one event-loop iteration share a snapshot. A client that has received the response to a
        write can only be read in a later iteration, with a newer snapshot (decision 0026).
        """
        try:
            if not self._reading:
                self._reader.execute("BEGIN")
                self._reading = True
                self._loop.call_soon(self.end_reading)
            return cast("T", _run_to_completion(unit(self._read_tx)))
        except sqlite3.Error as error:
            raise to_unavailable(error) from error

    def end_reading(self) -> None:
        """End the snapshot shared by this iteration's reads, so that the next read sees newer commits."""
        self._reading = False
        with contextlib.suppress(sqlite3.Error):
            # An I/O error may have ended the transaction already.
            self._reader.rollback()

    def on_batch_committed(self, callback: Callable[[], None]) -> None:
        """Register the callback run after each batch's waiters are resolved."""
        self._on_batch_committed = callback

    async def schema_version(self) -> str | None:
        """Return the Alembic revision of the schema, or None for an empty file."""
        try:
            row = self._reader.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return None
            raise to_unavailable(error) from error
        return None if row is None else str(row[0])

    async def now(self) -> int | None:
        """Return None: a file has no clock."""
        return None

    def stats(self) -> StoreStats:
        """Return batch sizes, failures and the length of the queue."""
        return StoreStats(tuple(self._batches), self._units, self._failed, len(self._queue))

    async def close(self) -> None:
        """Commit the queued units, stop the writer and close the file."""
        self._closing = True
        self._wake.set()
        await self._task
        self._commit_thread.close(wait=self._lock_wait is None)
        if self._lock_wait is not None:
            self._lock_wait.cancel()
        self._checkpointer.close()
        # The writer last: the WAL is checkpointed and removed only by the last connection, if it can write.
        self._reader.close()
        self._writer.close()
        self._write_lock.close()

    async def _write_batches(self) -> None:
        while True:
            if self._queue:
                await self._write_batch()
            elif self._closing:
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    def _take_queue(self) -> list[tuple[Unit[Any], asyncio.Future[Any]]]:
        """Empty the queue and return its units that are still awaited."""
        batch = [(unit, future) for unit, future in self._queue if not future.cancelled()]
        self._queue.clear()
        return batch

    async def _write_batch(self) -> None:
        batch = []
        self._write_tx.during_commit = []
        try:
            await self._begin_batch()
            # Taken only now, so that units queued while waiting for the lock join this batch.
            batch = self._take_queue()
            try:
                done = [(future, *self._run_unit(unit)) for unit, future in batch]
            except _WroteThenFailed:
                self._writer.execute("ROLLBACK")
                await self._begin_immediate()
                done = [(future, *self._run_in_savepoint(unit)) for unit, future in batch]
            resolve = functools.partial(_resolve_waiters, done, self._on_batch_committed)
            await self._commit_thread.run(self._commit, self._write_tx.during_commit, resolve)
        except Exception as error:  # noqa: BLE001 - passed on to the waiters; the writer continues
            # Nothing of this batch is durable (disk full, read-only file, lock timed out).
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            if self._lock_wait is None:
                self._write_lock.release()
            self._failed += 1
            refusal = to_unavailable(error)
            for _, future in batch or self._take_queue():
                if not future.done():
                    future.set_exception(refusal)
            return
        self._units += len(done)
        self._batches[min(len(done).bit_length(), len(self._batches)) - 1] += 1

    async def _begin_batch(self) -> None:
        """Acquire the write lock and begin; if another process holds it, wait on the thread, not the loop.

        Raises `errors.Unavailable` after `BUSY_TIMEOUT_SECONDS`: a suspended process may never release it.
        """
        if self._lock_wait is not None or not self._write_lock.try_acquire():
            await self._wait_for_lock()
        await self._begin_immediate()

    async def _wait_for_lock(self) -> None:
        if self._lock_wait is None:
            self._lock_wait = self._loop.create_task(self._commit_thread.run(self._write_lock.acquire))
            self._lock_wait.add_done_callback(self._release_unwanted_lock)
        # On timeout only these callers fail; the thread keeps waiting, and the next batch reuses that wait.
        acquisition = self._lock_wait
        done, _ = await asyncio.wait((acquisition,), timeout=connection.BUSY_TIMEOUT_SECONDS)
        if not done:
            raise errors.Unavailable("Another process is writing to the database. Try again in a moment.")
        self._lock_wait = None
        acquisition.result()

    def _release_unwanted_lock(self, acquisition: "asyncio.Future[None]") -> None:
        """Release a lock that arrives after all its waiters have timed out."""
        if self._queue or acquisition.cancelled():
            return
        self._lock_wait = None
        if acquisition.exception() is None:
            self._write_lock.release()

    async def _begin_immediate(self) -> None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            await self._commit_thread.run(self._begin_waiting)

    def _begin_waiting(self) -> None:
        begin_immediate_waiting(self._writer)

    def _commit(self) -> None:
        self._writer.execute("COMMIT")
        # Before the lock is released, so that no other process writes during the checkpoint.
        self._checkpointer.committed()
        self._write_lock.release()

    def _run_unit(self, unit: Unit[T]) -> tuple[T | None, BaseException | None]:
        """Run a unit and return (result, error). Raises `_WroteThenFailed` if its writes must be undone."""
        written = self._writer.total_changes
        try:
            return _run_to_completion(unit(self._write_tx)), None
        except Exception as error:
            # Some SQLite errors (a full disk, for one) roll back the whole transaction, so the batch fails.
            if not self._writer.in_transaction:
                raise
            if _commits(error):
                return None, error
            if self._writer.total_changes != written or isinstance(error, sqlite3.Error):
                raise _WroteThenFailed from error
            return None, error

    def _run_in_savepoint(self, unit: Unit[T]) -> tuple[T | None, BaseException | None]:
        """Run a unit in a savepoint, so that its writes can be rolled back alone; return (result, error)."""
        execute = self._writer.execute
        execute("SAVEPOINT unit")
        try:
            result = _run_to_completion(unit(self._write_tx))
        except Exception as error:
            if not self._writer.in_transaction:
                raise
            if not _commits(error):
                execute("ROLLBACK TO unit")
            execute("RELEASE unit")
            return None, to_unavailable(error) if isinstance(error, sqlite3.Error) else error
        execute("RELEASE unit")
        return result, None


def _nothing() -> None:
    """Default for `on_batch_committed`."""


def _resolve_waiters(
    outcomes: list[tuple["asyncio.Future[Any]", object, BaseException | None]],
    on_batch_committed: Callable[[], None],
) -> None:
    """Resolve the futures of a durable batch with each unit's result or error."""
    for future, result, failure in outcomes:
        if future.done():
            continue
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)
    on_batch_committed()


class _WroteThenFailed(Exception):
    """A unit raised after it had written rows."""


def _run_to_completion(coroutine: object) -> Any:  # noqa: ANN401 - the unit's own result type is lost in `send`
    """Run a coroutine that never suspends and return its result."""
    try:
        cast("Coroutine[Any, Any, Any]", coroutine).send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("a unit of work must await nothing but its transaction")


def _commits(error: Exception) -> bool:
    return isinstance(error, errors.AuthfactorError) and error.commits
