"""`Tx`: all tables and queries, bound to one transaction."""

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
from authfactor.store.tables.deliveries import DeliveriesTable
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
from authfactor.store.tables.webhook_endpoints import WebhookEndpointsTable

if TYPE_CHECKING:
    from authfactor.store.queries.after_restore import RestoredRows
    from authfactor.store.queries.email_keys import EmailKeys
    from authfactor.store.queries.event_ranges import EventRanges
    from authfactor.store.queries.exports import Exports
    from authfactor.store.queries.hosted_sign_ins import HostedSignIns
    from authfactor.store.queries.policy_subjects import PolicySubjects
    from authfactor.store.queries.sign_in_history import SignInHistory
    from authfactor.store.tables.authenticator_models import AuthenticatorModelsTable
    from authfactor.store.tables.authorization_codes import AuthorizationCodesTable
    from authfactor.store.tables.browser_sessions import BrowserSessionsTable
    from authfactor.store.tables.cors_origins import CorsOriginsTable
    from authfactor.store.tables.device_authorizations import DeviceAuthorizationsTable
    from authfactor.store.tables.imported_factors import ImportedFactorsTable
    from authfactor.store.tables.invitations import InvitationsTable
    from authfactor.store.tables.mailed_codes import MailedCodesTable
    from authfactor.store.tables.messages import MessagesTable
    from authfactor.store.tables.passkeys import PasskeysTable
    from authfactor.store.tables.password_resets import PasswordResetsTable
    from authfactor.store.tables.recovery_codes import RecoveryCodesTable
    from authfactor.store.tables.redirect_uris import RedirectUrisTable
    from authfactor.store.tables.send_limits import SendLimitsTable
    from authfactor.store.tables.senders import SendersTable
    from authfactor.store.tables.sign_in_flows import SignInFlowsTable
    from authfactor.store.tables.trusted_devices import TrustedDevicesTable
    from authfactor.store.tables.user_mfa_policies import UserMfaPoliciesTable

T = TypeVar("T")


class Tx:
    """The tables and queries of one transaction; the only argument of a `Unit`."""

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
        """Bind to `db`; built once per connection and reused for every transaction on it."""
        self.db = db
        # Callbacks that units want run on the event loop while the commit is in progress. They may be
        # skipped, or run although the commit fails, so they must have no effect beyond caching.
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
        """Statements run once after a restore."""
        from authfactor.store.queries.after_restore import RestoredRows  # noqa: PLC0415 - for one command

        return RestoredRows(self.db)

    @property
    def recovery_codes(self) -> "RecoveryCodesTable":
        """The table of recovery codes."""
        from authfactor.store.tables.recovery_codes import RecoveryCodesTable  # noqa: PLC0415 - when there are some

        return RecoveryCodesTable(self.db)

    @property
    def sign_in_history(self) -> "SignInHistory":
        """Statements about a user's sessions, ended ones included."""
        from authfactor.store.queries.sign_in_history import SignInHistory  # noqa: PLC0415 - for one page

        return SignInHistory(self.db)

    @property
    def user_mfa_policies(self) -> "UserMfaPoliciesTable":
        """The table of single users' policies and deadlines."""
        from authfactor.store.tables.user_mfa_policies import UserMfaPoliciesTable  # noqa: PLC0415 - when there are some

        return UserMfaPoliciesTable(self.db)

    @property
    def policy_subjects(self) -> "PolicySubjects":
        """What policies decide by."""
        from authfactor.store.queries.policy_subjects import PolicySubjects  # noqa: PLC0415 - for operators alone

        return PolicySubjects(self.db)

    @property
    def trusted_devices(self) -> "TrustedDevicesTable":
        """The tables of trusted devices."""
        from authfactor.store.tables.trusted_devices import TrustedDevicesTable  # noqa: PLC0415 - when there are some

        return TrustedDevicesTable(self.db)

    @property
    def passkeys(self) -> "PasskeysTable":
        """The tables of passkeys."""
        from authfactor.store.tables.passkeys import PasskeysTable  # noqa: PLC0415 - when there are some

        return PasskeysTable(self.db)

    @property
    def authenticator_models(self) -> "AuthenticatorModelsTable":
        """The tables of loaded metadata."""
        from authfactor.store.tables.authenticator_models import AuthenticatorModelsTable  # noqa: PLC0415 - when some is loaded

        return AuthenticatorModelsTable(self.db)

    @property
    def messages(self) -> "MessagesTable":
        """The outbox of messages to users."""
        from authfactor.store.tables.messages import MessagesTable  # noqa: PLC0415 - when there are some

        return MessagesTable(self.db)

    @property
    def senders(self) -> "SendersTable":
        """The table of what sends messages."""
        from authfactor.store.tables.senders import SendersTable  # noqa: PLC0415 - when there are some

        return SendersTable(self.db)

    @property
    def send_limits(self) -> "SendLimitsTable":
        """The table of how many messages were queued."""
        from authfactor.store.tables.send_limits import SendLimitsTable  # noqa: PLC0415 - when there are some

        return SendLimitsTable(self.db)

    @property
    def mailed_codes(self) -> "MailedCodesTable":
        """The table of mailed codes."""
        from authfactor.store.tables.mailed_codes import MailedCodesTable  # noqa: PLC0415 - when there are some

        return MailedCodesTable(self.db)

    @property
    def password_resets(self) -> "PasswordResetsTable":
        """The table of password resets."""
        from authfactor.store.tables.password_resets import PasswordResetsTable  # noqa: PLC0415 - when there are some

        return PasswordResetsTable(self.db)

    @property
    def invitations(self) -> "InvitationsTable":
        """The table of invitations."""
        from authfactor.store.tables.invitations import InvitationsTable  # noqa: PLC0415 - when there are some

        return InvitationsTable(self.db)

    @property
    def redirect_uris(self) -> "RedirectUrisTable":
        """The table of redirect URIs."""
        from authfactor.store.tables.redirect_uris import RedirectUrisTable  # noqa: PLC0415 - for hosted sign-in

        return RedirectUrisTable(self.db)

    @property
    def cors_origins(self) -> "CorsOriginsTable":
        """The table of CORS origins."""
        from authfactor.store.tables.cors_origins import CorsOriginsTable  # noqa: PLC0415 - for hosted sign-in

        return CorsOriginsTable(self.db)

    @property
    def sign_in_flows(self) -> "SignInFlowsTable":
        """The table of visits of the sign-in pages."""
        from authfactor.store.tables.sign_in_flows import SignInFlowsTable  # noqa: PLC0415 - for hosted sign-in

        return SignInFlowsTable(self.db)

    @property
    def authorization_codes(self) -> "AuthorizationCodesTable":
        """The table of authorization codes."""
        from authfactor.store.tables.authorization_codes import AuthorizationCodesTable  # noqa: PLC0415 - for hosted sign-in

        return AuthorizationCodesTable(self.db)

    @property
    def browser_sessions(self) -> "BrowserSessionsTable":
        """The table of hosted sessions."""
        from authfactor.store.tables.browser_sessions import BrowserSessionsTable  # noqa: PLC0415 - for hosted sign-in

        return BrowserSessionsTable(self.db)

    @property
    def device_authorizations(self) -> "DeviceAuthorizationsTable":
        """The table of devices that wait for their user."""
        from authfactor.store.tables.device_authorizations import DeviceAuthorizationsTable  # noqa: PLC0415 - for hosted sign-in

        return DeviceAuthorizationsTable(self.db)

    @property
    def hosted_sign_ins(self) -> "HostedSignIns":
        """Statements about all that hosted sign-in keeps of a user."""
        from authfactor.store.queries.hosted_sign_ins import HostedSignIns  # noqa: PLC0415 - when something ends

        return HostedSignIns(self.db)

    @property
    def imported_factors(self) -> "ImportedFactorsTable":
        """Bulk statements of imports."""
        from authfactor.store.tables.imported_factors import ImportedFactorsTable  # noqa: PLC0415 - for imports alone

        return ImportedFactorsTable(self.db)

    @property
    def exports(self) -> "Exports":
        """What an export reads."""
        from authfactor.store.queries.exports import Exports  # noqa: PLC0415 - for one command

        return Exports(self.db)

    @property
    def email_keys(self) -> "EmailKeys":
        """Statements that recompute the keys of emails."""
        from authfactor.store.queries.email_keys import EmailKeys  # noqa: PLC0415 - after an upgrade only

        return EmailKeys(self.db)

    @property
    def event_ranges(self) -> "EventRanges":
        """Statements that read ranges of events to seal or verify them."""
        from authfactor.store.queries.event_ranges import EventRanges  # noqa: PLC0415 - in the background

        return EventRanges(self.db)
