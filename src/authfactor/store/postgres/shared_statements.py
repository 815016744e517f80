"""Executes the same statement of several units as one, on one connection (decision 0040)."""

from typing import Any

from authfactor.store.postgres.array_statements import (
    ArrayStatement,
    ResultKind,
    chain_text,
    derive,
    derive_chain,
    dialect,
)
from authfactor.store.postgres.shared_transaction import (
    ALL,
    CHAIN,
    ONE,
    RUN,
    SharingUnit,
    Statement,
)

ArrayStatements = dict[Statement, ArrayStatement | None]
"""The derived statements of a database, by the statement of one unit."""


class SharedStatements:
    """The statements of one shared transaction."""

    __slots__ = ("_connection", "_derived", "_locked", "committed")

    def __init__(self, connection: Any, derived: ArrayStatements) -> None:  # noqa: ANN401 - the driver ships no types
        """Execute on `connection`; `derived` is filled with array statements."""
        self._connection = connection
        self._derived = derived
        self._locked: set[tuple[Statement, tuple[object, ...]]] = set()
        self.committed = False

    async def execute(self, method: str, statement: Statement, units: list[SharingUnit]) -> None:
        """Give each unit the response to its request, or let it leave the transaction.

        Raises `UndoneByNeighbor` when one that would have to leave has written, and the driver's errors.
        """
        derived = self._derived
        array = derived[statement] if statement in derived else await self._derive(statement)
        if array is not None and array.locks:
            units = self._without_second_locks(statement, units)
        # Rows are locked in the order of their keys, which every process keeps.
        units.sort(key=_key)
        if array is None or len(units) == 1:
            for unit in units:
                await self._execute_one(method, statement, unit)
        else:
            rows = await self._connection.fetch(array.text, *_columns(units))
            if array.result is ResultKind.ROWS:
                _give_rows(method, units, rows, writes=array.writes)
            elif array.result is ResultKind.COUNTS:
                _give_counts(units, rows)
            else:
                _give_inserted(units, rows)

    async def execute_once(self, method: str, statement: Statement, units: list[SharingUnit]) -> None:
        """Do the same outside a transaction, once: a statement for all units, or for one, is atomic.

        Any other unit leaves.
        """
        derived = self._derived
        array = derived[statement] if statement in derived else await self._derive(statement)
        if self.committed or (array is None and len(units) > 1):
            for unit in units:
                unit.leave()
            return
        await self.execute(method, statement, units)
        self.committed = True

    async def _execute_one(self, method: str, statement: Statement, unit: SharingUnit) -> None:
        text = dialect(statement) if isinstance(statement, str) else chain_text(statement)
        parameters = _parameters(unit)
        if method == ALL:
            unit.response = await self._connection.fetch(text, *parameters)
        elif method == RUN:
            count = (await self._connection.execute(text, *parameters)).rpartition(" ")[2]
            unit.response = int(count) if count.isdigit() else 0
        else:
            unit.response = await self._connection.fetchrow(text, *parameters)
            if method == CHAIN:
                unit.response = int(unit.response[0])
        unit.wrote |= bool(unit.response) and not text.lstrip().startswith("SELECT")

    def _without_second_locks(self, statement: Statement, units: list[SharingUnit]) -> list[SharingUnit]:
        """Let every unit leave whose row another unit of this transaction has locked."""
        first = []
        for unit in units:
            row = statement, _parameters(unit)
            if row in self._locked:
                unit.leave()
            else:
                self._locked.add(row)
                first.append(unit)
        return first

    async def _derive(self, statement: Statement) -> ArrayStatement | None:
        """Derive an array statement; the database says which types the parameters have."""
        text = dialect(statement) if isinstance(statement, str) else chain_text(statement)
        prepared = await self._connection.prepare(text)
        types = tuple(parameter.name for parameter in prepared.get_parameters())
        array = derive(statement, types) if isinstance(statement, str) else derive_chain(statement, types)
        self._derived[statement] = array
        return array


def _columns(units: list[SharingUnit]) -> list[list[Any]]:
    """Return the units' parameters as one array for each parameter."""
    return [list(column) for column in zip(*[_parameters(unit) for unit in units], strict=True)]


def _give_counts(units: list[SharingUnit], rows: list[Any]) -> None:
    """Return to each unit the number of affected rows, or of statements of a chain that affected one."""
    for unit in units:
        unit.response = 0
    for row in rows:
        unit = units[row[0] - 1]
        unit.response += row[1]
        unit.wrote = True


def _give_inserted(units: list[SharingUnit], rows: list[Any]) -> None:
    """Return 1 to the units whose row was inserted; of several with the same key, to one; else 0."""
    inserted = {tuple(row) for row in rows}
    for unit in units:
        key = _key(unit)
        unit.response = int(key in inserted)
        unit.wrote |= key in inserted
        inserted.discard(key)


def _give_rows(method: str, units: list[SharingUnit], rows: list[Any], *, writes: bool) -> None:
    for unit in units:
        unit.response = None if method == ONE else []
    for row in rows:
        at = row[0]
        if at < 0:
            units[-at - 1].leave()
            continue
        unit = units[at - 1]
        if method == ONE:
            unit.response = row[1:]
        else:
            unit.response.append(row[1:])
        unit.wrote |= writes


def _parameters(unit: SharingUnit) -> tuple[Any, ...]:
    return () if unit.request is None else unit.request.parameters


def _key(unit: SharingUnit) -> tuple[Any, ...]:
    """Return the environment and the id, the first two parameters of every statement."""
    return _parameters(unit)[:2]
