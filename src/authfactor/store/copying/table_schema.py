"""What a database looks like to a copy: tables with the columns of their rows and keys."""

from typing import Final, NamedTuple, Protocol

from authfactor.store.db import Row

COPY_MARK: Final = "copy"
# Whose turn it is, and which schema: of the database itself, not of the installation.
EXCLUDED_TABLES: Final = frozenset({"alembic_version", "turns"})


class TableSchema(NamedTuple):
    """One table: its columns in alphabetical order, and those of its key in the key's order."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def key_of(self, row: Row) -> Row:
        """Pick the key out of a row."""
        return tuple(row[self.columns.index(name)] for name in self.key)

    def page_statement(self, *, after: bool) -> str:
        """Write the statement that reads rows in key order; parameters: the key to go on after, how many."""
        key = ", ".join(self.key)
        numbers = [f"${number}" for number in range(1, len(self.key) + 1)]
        where = f" WHERE ({key}) > ({', '.join(numbers)})" if after else ""
        last = len(self.key) + 1 if after else 1
        return f"SELECT {', '.join(self.columns)} FROM {self.table}{where} ORDER BY {key} LIMIT ${last}"

    def last_key_statement(self) -> str:
        """Write the statement that reads the greatest key."""
        order = ", ".join(f"{name} DESC" for name in self.key)
        return f"SELECT {', '.join(self.key)} FROM {self.table} ORDER BY {order} LIMIT 1"


class CopyEndpoint(Protocol):
    """One of the two databases."""

    async def schemas(self) -> dict[str, TableSchema]:
        """Describe every table that a copy is about."""

    async def count(self, table: str) -> int:
        """Count the rows."""

    async def rows(self, schema: TableSchema, after: Row | None, limit: int) -> list[Row]:
        """Read rows in key order, those after a key if one is given."""

    async def last_key(self, schema: TableSchema) -> Row | None:
        """Read the greatest key, or None of an empty table."""

    async def insert(self, schema: TableSchema, rows: list[Row]) -> None:
        """Add rows, all or none, durably."""

    async def read_mark(self) -> str | None:
        """Say what is being copied into this database."""

    async def set_mark(self, text: str) -> None:
        """Write that down."""

    async def clear_mark(self) -> None:
        """The copy is whole."""

    async def lock(self) -> None:
        """Keep everybody from changing what is read, and see it as it is now, until the end."""

    async def close(self) -> None:
        """Let go."""
