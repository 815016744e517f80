"""What a table needs of a database connection."""

from typing import Any, Protocol

Step = tuple[str, tuple[object, ...]]
"""A statement and its parameters."""


Row = tuple[Any, ...]


class Db(Protocol):
    """One connection inside one transaction. Statements number their parameters: `$1`, `$2` and so on."""

    @property
    def serializes_writes(self) -> bool:
        """Whether units run one after the other, so that what one has read cannot change under it."""

    async def one(self, statement: str, *parameters: object) -> Row | None:
        """Return the first row, or None."""

    async def all(self, statement: str, *parameters: object) -> list[Row]:
        """Return every row."""

    async def run(self, statement: str, *parameters: object) -> int:
        """Return how many rows were written."""

    async def run_while_matched(self, *steps: "Step") -> int:
        """Run statements for as long as each writes a row; return how many did.

        They must be about different tables, and each an UPDATE or DELETE that ends in its WHERE clause: a
        database across a network is told all of them at once.
        """
