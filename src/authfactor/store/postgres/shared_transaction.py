"""Several units in one transaction: the same statements of different units run as one (decision 0040).

The units run in rounds on the event loop. In each, every unit runs until it needs the database; then the
same statements of different units are executed as one, and each unit gets its own rows. A unit sees what it
would see alone, because a unit that would have to wait for another one of the transaction leaves it.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, NamedTuple, cast

from authfactor import errors
from authfactor.store.db import Row, Step
from authfactor.store.protocol import Single, Unit
from authfactor.store.transaction import Tx

ONE: Final = "one"
ALL: Final = "all"
RUN: Final = "run"
CHAIN: Final = "chain"

Statement = str | tuple[tuple[str, int], ...]


class StatementRequest(NamedTuple):
    """A unit's call of the database: one of the methods of `Db`, its statement and its parameters."""

    method: str
    statement: Statement
    parameters: tuple[object, ...]

    def __await__(self) -> Generator["StatementRequest", Any, Any]:
        """Suspend the unit until the response is there."""
        return (yield self)


class RequestingDb:
    """`Db` that suspends the unit at each statement."""

    __slots__ = ()
    serializes_writes = False

    async def one(self, statement: str, *parameters: object) -> Row | None:
        """Return the statement's first row, or None."""
        return cast("Row | None", await StatementRequest(ONE, statement, parameters))

    async def all(self, statement: str, *parameters: object) -> list[Row]:
        """Return all rows of the statement."""
        return cast("list[Row]", await StatementRequest(ALL, statement, parameters))

    async def run(self, statement: str, *parameters: object) -> int:
        """Execute a write and return the number of affected rows."""
        return cast("int", await StatementRequest(RUN, statement, parameters))

    async def run_while_matched(self, *steps: Step) -> int:
        """Run statements until one affects no row; return how many affected one."""
        texts = tuple([(text, len(parameters)) for text, parameters in steps])
        values = tuple([value for _, parameters in steps for value in parameters])
        return cast("int", await StatementRequest(CHAIN, texts, values))


class UndoneByNeighbor(Exception):
    """The transaction must be rolled back because of one unit; each unit may run again, alone."""


class SharingUnit:
    """A unit in a shared transaction. Once `ended`, it has a result, an error, or must run `alone`.

    `single`: its only statement commits by itself.
    """

    __slots__ = (
        "_coroutine",
        "alone",
        "ended",
        "error",
        "request",
        "response",
        "result",
        "single",
        "tx",
        "wrote",
    )

    def __init__(self, unit: Unit[Any], tx: Tx) -> None:
        """Start with nothing executed; `tx` runs on a `RequestingDb` and is this unit's until it ends."""
        self.single = isinstance(unit, Single)
        self.tx = tx
        tx.during_commit = []
        self._coroutine = cast("Coroutine[StatementRequest, Any, Any]", unit(tx))
        self.response: Any = None
        self.request: StatementRequest | None = None
        self.result: Any = None
        self.error: Exception | None = None
        self.ended = self.alone = self.wrote = False

    def resume(self) -> None:
        """Run until the next request, or the end. Raises `UndoneByNeighbor` if its writes must be undone."""
        try:
            self.request = self._coroutine.send(self.response)
        except StopIteration as stop:
            self.result, self.ended = stop.value, True
        except Exception as error:
            commits = self.single or (isinstance(error, errors.AuthfactorError) and error.commits)
            if self.wrote and not commits:
                raise UndoneByNeighbor from error
            self.error, self.ended = error, True

    def leave(self) -> None:
        """End without an outcome: this unit would have to wait for another one of the transaction."""
        if self.wrote:
            raise UndoneByNeighbor
        self.alone = True
        self.close()

    def close(self) -> None:
        """Stop the unit if it has not ended."""
        self.ended = True
        self._coroutine.close()


Execute = Callable[[str, Statement, list[SharingUnit]], Awaitable[None]]


async def run_together(units: list[SharingUnit], execute: Execute) -> None:
    """Run all units to their end. `execute` responds to the same request of several units.

    Raises `UndoneByNeighbor` and what `execute` raises; then no unit has an outcome that counts.
    """
    running = units
    while running:
        groups: dict[tuple[str, Statement], list[SharingUnit]] = {}
        for unit in running:
            unit.resume()
            if not unit.ended and unit.request is not None:
                groups.setdefault((unit.request.method, unit.request.statement), []).append(unit)
        # In one order, for the locks: units that took different ways need different statements.
        for method, statement in sorted(groups, key=str) if len(groups) > 1 else groups:
            await execute(method, statement, groups[method, statement])
        running = [unit for unit in running if not unit.ended]
