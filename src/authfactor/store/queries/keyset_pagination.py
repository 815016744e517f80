"""One page of any table whose ids grow with time: keyset pagination by id."""

import functools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authfactor.models import PageQuery
    from authfactor.store.db import Db, Row


class Listing(NamedTuple):
    """The statements of one list: a select up to and including its WHERE, and how its ids are named.

    `select` ends in conditions on the parameters `$1 … $known`; cursor and limit come after them.
    """

    select: str
    parameter_count: int
    id_column: str = "id"

    def statement(self, direction: str, *, cursor: bool) -> str:
        """Write the page's SQL; every piece is a constant of this package."""
        bound = (
            f" AND {self.id_column} {'<' if direction == 'DESC' else '>'} ${self.parameter_count + 1}"
            if cursor
            else ""
        )
        limit = self.parameter_count + (2 if cursor else 1)
        return f"{self.select}{bound} ORDER BY {self.id_column} {direction} LIMIT ${limit}"


_statement = functools.cache(Listing.statement)


class Rows(NamedTuple):
    """Rows of a page in the order asked for, and whether more lie before and after them."""

    rows: "list[Row]"
    more_before: bool
    more_after: bool


class _KeysetQuery(NamedTuple):
    """Which way a page is read, and from where."""

    listed_direction: str
    read_direction: str
    cursor: str | None

    @classmethod
    def of(cls, query: "PageQuery") -> "_KeysetQuery":
        """`normal` lists newest first like `desc`, but its cursors mean the opposite (contract 1.3)."""
        before, after = query.before, query.after
        if query.order == "normal":
            before, after = after, before
        onward = "ASC" if query.order == "asc" else "DESC"
        if after or not before:
            return cls(onward, onward, after)
        return cls(onward, "DESC" if onward == "ASC" else "ASC", before)


async def fetch(db: "Db", listing: Listing, query: "PageQuery", *parameters: object) -> Rows:
    """Read one page; one row more than asked for tells whether there is a further one."""
    keyset = _KeysetQuery.of(query)
    return _page(await _read(db, listing, keyset, query.limit, parameters), keyset, query.limit)


async def fetch_merged(
    db: "Db", listing: Listing, query: "PageQuery", parameter_sets: "Iterable[tuple[object, ...]]"
) -> Rows:
    """Read one page over several sets of parameters, each a walk along an index, merged by id.

    An `IN` would read every match to sort it; this reads at most a page for each.
    """
    keyset = _KeysetQuery.of(query)
    rows = [
        row
        for parameters in parameter_sets
        for row in await _read(db, listing, keyset, query.limit, parameters)
    ]
    rows.sort(key=lambda row: str(row[0]), reverse=keyset.read_direction == "DESC")
    return _page(rows, keyset, query.limit)


async def _read(
    db: "Db", listing: Listing, keyset: _KeysetQuery, limit: int, parameters: tuple[object, ...]
) -> "list[Row]":
    statement = _statement(listing, keyset.read_direction, cursor=keyset.cursor is not None)
    extra = () if keyset.cursor is None else (keyset.cursor,)
    return await db.all(statement, *parameters, *extra, limit + 1)


def _page(rows: "list[Row]", keyset: _KeysetQuery, limit: int) -> Rows:
    more, rows = len(rows) > limit, rows[:limit]
    if keyset.read_direction != keyset.listed_direction:
        return Rows(rows[::-1], more_before=more, more_after=bool(rows))
    return Rows(rows, more_before=bool(rows) and keyset.cursor is not None, more_after=more)
