"""What every database behind authfactor must do.

A `Unit` is an `async def` that takes a `Tx` and has no effect outside it. `Store.write` runs it as one
atomic, durable step; it may run again after a serialization conflict. Single use is always one
conditional write whose row count decides (decision 0003), never a read followed by a write.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar

from authfactor.store.queries.attempts import Spending
from authfactor.store.queries.diagnostics import Diagnosis
from authfactor.store.queries.retention import Expired
from authfactor.store.queries.sealed_values import SealedValues, VaultKeys
from authfactor.store.tables.api_keys import ApiKeys
from authfactor.store.tables.audit import Audit
from authfactor.store.tables.branding import Brandings
from authfactor.store.tables.challenges import Challenges
from authfactor.store.tables.environments import Environments
from authfactor.store.tables.events import Events
from authfactor.store.tables.factors import Factors
from authfactor.store.tables.failures import Failures
from authfactor.store.tables.idempotency import Idempotency
from authfactor.store.tables.links import Links
from authfactor.store.tables.operators import Operators, OperatorSessions
from authfactor.store.tables.sessions import PendingSignIns, Sessions
from authfactor.store.tables.signing_keys import SigningKeys
from authfactor.store.tables.throttles import Throttles
from authfactor.store.tables.users import Users
from authfactor.store.tables.webhooks import Deliveries, WebhookEndpoints

if TYPE_CHECKING:
    from authfactor.store.queries.after_restore import Restored
    from authfactor.store.queries.event_ranges import EventRanges

T = TypeVar("T")
Step = tuple[str, tuple[object, ...]]
"""A statement and its parameters."""
Row = tuple[Any, ...]

# When the request that this task answers came in, by the loop's clock: the calls of one request share one
# time limit. Not set where nobody waits for an answer.
request_began: Final[ContextVar[float | None]] = ContextVar("request_began", default=None)


class Db(Protocol):
    """One connection inside one transaction. Statements number their parameters: `$1`, `$2` and so on."""

    @property
    def one_at_a_time(self) -> bool:
        """Whether units run one after the other, so that what one has read cannot change under it."""

    async def one(self, statement: str, *parameters: object) -> Row | None:
        """Return the first row, or None."""

    async def all(self, statement: str, *parameters: object) -> list[Row]:
        """Return every row."""

    async def run(self, statement: str, *parameters: object) -> int:
        """Return how many rows were written."""

    async def chain(self, *steps: "Step") -> int:
        """Run statements for as long as each writes a row; return how many did.

        They must be about different tables, and each an UPDATE or DELETE that ends in its WHERE clause: a
        database across a network is told all of them at once.
        """


class Tx:
    """The tables, within one transaction."""

    __slots__ = (
        "api_keys",
        "audit",
        "brandings",
        "challenges",
        "db",
        "deliveries",
        "diagnosis",
        "environments",
        "events",
        "expired",
        "factors",
        "failures",
        "idempotency",
        "links",
        "meanwhile",
        "operator_sessions",
        "operators",
        "pending_sign_ins",
        "sealed_values",
        "sessions",
        "signing_keys",
        "spending",
        "throttles",
        "users",
        "vault_keys",
        "webhook_endpoints",
    )

    def __init__(self, db: Db) -> None:
        """Build once per connection, use for every transaction on it."""
        self.db = db
        # What units want done while their commit is under way, when there is time for it. It may never be
        # called, or be called though nothing was committed: it must change nothing.
        self.meanwhile: list[Callable[[], object]] = []
        self.diagnosis = Diagnosis(db)
        self.environments = Environments(db)
        self.api_keys = ApiKeys(db)
        self.users = Users(db)
        self.factors = Factors(db)
        self.challenges = Challenges(db)
        self.failures = Failures(db)
        self.idempotency = Idempotency(db)
        self.pending_sign_ins = PendingSignIns(db)
        self.sessions = Sessions(db)
        self.signing_keys = SigningKeys(db)
        self.spending = Spending(db)
        self.events = Events(db)
        self.throttles = Throttles(db)
        self.expired = Expired(db)
        self.links = Links(db)
        self.brandings = Brandings(db)
        self.webhook_endpoints = WebhookEndpoints(db)
        self.deliveries = Deliveries(db)
        self.audit = Audit(db)
        self.operators = Operators(db)
        self.operator_sessions = OperatorSessions(db)
        self.sealed_values = SealedValues(db)
        self.vault_keys = VaultKeys(db)

    @property
    def restored(self) -> "Restored":
        """Calls after a restore."""
        from authfactor.store.queries.after_restore import Restored  # noqa: PLC0415 - for one command

        return Restored(self.db)

    @property
    def event_ranges(self) -> "EventRanges":
        """Calls that seal events and check them."""
        from authfactor.store.queries.event_ranges import EventRanges  # noqa: PLC0415 - in the background

        return EventRanges(self.db)


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


class Figures(NamedTuple):
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
    def reads_at_once(self) -> bool:
        """Whether `read` never suspends."""

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit atomically and return once it is durable.

        Raises what the unit raises (then nothing of it is kept) and `errors.Unavailable` when the
        database cannot take the write now.
        """

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads, on what is committed; it never waits for writers."""

    def when_told(self, call: Callable[[], None]) -> None:
        """Have `call` made when all whose units share a commit have been told, before any of them goes on.

        Never made by a database where every unit has a commit to itself.
        """

    async def schema_version(self) -> str | None:
        """Return the schema's revision, or None for an empty database."""

    async def now(self) -> int | None:
        """Return the database's own clock, in milliseconds of the epoch; None when it has none but ours."""

    def figures(self) -> Figures:
        """Return what this store tells about its work."""

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""
