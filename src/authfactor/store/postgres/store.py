"""PostgreSQL, and what speaks its protocol: each unit one transaction, on a pooled session.

Every call ends within its time limit, whatever the server does: busy, slow, gone or frozen all become
`errors.Unavailable`. Units run again after a conflict, and once more after a connection that was lost
before the commit was sent. Decision 0009 says why commits are not grouped as they are for SQLite.
"""

import asyncio
import contextlib
import functools
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

import asyncpg

from authfactor import errors
from authfactor.settings import PREFIX, InvalidSetting
from authfactor.store.db import Row, Step
from authfactor.store.postgres.pool import Pool
from authfactor.store.protocol import Single, StoreStats, Unit, request_began
from authfactor.store.transaction import Tx

T = TypeVar("T")
Jitter = Callable[[], float]
_STATEMENTS: Final = 256
# With one attempt in five failing, one unit in ten million fails ten times.
_TRIES: Final = 10
_BACK_OFF_SECONDS: Final = 0.01
_MAX_BACK_OFF_SECONDS: Final = 0.08
# What a request may take beyond its wait for a connection: with the default wait, 2 s less a margin.
_WORK_SECONDS: Final = 0.3
# What a call gets though its request has used up its time, with hashing a password perhaps.
_MIN_SECONDS: Final = 0.15
_CLOSE_SECONDS: Final = 1.0
_CONFLICTS: Final = frozenset({"40001", "40P01"})
# Cut off by the server, or connected to one that may no longer write: a new connection finds a better one.
_LOST: Final = frozenset({"25006", "25P03", "57P01", "57P02", "57P03", "57P05"})
# What a connection can raise: the server's errors, the driver's own (the last: it lost track), the network's.
_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_PARAMETER: Final = re.compile(r"\$(\d+)")
_INDEXED_BY: Final = re.compile(r"\s+INDEXED BY \w+")
_UNKNOWN: Final = (
    "The database did not confirm the change: it may or may not be there. Look before repeating it."
)
# By SQLSTATE, or by its class: the first two characters.
_REASONS: Final = {
    "08": "The database does not answer. Nothing was changed.",
    "25006": "The database only takes reads now. Nothing was changed.",
    "28": "The database refuses these credentials.",
    "3D": "The database does not exist. Create it, then run: authfactor migrate",
    "42501": "The database user may not do this. Grant it the rights on the schema.",
    "42703": "The database's schema is not the one this release needs. Run: authfactor migrate",
    "42P01": "The database's schema is not the one this release needs. Run: authfactor migrate",
    "53": "The database has run out of room or connections. Nothing was changed.",
    "55": "The database is busy. Try again in a moment.",
    "57": "The database is stopping, starting or in a hurry. Nothing was changed.",
    "58": "The database reports an error of its system. Nothing was changed.",
}


@functools.cache
def _dialect(statement: str) -> str:
    """PostgreSQL chooses its indexes itself."""
    return _INDEXED_BY.sub("", statement)


@functools.cache
def _chained(statements: tuple[tuple[str, int], ...]) -> str:
    """Make one statement of several, each with so many parameters, of which each needs the one before.

    All parts see one state of the database, but each waits for locks and looks again by itself, as alone.
    """
    parts, shift = [], 0
    for at, (statement, parameters) in enumerate(statements):
        text = _PARAMETER.sub(lambda found: f"${int(found[1]) + shift}", statement)  # noqa: B023 - used at once
        needs = f" AND EXISTS (SELECT 1 FROM s{at - 1})" if at else ""
        parts.append(f"s{at} AS ({text.strip()}{needs} RETURNING 1)")
        shift += parameters
    counts = " + ".join(f"(SELECT count(*) FROM s{at})" for at in range(len(statements)))
    return f"WITH {', '.join(parts)} SELECT {counts}"


class PostgresDb:
    """`Db` over one connection. The driver's records unpack, slice and compare as tuples do."""

    __slots__ = ("_execute", "_fetch", "_fetchrow")
    serializes_writes = False

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - the driver ships no types
        """Keep the bound methods: they run several times a request."""
        self._execute = connection.execute
        self._fetch = connection.fetch
        self._fetchrow = connection.fetchrow

    async def one(self, statement: str, *parameters: object) -> Row | None:
        """Return the first row, or None."""
        return cast("Row | None", await self._fetchrow(_dialect(statement), *parameters))

    async def all(self, statement: str, *parameters: object) -> list[Row]:
        """Return every row."""
        return cast("list[Row]", await self._fetch(_dialect(statement), *parameters))

    async def run(self, statement: str, *parameters: object) -> int:
        """Return how many rows were written."""
        # The server answers "UPDATE 1", "INSERT 0 1", "DELETE 1"; statements without a count end in a word.
        count = (await self._execute(_dialect(statement), *parameters)).rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def run_while_matched(self, *steps: Step) -> int:
        """Run statements for as long as each writes a row, in one round trip; return how many did."""
        statement = _chained(tuple([(text, len(parameters)) for text, parameters in steps]))
        row = await self._fetchrow(statement, *[value for _, parameters in steps for value in parameters])
        return int(row[0])


class PgConnection:
    """One connection with its tables. It is clean unless something went wrong half-way."""

    __slots__ = ("_connection", "_settled", "tx")

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - the driver ships no types
        """Take over a fresh connection."""
        self._connection = connection
        self._settled = True
        self.tx = Tx(PostgresDb(connection))

    @property
    def clean(self) -> bool:
        """Whether the next unit may have it."""
        return self._settled and not self._connection.is_closed()

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return bool(self._connection.is_closed())

    async def write(self, unit: Unit[T], deadline: float) -> T:
        """Run a unit in a transaction; raises `errors.Unavailable` when nobody knows how its commit ended."""
        self._settled = committing = False
        self.tx.during_commit = []
        try:
            async with asyncio.timeout_at(deadline):
                # The database's own default isolation: READ COMMITTED on PostgreSQL, where one conditional
                # write decides; stricter ones elsewhere (CockroachDB, Aurora DSQL) show as conflicts.
                await self._connection.execute("BEGIN")
                result, refusal = await _run(unit, self.tx)
                committing = True
                for call in self.tx.during_commit:
                    asyncio.get_running_loop().call_soon(call)
                status = await self._connection.execute("COMMIT")
        except Exception as error:
            if committing and not _is_refused(error):
                raise errors.Unavailable(_UNKNOWN) from error
            if not isinstance(error, TimeoutError):
                await self._roll_back(deadline)
            raise
        self._settled = True
        if status != "COMMIT":
            raise errors.Unavailable("The database took the change back.")
        if refusal is not None:
            raise refusal
        return cast("T", result)

    async def write_single(self, unit: Unit[T], deadline: float) -> T:
        """Run a unit of one statement, which commits by itself; raises as `write` does."""
        self._settled = False
        try:
            async with asyncio.timeout_at(deadline):
                result = await unit(self.tx)
        except Exception as error:
            if isinstance(error, TimeoutError) or self.lost:
                raise errors.Unavailable(_UNKNOWN) from error
            self._settled = True
            raise
        self._settled = True
        return result

    async def read(self, unit: Unit[T], deadline: float) -> T:
        """Run a unit that only reads.

        Without a transaction around it: BEGIN and COMMIT would triple the cost of the one-statement reads
        that nearly all of them are, and the two that use several (a page and the cursors it starts from)
        read rows whose keys never change.
        """
        self._settled = False
        try:
            async with asyncio.timeout_at(deadline):
                result = await unit(self.tx)
        except Exception:
            # The statement is over and there is no transaction to leave; a lost one is discarded above us.
            self._settled = True
            raise
        self._settled = True
        return result

    def discard(self) -> None:
        """Let no other unit have it, though it may still answer."""
        self._settled = False

    async def close(self) -> None:
        """Close, asking the server to stop what is under way; after a moment hang up."""
        with contextlib.suppress(Exception):
            await self._connection.close(timeout=_CLOSE_SECONDS)

    async def _roll_back(self, deadline: float) -> None:
        """Undo what was done; a session that cannot even do that stays unsettled and is replaced."""
        if self.lost:
            return
        with contextlib.suppress(*_ERRORS):
            async with asyncio.timeout_at(deadline):
                await self._connection.execute("ROLLBACK")
            self._settled = True


async def _run(unit: Unit[T], tx: Tx) -> tuple[T | None, errors.AuthfactorError | None]:
    """Run a unit; return its result, or the refusal before which its writes are committed."""
    try:
        return await unit(tx), None
    except errors.AuthfactorError as error:
        if not error.commits:
            raise
        return None, error


class PostgresStore:
    """`Store` over one database. Belongs to the event loop that opened it."""

    reads_never_suspend = False

    def __init__(self, url: str, *, size: int, wait: float, jitter: Jitter) -> None:
        """Connect to nothing yet. `wait` in seconds; `jitter` gives numbers from 0 to 1."""
        self._url = url
        self._wait = wait
        self._jitter = jitter
        self._pool: Pool[PgConnection] = Pool(self._connect, size)
        self._closing = False
        self._loop = asyncio.get_running_loop()

    async def write(self, unit: Unit[T]) -> T:
        """Run the unit in a transaction, again after a conflict, and return once it is committed."""
        if isinstance(unit, Single):
            return await self._insist(lambda session, deadline: session.write_single(unit, deadline))
        return await self._insist(lambda session, deadline: session.write(unit, deadline))

    async def read(self, unit: Unit[T]) -> T:
        """Run the unit on what is committed; it takes no locks."""
        return await self._insist(lambda session, deadline: session.read(unit, deadline))

    def on_batch_committed(self, call: Callable[[], None]) -> None:
        """Do nothing: each unit has a commit to itself."""

    async def schema_version(self) -> str | None:
        """Return alembic's revision, or None for an empty database."""

        async def look(tx: Tx) -> str | None:
            # to_regclass gives NULL where there is no such table, so that nothing fails on an empty database.
            known = await tx.db.one("SELECT to_regclass('alembic_version') IS NOT NULL")
            row = await tx.db.one("SELECT version_num FROM alembic_version") if known and known[0] else None
            return None if row is None else str(row[0])

        return await self.read(look)

    async def now(self) -> int | None:
        """Return the server's clock."""

        async def look(tx: Tx) -> int | None:
            row = await tx.db.one("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
            return None if row is None else int(row[0])

        return await self.read(look)

    def stats(self) -> StoreStats:
        """Return what the pool lends."""
        busy, idle, waiting = self._pool.counts()
        return StoreStats(busy=busy, idle=idle, waiting=waiting)

    async def close(self) -> None:
        """Let go of the database. Units that are under way end on their own."""
        self._closing = True
        await self._pool.close()

    async def _insist(self, work: Callable[[PgConnection, float], Awaitable[T]]) -> T:
        """Do the work until it succeeds, cannot, or has no time left."""
        if self._closing:
            raise errors.Unavailable("The service is stopping.")
        start = self._loop.time()
        deadline = max((request_began.get() or start) + self._wait + _WORK_SECONDS, start + _MIN_SECONDS)
        has_lost = False
        for turn in range(_TRIES):
            session = self._pool.idle() or await self._wait_for_session(min(start + self._wait, deadline))
            try:
                return await work(session, deadline)
            except _ERRORS as error:
                is_loss = _is_loss(error, session)
                if is_loss or isinstance(error, TimeoutError):
                    session.discard()
                # After a time-out the others may be as good as ever; new ones make a slow database slower.
                if is_loss:
                    self._pool.drop_idle()
                again = _is_conflict(error) or (_is_clash(error) and turn + 1 < _TRIES)
                if not again and (has_lost or not is_loss):
                    if told := refusal(error):
                        raise told from error
                    raise
                has_lost |= is_loss
            finally:
                self._pool.release(session)
            if not is_loss:
                await self._back_off(turn, deadline)
        raise errors.Unavailable("Too many changes at the same place at the same time. Nothing was changed.")

    async def _wait_for_session(self, until: float) -> PgConnection:
        try:
            async with asyncio.timeout_at(until):
                return await self._pool.take()
        except TimeoutError as error:
            raise errors.Unavailable("The database is busy. Try again in a moment.") from error
        except (asyncpg.PostgresError, OSError) as error:
            raise refusal(error) or errors.Unavailable("The database does not let us in.") from error
        except asyncpg.TargetServerAttributeNotMatched as error:
            raise errors.Unavailable("No database server takes changes now. Nothing was changed.") from error
        except (asyncpg.ClientConfigurationError, ValueError) as error:
            raise InvalidSetting(f"{PREFIX}DATABASE_URL cannot be used: {error}.") from error

    async def _connect(self) -> PgConnection:
        connection = await asyncpg.connect(
            self._url,
            timeout=self._wait,
            command_timeout=self._wait + _WORK_SECONDS,
            statement_cache_size=_STATEMENTS,
            max_cached_statement_lifetime=0,
            server_settings={"application_name": "authfactor"},
        )
        return PgConnection(connection)

    async def _back_off(self, turn: int, deadline: float) -> None:
        """Wait a little longer each time, and not as long as the others that met in the same conflict."""
        seconds = min(_BACK_OFF_SECONDS * 2**turn, _MAX_BACK_OFF_SECONDS) * (0.5 + self._jitter())
        if self._loop.time() + seconds > deadline:
            raise errors.Unavailable("The database is busy. Try again in a moment.")
        await asyncio.sleep(seconds)


def _is_refused(error: Exception) -> bool:
    """Whether a commit was answered with a clear no (a conflict, a deferred check) and not with silence."""
    state = str(getattr(error, "sqlstate", None) or "")
    return state[:2] in {"23", "40"} and state != "40003"


def _is_conflict(error: Exception) -> bool:
    """Whether the same unit may well succeed next time: a conflict, or a plan from before a migration."""
    stale = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
    return isinstance(error, stale) or getattr(error, "sqlstate", None) in _CONFLICTS


def _is_clash(error: Exception) -> bool:
    """Whether a unique value was taken between a unit's look and its write: the next look finds it."""
    return isinstance(error, asyncpg.UniqueViolationError)


def _is_loss(error: Exception, session: PgConnection) -> bool:
    """Whether the connection is what failed."""
    if isinstance(error, TimeoutError):
        return False
    state = str(getattr(error, "sqlstate", ""))
    return (
        isinstance(error, OSError | asyncpg.InternalClientError)
        or session.lost
        or state in _LOST
        or state.startswith("08")
    )


def refusal(error: Exception) -> errors.AuthfactorError | None:
    """Say what a person can do about it; None for a fault of ours, which stays what it is."""
    if isinstance(error, asyncpg.CharacterNotInRepertoireError):
        return errors.InvalidRequest(message="Text must not contain the character U+0000.")
    state = str(getattr(error, "sqlstate", None) or "")
    reason = _REASONS.get(state) or _REASONS.get(state[:2])
    if reason is None and isinstance(error, OSError | asyncpg.InternalClientError):
        reason = "The database does not answer. Nothing was changed."
    return None if reason is None else errors.Unavailable(reason)
