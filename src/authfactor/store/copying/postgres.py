"""PostgreSQL as one side of a copy."""

from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import asyncpg

from authfactor import errors
from authfactor.store.copying.table_schema import MARK, OWN, TableSchema
from authfactor.store.db import Row
from authfactor.store.postgres.failures import refusal

T = TypeVar("T")
CONNECT_SECONDS: Final = 10
LOCK_SECONDS: Final = 5

COLUMNS: Final = """
SELECT c.relname, a.attname, array_position(i.indkey::int2[], a.attnum)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p')
"""


class PostgresEndpoint:
    """`Side` over one connection."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - the driver ships no types
        """Take over a connection; `connect` makes one."""
        self._connection = connection

    @classmethod
    async def connect(cls, url: str) -> "PostgresEndpoint":
        """Connect. Raises `errors.Unavailable`."""
        return cls(await _told(asyncpg.connect(url, timeout=CONNECT_SECONDS)))

    async def shapes(self) -> dict[str, TableSchema]:
        """Describe every table that a copy is about."""
        columns: dict[str, list[tuple[str, int | None]]] = {}
        for table, column, place in await _told(self._connection.fetch(COLUMNS)):
            columns.setdefault(table, []).append((column, place))
        return {
            table: TableSchema(
                table,
                tuple(sorted(name for name, _ in found)),
                tuple(
                    name for _, name in sorted((place, name) for name, place in found if place is not None)
                ),
            )
            for table, found in sorted(columns.items())
            if table not in OWN
        }

    async def count(self, table: str) -> int:
        """Count the rows."""
        return int(await _told(self._connection.fetchval(f"SELECT count(*) FROM {table}")))

    async def rows(self, shape: TableSchema, after: Row | None, most: int) -> list[Row]:
        """Read rows in key order, those after a key if one is given."""
        statement = shape.select(after=after is not None)
        return [tuple(row) for row in await _told(self._connection.fetch(statement, *(after or ()), most))]

    async def last_key(self, shape: TableSchema) -> Row | None:
        """Read the greatest key, or None of an empty table."""
        found = await _told(self._connection.fetchrow(shape.last()))
        return None if found is None else tuple(found)

    async def insert(self, shape: TableSchema, rows: list[Row]) -> None:
        """Add rows, all or none, durably."""
        await _told(self._connection.copy_records_to_table(shape.table, records=rows, columns=shape.columns))

    async def mark(self) -> str | None:
        """Say what is being copied into this database."""
        found = await _told(self._connection.fetchval("SELECT holder FROM turns WHERE name = $1", MARK))
        return None if found is None else str(found)

    async def set_mark(self, text: str) -> None:
        """Write that down."""
        statement = "INSERT INTO turns (name, holder, ends_at) VALUES ($1, $2, 0)"
        await _told(self._connection.execute(statement, MARK, text))

    async def unmark(self) -> None:
        """The copy is whole."""
        await _told(self._connection.execute("DELETE FROM turns WHERE name = $1", MARK))

    async def hold(self) -> None:
        """Lock every table against writers; a transaction sees one state of all of them."""
        tables = ", ".join(await self.shapes())
        await _told(self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ"))
        await _told(self._connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0"))
        await _told(self._connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        await _told(self._connection.execute(f"LOCK TABLE {tables} IN SHARE MODE"))

    async def close(self) -> None:
        """Let go."""
        await self._connection.close()


async def _told(work: Awaitable[T]) -> T:
    """Say what a person can do about an error of the database or the network."""
    try:
        return await work
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise refusal(error) or errors.Unavailable(f"The database refuses: {error}.") from error
