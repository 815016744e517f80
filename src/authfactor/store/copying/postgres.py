"""PostgreSQL as the source or target of a copy."""

from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import asyncpg

from authfactor import errors
from authfactor.store.copying.table_schema import EXCLUDED_TABLES, TableSchema
from authfactor.store.db import Row
from authfactor.store.postgres.failures import to_authfactor_error
from authfactor.store.schema import COPY_MARK

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
    """`CopyEndpoint` over one connection."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - the driver ships no types
        """Take ownership of an asyncpg connection; `connect` opens one."""
        self._connection = connection

    @classmethod
    async def connect(cls, url: str) -> "PostgresEndpoint":
        """Connect to a database URL. Raises `errors.Unavailable`."""
        return cls(await _translate_errors(asyncpg.connect(url, timeout=CONNECT_SECONDS)))

    async def schemas(self) -> dict[str, TableSchema]:
        """Return the schemas of the tables to copy, by name."""
        columns: dict[str, list[tuple[str, int | None]]] = {}
        for table, column, place in await _translate_errors(self._connection.fetch(COLUMNS)):
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
            if table not in EXCLUDED_TABLES
        }

    async def count(self, table: str) -> int:
        """Count a table's rows."""
        return int(await _translate_errors(self._connection.fetchval(f"SELECT count(*) FROM {table}")))

    async def rows(self, schema: TableSchema, after: Row | None, limit: int) -> list[Row]:
        """Read at most `limit` rows in key order, starting after the key `after` if given."""
        statement = schema.page_statement(after=after is not None)
        return [
            tuple(row)
            for row in await _translate_errors(self._connection.fetch(statement, *(after or ()), limit))
        ]

    async def last_key(self, schema: TableSchema) -> Row | None:
        """Return the greatest key, or None for an empty table."""
        found = await _translate_errors(self._connection.fetchrow(schema.last_key_statement()))
        return None if found is None else tuple(found)

    async def insert(self, schema: TableSchema, rows: list[Row]) -> None:
        """Insert rows atomically and durably."""
        await _translate_errors(
            self._connection.copy_records_to_table(schema.table, records=rows, columns=schema.columns)
        )

    async def read_mark(self) -> str | None:
        """Return the mark of an unfinished copy, or None."""
        found = await _translate_errors(
            self._connection.fetchval("SELECT holder FROM turns WHERE name = $1", COPY_MARK)
        )
        return None if found is None else str(found)

    async def set_mark(self, text: str) -> None:
        """Store the mark of a copy that begins."""
        statement = "INSERT INTO turns (name, holder, ends_at) VALUES ($1, $2, 0)"
        await _translate_errors(self._connection.execute(statement, COPY_MARK, text))

    async def clear_mark(self) -> None:
        """Delete the mark: the copy is complete."""
        await _translate_errors(self._connection.execute("DELETE FROM turns WHERE name = $1", COPY_MARK))

    async def lock(self) -> None:
        """Lock all tables against writes, in a transaction that reads one snapshot of them."""
        tables = ", ".join(await self.schemas())
        await _translate_errors(self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ"))
        await _translate_errors(self._connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0"))
        await _translate_errors(self._connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        await _translate_errors(self._connection.execute(f"LOCK TABLE {tables} IN SHARE MODE"))

    async def close(self) -> None:
        """Close the connection, which releases the locks."""
        await self._connection.close()


async def _translate_errors(work: Awaitable[T]) -> T:
    """Await `work`. Raises `errors.Unavailable` for an error of the database or the network."""
    try:
        return await work
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise to_authfactor_error(error) or errors.Unavailable(f"The database failed: {error}.") from error
