"""What every database behind authfactor must do.

A `Unit` is an `async def` that takes a `Tx` and has no effect outside it. `Store.write` runs it as one
atomic, durable step; it may run again after a serialization conflict. Single use is always one
conditional write whose row count decides (decision 0003), never a read followed by a write.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from authfactor.store.db import Db
from authfactor.store.queries.attempts import Attempts
from authfactor.store.queries.diagnostics import Diagnostics
from authfactor.store.queries.retention import ExpiredRows
from authfactor.store.queries.sealed_values import SealedValues, VaultKeysTable
from authfactor.store.tables.api_keys import ApiKeysTable
from authfactor.store.tables.audit import AuditTable
from authfactor.store.tables.brandings import BrandingsTable
from authfactor.store.tables.challenges import ChallengesTable
from authfactor.store.tables.environments import EnvironmentsTable
from authfactor.store.tables.events import EventsTable
from authfactor.store.tables.factors import FactorsTable
from authfactor.store.tables.failures import FailuresTable
from authfactor.store.tables.idempotency import IdempotencyTable
from authfactor.store.tables.leases import LeasesTable
from authfactor.store.tables.links import LinksTable
from authfactor.store.tables.operators import OperatorSessionsTable, OperatorsTable
from authfactor.store.tables.sessions import PendingSignInsTable, SessionsTable
from authfactor.store.tables.signing_keys import SigningKeysTable
from authfactor.store.tables.throttles import ThrottlesTable
from authfactor.store.tables.users import UsersTable
from authfactor.store.tables.webhooks import DeliveriesTable, WebhookEndpointsTable

if TYPE_CHECKING:
    from authfactor.store.queries.after_restore import RestoredRows
    from authfactor.store.queries.event_ranges import EventRanges

T = TypeVar("T")


class Tx:
    """The tables, within one transaction."""

    __slots__ = (
        "api_keys",
        "attempts",
        "audit",
        "brandings",
        "challenges",
        "db",
        "deliveries",
        "diagnostics",
        "during_commit",
        "environments",
        "events",
        "expired_rows",
        "factors",
        "failures",
        "idempotency",
        "leases",
        "links",
        "operator_sessions",
        "operators",
        "pending_sign_ins",
        "sealed_values",
        "sessions",
        "signing_keys",
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
        self.during_commit: list[Callable[[], object]] = []
        self.diagnostics = Diagnostics(db)
        self.environments = EnvironmentsTable(db)
        self.api_keys = ApiKeysTable(db)
        self.users = UsersTable(db)
        self.factors = FactorsTable(db)
        self.challenges = ChallengesTable(db)
        self.failures = FailuresTable(db)
        self.idempotency = IdempotencyTable(db)
        self.pending_sign_ins = PendingSignInsTable(db)
        self.sessions = SessionsTable(db)
        self.signing_keys = SigningKeysTable(db)
        self.attempts = Attempts(db)
        self.events = EventsTable(db)
        self.throttles = ThrottlesTable(db)
        self.expired_rows = ExpiredRows(db)
        self.leases = LeasesTable(db)
        self.links = LinksTable(db)
        self.brandings = BrandingsTable(db)
        self.webhook_endpoints = WebhookEndpointsTable(db)
        self.deliveries = DeliveriesTable(db)
        self.audit = AuditTable(db)
        self.operators = OperatorsTable(db)
        self.operator_sessions = OperatorSessionsTable(db)
        self.sealed_values = SealedValues(db)
        self.vault_keys = VaultKeysTable(db)

    @property
    def restored_rows(self) -> "RestoredRows":
        """Calls after a restore."""
        from authfactor.store.queries.after_restore import RestoredRows  # noqa: PLC0415 - for one command

        return RestoredRows(self.db)

    @property
    def event_ranges(self) -> "EventRanges":
        """Calls that seal events and check them."""
        from authfactor.store.queries.event_ranges import EventRanges  # noqa: PLC0415 - in the background

        return EventRanges(self.db)
