"""Frozen records: their base, pages of them, and what every rule takes."""

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

import msgspec

Clock = Callable[[], int]


Entropy = Callable[[int], bytes]


T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, gc=False):
    """Base of all records; fields are in the order in which the store selects them."""


class RecordPage(Record, Generic[T], frozen=True, gc=False):
    """One page of a list and the cursors to its neighbours (None where there are none)."""

    items: list[T]
    before: str | None
    after: str | None


class PageQuery(Record, frozen=True, gc=False):
    """Which page is asked for. Cursors are ids, exclusive."""

    limit: int = 10
    order: Literal["asc", "desc", "normal"] = "desc"
    before: str | None = None
    after: str | None = None


class IdempotencyClaim(Record, frozen=True, gc=False):
    """An idempotency key at work: who and what it covers, for how long its answer is kept."""

    environment: int
    key: bytes
    body_hash: bytes
    expires_at: int
