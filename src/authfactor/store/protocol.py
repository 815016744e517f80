"""What every database behind authfactor must do.

A `Unit` is an `async def` that takes a `Tx` and has no effect outside it. `Store.write` runs it as one
atomic, durable step; it may run again after a serialization conflict. Single use is always one
conditional write whose row count decides (decision 0003), never a read followed by a write.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from authfactor.store.transaction import Tx

T = TypeVar("T")


# When the request that this task answers came in, by the loop's clock: the calls of one request share one
# time limit. Not set where nobody waits for an answer.
request_began: Final[ContextVar[float | None]] = ContextVar("request_began", default=None)


Unit = Callable[[Tx], Awaitable[T]]


class Single(Generic[T]):
    """A unit that is one statement, a transaction by itself: it needs no BEGIN and COMMIT around it."""

    __slots__ = ("_unit",)

    def __init__(self, unit: Unit[T]) -> None:
        """Take the unit; `Store.write` treats it as any other where transactions cost nothing."""
        self._unit = unit

    def __call__(self, tx: Tx) -> Awaitable[T]:
        """Run it."""
        return self._unit(tx)


class StoreStats(NamedTuple):
    """What a store tells about its own work, in this process, since it was opened.

    `batches` counts commits by the bit length of the number of units in them: 1, 2-3, 4-7 and so on; `units`
    is their sum. `queue` and `waiting` are units that wait now, for the next commit and for a session.
    """

    batches: tuple[int, ...] = (0,) * 9
    units: int = 0
    failed: int = 0
    queue: int = 0
    busy: int = 0
    idle: int = 0
    waiting: int = 0


class Store(Protocol):
    """An open database."""

    @property
    def reads_never_suspend(self) -> bool:
        """Whether `read` never suspends."""

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit atomically and return once it is durable.

        Raises what the unit raises, and `errors.Unavailable` when the database cannot take the write now.
        When the unit raises, nothing it wrote is kept, unless the error says that it `commits`.
        """

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads, on what is committed; it never waits for writers."""

    def on_batch_committed(self, callback: Callable[[], None]) -> None:
        """Have `call` made when all whose units share a commit have been told, before any of them goes on.

        Never made by a database where every unit has a commit to itself.
        """

    async def schema_version(self) -> str | None:
        """Return the schema's revision, or None for an empty database."""

    async def now(self) -> int | None:
        """Return the database's own clock, in milliseconds of the epoch; None when it has none but ours."""

    def stats(self) -> StoreStats:
        """Return what this store tells about its work."""

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""
