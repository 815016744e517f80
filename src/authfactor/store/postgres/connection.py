"""PostgreSQL connections: statement dialect, and one unit in one transaction."""

import asyncio
import contextlib
import functools
import re
from typing import Any, Final, TypeVar, cast

from authfactor import errors
from authfactor.store.db import Row, Step
from authfactor.store.postgres.failures import ERRORS, is_refused
from authfactor.store.protocol import Unit
from authfactor.store.transaction import Tx

T = TypeVar("T")


_CLOSE_SECONDS: Final = 1.0
_PARAMETER: Final = re.compile(r"\$(\d+)")
_INDEXED_BY: Final = re.compile(r"\s+INDEXED BY \w+")
_OUTCOME_UNKNOWN: Final = (
    "The database did not confirm the change: it may or may not have been made. Check before repeating it."
)


@functools.cache
def _dialect(statement: str) -> str:
    """Drop `INDEXED BY`: PostgreSQL chooses its indexes itself."""
    return _INDEXED_BY.sub("", statement)


@functools.cache
def _chain_sql(statements: tuple[tuple[str, int], ...]) -> str:
    """Combine statements, each given with its number of parameters, into one that counts the matches.

    Each becomes a CTE that runs only if the previous one affected a row. All of them see one snapshot, but
    each waits for row locks and rechecks its WHERE clause by itself, exactly as it would alone.
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
    """`Db` over one connection. The driver's records unpack, slice and compare like tuples."""

    __slots__ = ("_execute", "_fetch", "_fetchrow")
    serializes_writes = False

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - the driver ships no types
        """Keep the bound methods, which run several times per request."""
        self._execute = connection.execute
        self._fetch = connection.fetch
        self._fetchrow = connection.fetchrow

    async def one(self, statement: str, *parameters: object) -> Row | None:
        """Return the statement's first row, or None."""
        return cast("Row | None", await self._fetchrow(_dialect(statement), *parameters))

    async def all(self, statement: str, *parameters: object) -> list[Row]:
        """Return all rows of the statement."""
        return cast("list[Row]", await self._fetch(_dialect(statement), *parameters))

    async def run(self, statement: str, *parameters: object) -> int:
        """Execute a write and return the number of affected rows."""
        # Command tags: "UPDATE 1", "INSERT 0 1", "DELETE 1"; statements without a count end in a word.
        count = (await self._execute(_dialect(statement), *parameters)).rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def run_while_matched(self, *steps: Step) -> int:
        """Run statements until one affects no row, in one round trip; return how many affected one."""
        statement = _chain_sql(tuple([(text, len(parameters)) for text, parameters in steps]))
        row = await self._fetchrow(statement, *[value for _, parameters in steps for value in parameters])
        return int(row[0])


class PgConnection:
    """One connection and its `Tx`; not clean while a unit runs, or after one was interrupted."""

    __slots__ = ("_clean", "_connection", "tx")

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - the driver ships no types
        """Take ownership of a new asyncpg connection."""
        self._connection = connection
        self._clean = True
        self.tx = Tx(PostgresDb(connection))

    @property
    def clean(self) -> bool:
        """Whether it is connected and outside a transaction, so that another unit can use it."""
        return self._clean and not self._connection.is_closed()

    @property
    def lost(self) -> bool:
        """Whether the connection is closed."""
        return bool(self._connection.is_closed())

    async def write(self, unit: Unit[T], deadline: float) -> T:
        """Run a unit in a transaction. `deadline` is in seconds of the event loop's clock.

        Raises what the unit raises, driver errors, `TimeoutError`, and `errors.Unavailable` when the outcome
        of the commit is unknown.
        """
        self._clean = committing = False
        self.tx.during_commit = []
        try:
            async with asyncio.timeout_at(deadline):
                # The default isolation: READ COMMITTED on PostgreSQL, where one conditional write decides;
                # stricter defaults elsewhere (CockroachDB, Aurora DSQL) surface as conflicts.
                await self._connection.execute("BEGIN")
                result, refusal = await _run(unit, self.tx)
                committing = True
                for call in self.tx.during_commit:
                    asyncio.get_running_loop().call_soon(call)
                status = await self._connection.execute("COMMIT")
        except Exception as error:
            if committing and not is_refused(error):
                raise errors.Unavailable(_OUTCOME_UNKNOWN) from error
            if not isinstance(error, TimeoutError):
                await self._roll_back(deadline)
            raise
        self._clean = True
        if status != "COMMIT":
            raise errors.Unavailable("The database rolled the change back.")
        if refusal is not None:
            raise refusal
        return cast("T", result)

    async def write_single(self, unit: Unit[T], deadline: float) -> T:
        """Run a unit of one statement, which commits by itself; parameters and errors are as in `write`."""
        self._clean = False
        try:
            async with asyncio.timeout_at(deadline):
                result = await unit(self.tx)
        except Exception as error:
            if isinstance(error, TimeoutError) or self.lost:
                raise errors.Unavailable(_OUTCOME_UNKNOWN) from error
            self._clean = True
            raise
        self._clean = True
        return result

    async def read(self, unit: Unit[T], deadline: float) -> T:
        """Run a read-only unit, without a transaction.

        BEGIN and COMMIT would triple the cost of nearly all reads, which are one statement; the two that use
        several (a page and the cursors it starts from) read rows whose keys never change.
        """
        self._clean = False
        try:
            async with asyncio.timeout_at(deadline):
                result = await unit(self.tx)
        except Exception:
            # The statement has ended and no transaction is open; the store discards lost connections.
            self._clean = True
            raise
        self._clean = True
        return result

    def discard(self) -> None:
        """Mark the connection as not reusable, although it may still respond."""
        self._clean = False

    async def close(self) -> None:
        """Close gracefully, which cancels a running query; after `_CLOSE_SECONDS` drop the connection."""
        with contextlib.suppress(Exception):
            await self._connection.close(timeout=_CLOSE_SECONDS)

    async def _roll_back(self, deadline: float) -> None:
        """Roll back; a connection that fails to do so stays not clean and is replaced."""
        if self.lost:
            return
        with contextlib.suppress(*ERRORS):
            async with asyncio.timeout_at(deadline):
                await self._connection.execute("ROLLBACK")
            self._clean = True


async def _run(unit: Unit[T], tx: Tx) -> tuple[T | None, errors.AuthfactorError | None]:
    """Run a unit; return its result, or the error it raised if its writes are to be committed."""
    try:
        return await unit(tx), None
    except errors.AuthfactorError as error:
        if not error.commits:
            raise
        return None, error
