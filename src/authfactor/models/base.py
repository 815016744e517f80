"""The base of all records, pages of records, and the clock and entropy interfaces."""

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

import msgspec

Clock = Callable[[], int]
"""Returns the time in milliseconds since the epoch."""

Entropy = Callable[[int], bytes]
"""Returns that many random bytes."""

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, gc=False):
    """Base of all records; fields are in the order of the columns the store selects."""


class RecordPage(Record, Generic[T], frozen=True, gc=False):
    """One page of a list, and the cursors to the pages before and after it, or None."""

    items: list[T]
    before: str | None
    after: str | None


class PageQuery(Record, frozen=True, gc=False):
    """The requested page. Cursors are ids and exclusive."""

    limit: int = 10
    order: Literal["asc", "desc", "normal"] = "desc"
    before: str | None = None
    after: str | None = None


class IdempotencyClaim(Record, frozen=True, gc=False):
    """A request's idempotency key: scope, hash of its body, and how long its response is stored."""

    environment: int
    key: bytes
    body_hash: bytes
    expires_at: int
