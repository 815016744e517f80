"""The interface that both databases implement.

A `Unit` is an `async def` that takes a `Tx` and has no effect outside it. `Store.write` runs it atomically
and durably, and may run it again after a serialization conflict. Single use is always enforced by one
conditional write whose row count decides (decision 0003), never by a read followed by a write.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from authfactor.store.transaction import Tx

T = TypeVar("T")

request_began: Final[ContextVar[float | None]] = ContextVar("request_began", default=None)
"""When the current request arrived, in seconds of the event loop's clock: all its store calls share one time
limit. None in background work, which has no client waiting."""

Unit = Callable[[Tx], Awaitable[T]]


class Single(Generic[T]):
    """A unit of exactly one statement, which is a transaction by itself: no BEGIN and COMMIT needed."""

    __slots__ = ("_unit",)

    def __init__(self, unit: Unit[T]) -> None:
        """Wrap `unit`. SQLite runs it like any other unit, because its BEGIN costs no round trip."""
        self._unit = unit

    def __call__(self, tx: Tx) -> Awaitable[T]:
        """Run the wrapped unit."""
        return self._unit(tx)


class Shared(Generic[T]):
    """A unit that may share statements and a commit with others of its kind that wait (decision 0040).

    Its statements must be right when they run for several units at once: what decides is a conditional write
    or a locked row, and no two of its units that go on have locked the same row.
    """

    __slots__ = ("kind", "unit")

    def __init__(self, kind: str, unit: Unit[T]) -> None:
        """Wrap `unit`, which runs as it is when nothing else waits. SQLite runs every unit as it is."""
        self.kind = kind
        self.unit = unit

    def __call__(self, tx: Tx) -> Awaitable[T]:
        """Run the wrapped unit."""
        return self.unit(tx)


class StoreStats(NamedTuple):
    """A store's counters in this process since it was opened, and its current load.

    `batches` counts commits by the number of units in them, in classes of 1, 2-3, 4-7 and so on (PostgreSQL:
    shared commits only); `units` is the sum of those numbers, `failed` counts failed batches, and `queue` the
    units waiting now for the next commit. PostgreSQL: `busy` and `idle` count pooled connections, `waiting`
    the units waiting now for one, and `undone` the shared transactions whose units ran again, each alone.
    """

    batches: tuple[int, ...] = (0,) * 9
    units: int = 0
    failed: int = 0
    queue: int = 0
    busy: int = 0
    idle: int = 0
    waiting: int = 0
    undone: int = 0


class Store(Protocol):
    """An open database."""

    @property
    def reads_never_suspend(self) -> bool:
        """Whether `read` completes without suspending the calling task."""

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit atomically and return its result once it is durable.

        Raises what the unit raises, and `errors.Unavailable` when the database cannot accept the write now.
        When the unit raises, its writes are rolled back, unless the error's `commits` is true.
        """

    async def read(self, unit: Unit[T]) -> T:
        """Run a read-only unit on committed data; it never waits for writers."""

    def on_batch_committed(self, callback: Callable[[], None]) -> None:
        """Register a callback run after a batch's waiters are resolved and before any of them resumes.

        Never called for a unit that is committed separately.
        """

    async def schema_version(self) -> str | None:
        """Return the Alembic revision of the schema, or None for an empty database."""

    async def now(self) -> int | None:
        """Return the database server's clock in milliseconds since the epoch; None for SQLite."""

    def stats(self) -> StoreStats:
        """Return this store's counters and current load."""

    async def close(self) -> None:
        """Finish pending work and close the database."""
