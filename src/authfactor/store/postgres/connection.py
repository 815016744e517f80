"""PostgreSQL connections: statement dialect, and one unit in one transaction."""

import asyncio
import contextlib
from typing import Any, Final, TypeVar, cast

from authfactor import errors
from authfactor.store.db import Row, Step
from authfactor.store.postgres.array_statements import chain_text, dialect
from authfactor.store.postgres.failures import ERRORS, is_refused
from authfactor.store.postgres.shared_statements import ArrayStatements, SharedStatements
from authfactor.store.postgres.shared_transaction import SharingUnit, UndoneByNeighbor, run_together
from authfactor.store.protocol import Unit
from authfactor.store.transaction import Tx

T = TypeVar("T")

_CLOSE_SECONDS: Final = 1.0
# Several units do not wait for a row that another transaction has locked: each goes on alone.
_BEGIN_SHARED: Final = "BEGIN; SET LOCAL lock_timeout = 100"
_OUTCOME_UNKNOWN: Final = (
    "The database did not confirm the change: it may or may not have been made. Check before repeating it."
)


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
        return cast("Row | None", await self._fetchrow(dialect(statement), *parameters))

    async def all(self, statement: str, *parameters: object) -> list[Row]:
        """Return all rows of the statement."""
        return cast("list[Row]", await self._fetch(dialect(statement), *parameters))

    async def run(self, statement: str, *parameters: object) -> int:
        """Execute a write and return the number of affected rows."""
        # Command tags: "UPDATE 1", "INSERT 0 1", "DELETE 1"; statements without a count end in a word.
        count = (await self._execute(dialect(statement), *parameters)).rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def run_while_matched(self, *steps: Step) -> int:
        """Run statements until one affects no row, in one round trip; return how many affected one."""
        statement = chain_text(tuple([(text, len(parameters)) for text, parameters in steps]))
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

    async def write_together(
        self, units: list[SharingUnit], derived: ArrayStatements, deadline: float
    ) -> None:
        """Run several units in one transaction; then each has its outcome. `derived`: the array statements.

        Raises `UndoneByNeighbor` when nothing was committed and each may run alone, `TimeoutError`, and
        `errors.Unavailable` when the outcome of the commit is unknown.
        """
        together = (
            self._write_singles_together if all(unit.single for unit in units) else self._share_transaction
        )
        try:
            await together(units, derived, deadline)
        finally:
            for unit in units:
                # Not even started, if the transaction could not begin.
                unit.close()

    async def _share_transaction(
        self, units: list[SharingUnit], derived: ArrayStatements, deadline: float
    ) -> None:
        self._clean = committing = False
        try:
            async with asyncio.timeout_at(deadline):
                await self._connection.execute(_BEGIN_SHARED)
                await run_together(units, SharedStatements(self._connection, derived).execute)
                committing = True
                for unit in units:
                    for call in unit.tx.during_commit:
                        asyncio.get_running_loop().call_soon(call)
                status = await self._connection.execute("COMMIT")
        except Exception as error:
            if committing and not is_refused(error):
                raise errors.Unavailable(_OUTCOME_UNKNOWN) from error
            if isinstance(error, TimeoutError):
                raise
            await self._roll_back(deadline)
            raise UndoneByNeighbor from error
        self._clean = True
        if status != "COMMIT":
            raise UndoneByNeighbor

    async def _write_singles_together(
        self, units: list[SharingUnit], derived: ArrayStatements, deadline: float
    ) -> None:
        """Run units of one statement each; the statement that they share commits by itself."""
        self._clean = False
        shared = SharedStatements(self._connection, derived)
        try:
            async with asyncio.timeout_at(deadline):
                await run_together(units, shared.execute_once)
        except Exception as error:
            if isinstance(error, TimeoutError) or self.lost or shared.committed:
                raise errors.Unavailable(_OUTCOME_UNKNOWN) from error
            self._clean = True
            raise UndoneByNeighbor from error
        self._clean = True

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
