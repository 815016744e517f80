"""The store on PostgreSQL and compatible databases: one transaction per unit, on a pooled connection.

Every call ends within its time limit: a busy, slow, unreachable or frozen server raises `errors.Unavailable`.
Units are retried after conflicts, and once after a connection is lost before the commit was sent. Decision
0009 explains why commits are not grouped as they are on SQLite.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

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
from authfactor.store.protocol import Single, StoreStats, Unit, request_began
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

    async def write(self, unit: Unit[T]) -> T:
        """Run the unit in a transaction, retrying after conflicts; return its result once committed."""
        if isinstance(unit, Single):
            return await self._run_with_retries(
                lambda session, deadline: session.write_single(unit, deadline)
            )
        return await self._run_with_retries(lambda session, deadline: session.write(unit, deadline))

    async def read(self, unit: Unit[T]) -> T:
        """Run a read-only unit on committed data, without locks."""
        return await self._run_with_retries(lambda session, deadline: session.read(unit, deadline))

    def on_batch_committed(self, callback: Callable[[], None]) -> None:
        """Do nothing: each unit is committed separately."""

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
        """Return the pool's counts."""
        busy, idle, waiting = self._pool.counts()
        return StoreStats(busy=busy, idle=idle, waiting=waiting)

    async def close(self) -> None:
        """Close idle connections; those in use are closed when their units end."""
        self._closing = True
        await self._pool.close()

    async def _run_with_retries(self, work: Callable[[PgConnection, float], Awaitable[T]]) -> T:
        """Retry `work` until it succeeds, fails permanently, or runs out of time."""
        if self._closing:
            raise errors.Unavailable("The service is stopping.")
        start = self._loop.time()
        deadline = max(
            (request_began.get() or start) + self._acquire_timeout + _WORK_SECONDS, start + _MIN_SECONDS
        )
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
