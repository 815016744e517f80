"""Turning what the store read into a page with cursors."""

from typing import Protocol, TypeVar

from authfactor import errors
from authfactor.models import PageQuery, RecordPage


class Identified(Protocol):
    """Anything that a cursor can name."""

    @property
    def id(self) -> str:
        """The id."""


T = TypeVar("T", bound=Identified)


def page(items: list[T], query: PageQuery, *, more_before: bool, more_after: bool) -> RecordPage[T]:
    """Name the neighbours: a cursor is there only if more items are (contract section 1.3).

    With the order `normal` the cursors mean the opposite, in the question as in the answer.
    """
    first = items[0].id if items and more_before else None
    last = items[-1].id if items and more_after else None
    return RecordPage(items, last, first) if query.order == "normal" else RecordPage(items, first, last)


def unknown_cursor(field: str, cursor: str) -> errors.InvalidRequest:
    """A cursor that names nothing in this list: an iterator must stop, not start again."""
    return errors.InvalidRequest(
        errors.Item(
            field, f"{field}_invalid", f"{field}: no item '{cursor}' in this list. Use an id from the list."
        )
    )
