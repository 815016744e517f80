"""SQLite as the source or target of a copy."""

import sqlite3
from pathlib import Path

from authfactor.store.copying.table_schema import EXCLUDED_TABLES, TableSchema
from authfactor.store.db import Row
from authfactor.store.schema import COPY_MARK
from authfactor.store.sqlite.connection import begin_immediate_waiting, connect, to_unavailable


class SqliteEndpoint:
    """`CopyEndpoint` over one file. Its calls block the event loop, which a copy uses for nothing else."""

    def __init__(self, path: Path) -> None:
        """Open a migrated file. Raises `errors.Unavailable`."""
        self._connection = connect(path)

    async def schemas(self) -> dict[str, TableSchema]:
        """Return the schemas of the tables to copy, by name."""
        names = self._all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        found = {}
        for (name,) in sorted(names):
            if name not in EXCLUDED_TABLES:
                # Column 1 is the name, column 5 the position in the primary key (0: not part of it).
                columns = self._all(f"PRAGMA table_info({name})")
                key = sorted((column[5], column[1]) for column in columns if column[5])
                found[name] = TableSchema(
                    name, tuple(sorted(column[1] for column in columns)), tuple(column for _, column in key)
                )
        return found

    async def count(self, table: str) -> int:
        """Count a table's rows."""
        return int(self._all(f"SELECT count(*) FROM {table}")[0][0])

    async def rows(self, schema: TableSchema, after: Row | None, limit: int) -> list[Row]:
        """Read at most `limit` rows in key order, starting after the key `after` if given."""
        return self._all(
            schema.page_statement(after=after is not None).replace("$", "?"), *(after or ()), limit
        )

    async def last_key(self, schema: TableSchema) -> Row | None:
        """Return the greatest key, or None for an empty table."""
        found = self._all(schema.last_key_statement())
        return found[0] if found else None

    async def insert(self, schema: TableSchema, rows: list[Row]) -> None:
        """Insert rows atomically and durably."""
        places = ", ".join("?" * len(schema.columns))
        statement = f"INSERT INTO {schema.table} ({', '.join(schema.columns)}) VALUES ({places})"
        try:
            begin_immediate_waiting(self._connection)
            self._connection.executemany(statement, rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise to_unavailable(error) from error

    async def read_mark(self) -> str | None:
        """Return the mark of an unfinished copy, or None."""
        found = self._all("SELECT holder FROM turns WHERE name = ?1", COPY_MARK)
        return str(found[0][0]) if found else None

    async def set_mark(self, text: str) -> None:
        """Store the mark of a copy that begins."""
        self._all("INSERT INTO turns (name, holder, ends_at) VALUES (?1, ?2, 0)", COPY_MARK, text)

    async def clear_mark(self) -> None:
        """Delete the mark: the copy is complete."""
        self._all("DELETE FROM turns WHERE name = ?1", COPY_MARK)

    async def lock(self) -> None:
        """Take the write lock, which also keeps reads consistent."""
        try:
            begin_immediate_waiting(self._connection)
        except sqlite3.Error as error:
            raise to_unavailable(error) from error

    async def close(self) -> None:
        """Close the connection, which releases the lock."""
        self._connection.close()

    def _all(self, statement: str, *parameters: object) -> list[Row]:
        try:
            return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise to_unavailable(error) from error
