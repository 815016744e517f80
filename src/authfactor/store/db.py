"""The database interface that `tables` and `queries` are written against."""

from typing import Any, Protocol

Step = tuple[str, tuple[object, ...]]
"""A statement and its parameters."""

Row = tuple[Any, ...]


class Db(Protocol):
    """One connection inside one transaction. Statements use numbered parameters: `$1`, `$2`, …."""

    @property
    def serializes_writes(self) -> bool:
        """Whether units run one at a time, so that rows a unit has read cannot change before it commits."""

    async def one(self, statement: str, *parameters: object) -> Row | None:
        """Return the statement's first row, or None."""

    async def all(self, statement: str, *parameters: object) -> list[Row]:
        """Return all rows of the statement."""

    async def run(self, statement: str, *parameters: object) -> int:
        """Execute a write and return the number of affected rows."""

    async def run_while_matched(self, *steps: "Step") -> int:
        """Run statements in order until one affects no row; return how many affected one.

        Each must be an UPDATE or DELETE that ends in its WHERE clause, and each on a different table:
        PostgreSQL receives all of them as a single statement, in one round trip.
        """
