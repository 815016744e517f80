"""What every database behind authfactor must do.

A `Unit` is an `async def` that takes a `Tx` and has no effect outside it. `Store.write` runs it as one
atomic, durable step; it may run again after a serialization conflict. Single use is always one
conditional write whose row count decides (decision 0003), never a read followed by a write.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from authfactor.store.db import Db
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
from authfactor.store.tables.leases import Leases
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
        "leases",
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
        self.leases = Leases(db)
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
