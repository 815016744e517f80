"""Insert many rows that differ in two columns, in few statements."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authfactor.store.db import Db

# Each number of rows is a statement of its own, so few: the caches of statements keep them.
ROWS_PER_STATEMENT: Final = 50


async def insert_pairs(
    db: "Db", insert: str, shared: Sequence[object], pairs: Sequence[tuple[str, str]]
) -> None:
    """Run `insert`, an INSERT with a SELECT but without its FROM, for all pairs.

    The SELECT takes a pair as `column1` and `column2`, and `shared` as its first parameters.
    """
    first = len(shared) + 1
    for start in range(0, len(pairs), ROWS_PER_STATEMENT):
        batch = pairs[start : start + ROWS_PER_STATEMENT]
        values = ", ".join(f"(${at}, ${at + 1})" for at in range(first, first + 2 * len(batch), 2))
        statement = f"{insert} FROM (VALUES {values}) AS pairs"
        await db.run(statement, *shared, *chain.from_iterable(batch))
