"""Turning what the store read into a page with cursors."""

from typing import Protocol, TypeVar

from authfactor import errors
from authfactor.models import Page


class Identified(Protocol):
    """Anything that a cursor can name."""

    @property
    def id(self) -> str:
        """The id."""


T = TypeVar("T", bound=Identified)


def page(items: list[T], *, more_before: bool, more_after: bool) -> Page[T]:
    """Name the neighbours: a cursor is there only if more items are (contract section 1.3)."""
    before = items[0].id if items and more_before else None
    after = items[-1].id if items and more_after else None
    return Page(items, before, after)


def unknown_cursor(field: str, cursor: str) -> errors.InvalidRequest:
    """A cursor that names nothing in this list: an iterator must stop, not start again."""
    return errors.InvalidRequest(
        errors.Item(
            field, f"{field}_invalid", f"{field}: no item '{cursor}' in this list. Use an id from the list."
        )
    )
