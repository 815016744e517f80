"""A table's columns and primary key, and the interface of the two ends of a copy."""

from typing import Final, NamedTuple, Protocol

from authfactor.store.db import Row

# Leases and the schema revision belong to the database, not to the installation.
EXCLUDED_TABLES: Final = frozenset({"alembic_version", "turns"})


class TableSchema(NamedTuple):
    """One table: its columns in alphabetical order, and those of its key in the key's order."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def key_of(self, row: Row) -> Row:
        """Return the primary key of a row."""
        return tuple(row[self.columns.index(name)] for name in self.key)

    def page_statement(self, *, after: bool) -> str:
        """Return the SELECT of one page in key order; parameters: the key to start after, and the limit."""
        key = ", ".join(self.key)
        numbers = [f"${number}" for number in range(1, len(self.key) + 1)]
        where = f" WHERE ({key}) > ({', '.join(numbers)})" if after else ""
        last = len(self.key) + 1 if after else 1
        return f"SELECT {', '.join(self.columns)} FROM {self.table}{where} ORDER BY {key} LIMIT ${last}"

    def last_key_statement(self) -> str:
        """Return the SELECT of the greatest key."""
        order = ", ".join(f"{name} DESC" for name in self.key)
        return f"SELECT {', '.join(self.key)} FROM {self.table} ORDER BY {order} LIMIT 1"


class CopyEndpoint(Protocol):
    """The source or the target of a copy. Every method raises `errors.Unavailable`."""

    async def schemas(self) -> dict[str, TableSchema]:
        """Return the schemas of the tables to copy, by name."""

    async def count(self, table: str) -> int:
        """Count a table's rows."""

    async def rows(self, schema: TableSchema, after: Row | None, limit: int) -> list[Row]:
        """Read at most `limit` rows in key order, starting after the key `after` if given."""

    async def last_key(self, schema: TableSchema) -> Row | None:
        """Return the greatest key, or None for an empty table."""

    async def insert(self, schema: TableSchema, rows: list[Row]) -> None:
        """Insert rows atomically and durably."""

    async def read_mark(self) -> str | None:
        """Return the mark of an unfinished copy, or None."""

    async def set_mark(self, text: str) -> None:
        """Store the mark of a copy that begins."""

    async def clear_mark(self) -> None:
        """Delete the mark: the copy is complete."""

    async def lock(self) -> None:
        """Block writers and fix the snapshot that is read, until `close`."""

    async def close(self) -> None:
        """Close the connection, which releases the locks."""
