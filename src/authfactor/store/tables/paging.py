"""One page of any table whose ids grow with time: keyset pagination by id."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from authfactor.models import PageQuery
    from authfactor.store.base import Db, Row


class Listing(NamedTuple):
    """The statements of one list: a select up to and including its WHERE, and how its ids are named.

    `select` ends in conditions on the parameters `$1 … $known`; cursor and limit come after them.
    """

    select: str
    known: int
    id_column: str = "id"

    def statement(self, direction: str, *, cursor: bool) -> str:
        """Write the page's SQL; every piece is a constant of this package."""
        bound = (
            f" AND {self.id_column} {'<' if direction == 'DESC' else '>'} ${self.known + 1}" if cursor else ""
        )
        limit = self.known + (2 if cursor else 1)
        return f"{self.select}{bound} ORDER BY {self.id_column} {direction} LIMIT ${limit}"


class Rows(NamedTuple):
    """Rows of a page in the order asked for, and whether more lie before and after them."""

    rows: "list[Row]"
    more_before: bool
    more_after: bool


async def fetch(db: "Db", listing: Listing, query: "PageQuery", *parameters: object) -> Rows:
    """Read one page.

    `normal` lists newest first like `desc`, but its cursors mean the opposite (contract section 1.3).
    One row more than asked for is read, to know whether there is a further page.
    """
    before, after = query.before, query.after
    if query.order == "normal":
        before, after = after, before
    onward = "ASC" if query.order == "asc" else "DESC"
    backward = "DESC" if onward == "ASC" else "ASC"
    direction, cursor = (onward, after) if after or not before else (backward, before)
    extra = (cursor,) if cursor else ()
    statement = listing.statement(direction, cursor=cursor is not None)
    rows = await db.all(statement, *parameters, *extra, query.limit + 1)
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    if direction != onward:
        return Rows(rows[::-1], more_before=more, more_after=bool(rows))
    return Rows(rows, more_before=bool(rows) and cursor is not None, more_after=more)
