"""Keyset pagination by id, for tables whose ids grow with time."""

import functools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authfactor.models import PageQuery
    from authfactor.store.db import Db, Row


class Listing(NamedTuple):
    """The SELECT of a list, up to and including its WHERE clause, and the name of its id column.

    `select` uses the parameters `$1` to `$parameter_count`; the cursor and the limit are numbered after them.
    """

    select: str
    parameter_count: int
    id_column: str = "id"

    def statement(self, direction: str, *, cursor: bool) -> str:
        """Return the SQL of one page; every part of it is a constant of this package."""
        bound = (
            f" AND {self.id_column} {'<' if direction == 'DESC' else '>'} ${self.parameter_count + 1}"
            if cursor
            else ""
        )
        limit = self.parameter_count + (2 if cursor else 1)
        return f"{self.select}{bound} ORDER BY {self.id_column} {direction} LIMIT ${limit}"


_statement = functools.cache(Listing.statement)


class Rows(NamedTuple):
    """The rows of a page in the requested order, and whether there are more before and after them."""

    rows: "list[Row]"
    more_before: bool
    more_after: bool


class _KeysetQuery(NamedTuple):
    """The order of the list, the direction in which this page is read, and the cursor it starts from."""

    listed_direction: str
    read_direction: str
    cursor: str | None

    @classmethod
    def of(cls, query: "PageQuery") -> "_KeysetQuery":
        """Read a page query. `normal` lists newest first like `desc`, with cursors swapped (contract 1.3)."""
        before, after = query.before, query.after
        if query.order == "normal":
            before, after = after, before
        onward = "ASC" if query.order == "asc" else "DESC"
        if after or not before:
            return cls(onward, onward, after)
        return cls(onward, "DESC" if onward == "ASC" else "ASC", before)


async def fetch(db: "Db", listing: Listing, query: "PageQuery", *parameters: object) -> Rows:
    """Return one page of a list; reads one extra row to find out whether there is a next page."""
    keyset = _KeysetQuery.of(query)
    return _page(await _read(db, listing, keyset, query.limit, parameters), keyset, query.limit)


async def fetch_merged(
    db: "Db", listing: Listing, query: "PageQuery", parameter_sets: "Iterable[tuple[object, ...]]"
) -> Rows:
    """Return one page merged by id from several parameter sets, each read as one index range.

    A single statement with `IN` would read and sort every match; this reads at most one page per set.
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
