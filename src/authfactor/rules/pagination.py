"""Pages with cursors, built from what the store returns."""

from typing import Protocol, TypeVar

from authfactor import errors
from authfactor.models import PageQuery, RecordPage


class Identified(Protocol):
    """A record with an id, which serves as its cursor."""

    @property
    def id(self) -> str:
        """The id, unique within its list."""


T = TypeVar("T", bound=Identified)


def page(items: list[T], query: PageQuery, *, more_before: bool, more_after: bool) -> RecordPage[T]:
    """Return a page with cursors, each only where more items are (contract section 1.3).

    With the order `normal` the cursors are swapped, in the query as in the response.
    """
    first = items[0].id if items and more_before else None
    last = items[-1].id if items and more_after else None
    return RecordPage(items, last, first) if query.order == "normal" else RecordPage(items, first, last)


def unknown_cursor(field: str, cursor: str) -> errors.InvalidRequest:
    """Return the error for a cursor that is not in the list: a client must stop, not start over."""
    return errors.InvalidRequest(
        errors.Item(
            field, f"{field}_invalid", f"{field}: no item '{cursor}' in this list. Use an id from the list."
        )
    )
