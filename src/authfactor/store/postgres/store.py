"""The store on PostgreSQL and compatible databases: a pooled connection for each transaction.

Every call ends within its time limit: a busy, slow, unreachable or frozen server raises `errors.Unavailable`.
Units are retried after conflicts, and once after a connection is lost before the commit was sent. Units of
the kinds that most requests need share a transaction while they wait; any other has its own (decisions 0009
and 0040).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar, cast

import asyncpg

from authfactor import errors
from authfactor.settings import PREFIX, InvalidSetting
from authfactor.store.postgres.connection import PgConnection
from authfactor.store.postgres.failures import (
    ERRORS,
    is_conflict,
    is_connection_loss,
    is_unique_violation,
    to_authfactor_error,
)
from authfactor.store.postgres.pool import Pool
from authfactor.store.postgres.shared_statements import ArrayStatements
from authfactor.store.postgres.shared_transaction import RequestingDb, SharingUnit, UndoneByNeighbor
from authfactor.store.postgres.waiting_units import Waiting, WaitingUnits
from authfactor.store.protocol import Shared, Single, StoreStats, Unit, request_began
from authfactor.store.transaction import Tx

T = TypeVar("T")
Jitter = Callable[[], float]
_CACHED_STATEMENTS: Final = 256
# If one attempt in five fails, one unit in ten million fails ten times.
_MAX_ATTEMPTS: Final = 10
_BACK_OFF_SECONDS: Final = 0.01
_MAX_BACK_OFF_SECONDS: Final = 0.08
# Time for statements beyond the wait for a connection: with the default wait of 1.5 s, just below 2 s.
_WORK_SECONDS: Final = 0.3
# Minimum for a call whose request has already used up its time, for example by hashing a password.
_MIN_SECONDS: Final = 0.15


class PostgresStore:
    """`Store` over one PostgreSQL database. Belongs to the event loop that created it."""

    reads_never_suspend = False

    def __init__(self, url: str, *, size: int, acquire_timeout: float, jitter: Jitter) -> None:
        """Create the pool without connecting.

        `size` is the maximum number of connections, `acquire_timeout` the wait for one in seconds, and
        `jitter` returns random numbers from 0 to 1.
        """
        self._url = url
        self._acquire_timeout = acquire_timeout
        self._jitter = jitter
        self._pool: Pool[PgConnection] = Pool(self._connect, size)
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._kinds: dict[str, WaitingUnits] = {}
        self._array_statements: ArrayStatements = {}
        self._free_tx: list[Tx] = []
        self._again: set[asyncio.Task[None]] = set()
        self._on_batch_committed: Callable[[], None] = _nothing
        self._batches = list(StoreStats().batches)
        self._units = self._failed = self._undone = 0

    async def write(self, unit: Unit[T]) -> T:
        """Run the unit in a transaction, retrying after conflicts; return its result once committed."""
        if not isinstance(unit, Shared):
            return await self._write_alone(unit, self._deadline())
        if self._closing:
            raise errors.Unavailable("The service is stopping.")
        kind = self._kinds.get(unit.kind)
        if kind is None:
            kind = self._kinds[unit.kind] = WaitingUnits(self._write_alone, self._write_together)
        return cast("T", await kind.write(unit.unit, self._deadline()))

    async def read(self, unit: Unit[T]) -> T:
        """Run a read-only unit on committed data, without locks."""
        return await self._run_with_retries(
            lambda session, deadline: session.read(unit, deadline), self._deadline()
        )

    def on_batch_committed(self, callback: Callable[[], None]) -> None:
        """Register the callback run after the waiters of a shared commit are resolved."""
        self._on_batch_committed = callback

    async def schema_version(self) -> str | None:
        """Return the Alembic revision of the schema, or None for an empty database."""

        async def query(tx: Tx) -> str | None:
            # to_regclass returns NULL for a missing table instead of failing.
            exists = await tx.db.one("SELECT to_regclass('alembic_version') IS NOT NULL")
            row = await tx.db.one("SELECT version_num FROM alembic_version") if exists and exists[0] else None
            return None if row is None else str(row[0])

        return await self.read(query)

    async def now(self) -> int | None:
        """Return the server's clock in milliseconds since the epoch."""

        async def query(tx: Tx) -> int | None:
            row = await tx.db.one("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
            return None if row is None else int(row[0])

        return await self.read(query)

    def stats(self) -> StoreStats:
        """Return the sizes of shared commits, how many units wait for one, and the pool's counts."""
        busy, idle, waiting = self._pool.counts()
        queue = sum(map(len, self._kinds.values()))
        batches = tuple(self._batches), self._units, self._failed, queue
        return StoreStats(*batches, busy, idle, waiting, self._undone)

    async def close(self) -> None:
        """Close idle connections; those in use are closed when their units end."""
        for kind in self._kinds.values():
            await kind.close()
        while self._again:
            await asyncio.wait(self._again)
        self._closing = True
        await self._pool.close()

    def _deadline(self) -> float:
        """Return the end of a call's time, in seconds of the event loop's clock."""
        now = self._loop.time()
        return max((request_began.get() or now) + self._acquire_timeout + _WORK_SECONDS, now + _MIN_SECONDS)

    async def _write_alone(self, unit: Unit[T], deadline: float) -> T:
        if isinstance(unit, Single):
            return await self._run_with_retries(
                lambda session, deadline: session.write_single(unit, deadline), deadline
            )
        return await self._run_with_retries(lambda session, deadline: session.write(unit, deadline), deadline)

    async def _write_together(self, waiting: list[Waiting]) -> None:
        """Run waiting units in one transaction and resolve their futures; those that cannot run alone."""
        now = self._loop.time()
        together = [each for each in waiting if each.deadline >= now + _MIN_SECONDS]
        again = [each for each in waiting if each.deadline < now + _MIN_SECONDS]
        if len(together) == 1:
            again, together = waiting, []
        try:
            if together:
                again += await self._commit_together(together, min(each.deadline for each in together))
        except Exception as error:  # noqa: BLE001 - passed on to the waiters
            refusal = to_authfactor_error(error) or error
            for each in together:
                if not each.future.done():
                    each.future.set_exception(refusal)
        self._on_batch_committed()
        for each in again:
            task = self._loop.create_task(self._write_again(each))
            self._again.add(task)
            task.add_done_callback(self._again.discard)

    async def _commit_together(self, waiting: list[Waiting], deadline: float) -> list[Waiting]:
        """Return the units that must run alone; the futures of the others are resolved.

        Raises what keeps every unit from being committed.
        """
        session = self._pool.try_acquire() or await self._wait_for_session(
            min(self._loop.time() + self._acquire_timeout, deadline)
        )
        units = [SharingUnit(each.unit, self._take_tx()) for each in waiting]
        try:
            await session.write_together(units, self._array_statements, deadline)
        except UndoneByNeighbor:
            self._undone += 1
            return waiting
        except BaseException:
            self._failed += 1
            session.discard()
            raise
        finally:
            if session.lost:
                session.discard()
                self._pool.drop_idle()
            self._pool.release(session)
            self._free_tx += [unit.tx for unit in units]
        again = list(_resolve(waiting, units))
        committed = len(units) - len(again)
        self._units += committed
        self._batches[min(committed.bit_length(), len(self._batches)) - 1] += 1
        return again

    def _take_tx(self) -> Tx:
        return self._free_tx.pop() if self._free_tx else Tx(RequestingDb())

    async def _write_again(self, waiting: Waiting) -> None:
        """Run a unit alone that could not share a transaction."""
        try:
            result = await self._write_alone(waiting.unit, waiting.deadline)
        except Exception as error:  # noqa: BLE001 - passed on to the waiter
            if not waiting.future.done():
                waiting.future.set_exception(error)
        else:
            if not waiting.future.done():
                waiting.future.set_result(result)

    async def _run_with_retries(
        self, work: Callable[[PgConnection, float], Awaitable[T]], deadline: float
    ) -> T:
        """Retry `work` until it succeeds, fails permanently, or runs out of time."""
        if self._closing:
            raise errors.Unavailable("The service is stopping.")
        start = self._loop.time()
        reconnected = False
        for attempt in range(_MAX_ATTEMPTS):
            session = self._pool.try_acquire() or await self._wait_for_session(
                min(start + self._acquire_timeout, deadline)
            )
            try:
                return await work(session, deadline)
            except ERRORS as error:
                lost = is_connection_loss(error, closed=session.lost)
                if lost or isinstance(error, TimeoutError):
                    session.discard()
                # After a timeout the idle connections may be fine; reconnecting would burden a slow database.
                if lost:
                    self._pool.drop_idle()
                retriable = is_conflict(error) or (is_unique_violation(error) and attempt + 1 < _MAX_ATTEMPTS)
                if not retriable and (reconnected or not lost):
                    if translated := to_authfactor_error(error):
                        raise translated from error
                    raise
                reconnected |= lost
            finally:
                self._pool.release(session)
            if not lost:
                await self._back_off(attempt, deadline)
        raise errors.Unavailable("Too many concurrent changes of the same data. Nothing was changed.")

    async def _wait_for_session(self, deadline: float) -> PgConnection:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._pool.acquire()
        except TimeoutError as error:
            raise errors.Unavailable("The database is busy. Try again in a moment.") from error
        except (asyncpg.PostgresError, OSError) as error:
            raise to_authfactor_error(error) or errors.Unavailable(
                "The database refused the connection."
            ) from error
        except asyncpg.TargetServerAttributeNotMatched as error:
            raise errors.Unavailable("No database server accepts writes now. Nothing was changed.") from error
        except (asyncpg.ClientConfigurationError, ValueError) as error:
            raise InvalidSetting(f"{PREFIX}DATABASE_URL cannot be used: {error}.") from error

    async def _connect(self) -> PgConnection:
        connection = await asyncpg.connect(
            self._url,
            timeout=self._acquire_timeout,
            command_timeout=self._acquire_timeout + _WORK_SECONDS,
            statement_cache_size=_CACHED_STATEMENTS,
            max_cached_statement_lifetime=0,
            server_settings={"application_name": "authfactor"},
        )
        return PgConnection(connection)

    async def _back_off(self, attempt: int, deadline: float) -> None:
        """Sleep with exponential backoff and jitter. Raises `errors.Unavailable` past the deadline."""
        seconds = min(_BACK_OFF_SECONDS * 2**attempt, _MAX_BACK_OFF_SECONDS) * (0.5 + self._jitter())
        if self._loop.time() + seconds > deadline:
            raise errors.Unavailable("The database is busy. Try again in a moment.")
        await asyncio.sleep(seconds)


def _resolve(waiting: list[Waiting], units: list[SharingUnit]) -> Iterable[Waiting]:
    """Resolve the futures of committed units; return those of the units that left the transaction."""
    for each, unit in zip(waiting, units, strict=True):
        if unit.alone:
            yield each
        elif each.future.done():
            continue
        elif unit.error is None:
            each.future.set_result(unit.result)
        else:
            each.future.set_exception(unit.error)


def _nothing() -> None:
    """Default for `on_batch_committed`."""
