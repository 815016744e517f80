"""Rules that an installation makes when they are first needed, so that a start does not import them."""

import functools
from typing import TYPE_CHECKING

from authfactor.deferred_pages import DeferredPageRules
from authfactor.ids import IdGenerator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authfactor.crypto.vault import Vault
    from authfactor.models import Clock, Entropy, UserRecord
    from authfactor.models.messages import MessageKind
    from authfactor.rules.audit.audit_log import AuditLog
    from authfactor.rules.audit.event_sealing import EventSealing
    from authfactor.rules.audit.event_verification import EventVerification
    from authfactor.rules.authentication.password_attempts import PasswordAttempts
    from authfactor.rules.authentication.password_hashing import PasswordHasher
    from authfactor.rules.authentication.password_throttling import PasswordThrottling
    from authfactor.rules.authentication.repeated_sign_ins import RepeatedSignIns
    from authfactor.rules.authentication.sessions import Sessions
    from authfactor.rules.authentication.sign_in import SignIn
    from authfactor.rules.authentication.step_up import StepUp
    from authfactor.rules.authentication.trusted_devices import TrustedDevices
    from authfactor.rules.email_flows.flows import EmailFlows
    from authfactor.rules.events.event_log import EventLog
    from authfactor.rules.factors.challenges import Challenges
    from authfactor.rules.factors.clock_resync import ClockResync
    from authfactor.rules.factors.exports import FactorExports
    from authfactor.rules.factors.factors import Factors
    from authfactor.rules.factors.imports import FactorImports
    from authfactor.rules.factors.recovery_codes import RecoveryCodeSets
    from authfactor.rules.hosted_sign_in.flow_steps import FlowSteps
    from authfactor.rules.links.branding import Brandings
    from authfactor.rules.links.factor_page_passkeys import FactorPagePasskeys
    from authfactor.rules.links.factor_pages import FactorPages
    from authfactor.rules.links.links import Links
    from authfactor.rules.links.page_proofs import PageProofs
    from authfactor.rules.links.page_sessions import PageSessions
    from authfactor.rules.links.passkey_enrollment import PasskeyEnrollment
    from authfactor.rules.links.trusted_browsers import TrustedBrowsers
    from authfactor.rules.maintenance.retention import Retention
    from authfactor.rules.messages.outbox import Messages
    from authfactor.rules.messages.senders import Senders
    from authfactor.rules.tenants.environments import Environments
    from authfactor.rules.tenants.mfa_policies import EnvironmentPolicies
    from authfactor.rules.tenants.users import Users
    from authfactor.rules.unit import Scope
    from authfactor.settings import Settings


class DeferredRules(DeferredPageRules):
    """Makes each of them once, from the attributes that `core.Authfactor` has."""

    attempts: "PasswordAttempts"
    audit: "AuditLog"
    challenges: "Challenges"
    clock: "Clock"
    entropy: "Entropy"
    environments: "Environments"
    events: "EventLog"
    factors: "Factors"
    hasher: "PasswordHasher"
    new_id: IdGenerator
    repeated_sign_ins: "RepeatedSignIns"
    sessions: "Sessions"
    sign_in: "SignIn"
    step_up: "StepUp"
    settings: "Settings"
    throttling: "PasswordThrottling"
    users: "Users"
    vault: "Vault"

    @functools.cached_property
    def recovery_codes(self) -> "RecoveryCodeSets":
        """Recovery codes."""
        from authfactor.rules.factors.recovery_codes import RecoveryCodeSets  # noqa: PLC0415 - when there are some

        return RecoveryCodeSets(self.clock, self.entropy, self.vault, self.events)

    @functools.cached_property
    def messages(self) -> "Messages":
        """The outbox of messages to users."""
        from authfactor.rules.messages.outbox import Messages  # noqa: PLC0415 - when there are some

        return Messages(self.clock, self.new_id, self.vault, self.events)

    async def send_notice(self, scope: "Scope", kind: "MessageKind", user: "UserRecord") -> bool:
        """Queue a notice to a user, if the user has not had too many; return whether it was queued."""
        return await self.messages.queue(scope, kind, to=user.email, user_id=user.id, locale=user.locale)

    @functools.cached_property
    def senders(self) -> "Senders":
        """What sends messages to users."""
        from authfactor.rules.messages.senders import Senders  # noqa: PLC0415 - for operators alone

        return Senders(self.clock, self.entropy, self.vault, self.settings, self.environments)

    @property
    def messages_sent(self) -> "Mapping[tuple[str, str, str], int]":
        """Attempts of this process by channel, kind and outcome; none before messages are needed."""
        made: Messages | None = vars(self).get("messages")
        return {} if made is None else made.sent

    @functools.cached_property
    def imports(self) -> "FactorImports":
        """Imports of factors of other systems."""
        from authfactor.rules.factors.imports import FactorImports  # noqa: PLC0415 - for few calls

        return FactorImports(self.clock, self.new_id, self.vault, self.events, self.settings)

    @functools.cached_property
    def exports(self) -> "FactorExports":
        """Exports of factors."""
        from authfactor.rules.factors.exports import FactorExports  # noqa: PLC0415 - for one command

        return FactorExports(self.clock, self.vault)

    @functools.cached_property
    def mfa_policies(self) -> "EnvironmentPolicies":
        """Policies of environments and users."""
        from authfactor.rules.tenants.mfa_policies import EnvironmentPolicies  # noqa: PLC0415 - for operators alone

        return EnvironmentPolicies(self.clock, self.events, self.environments)

    @functools.cached_property
    def trusted_devices(self) -> "TrustedDevices":
        """Trusted devices."""
        from authfactor.rules.authentication.trusted_devices import TrustedDevices  # noqa: PLC0415 - when there are some

        made_with = (self.clock, self.entropy, self.new_id, self.vault, self.events)
        return TrustedDevices(*made_with, self.sessions, self.repeated_sign_ins)

    @functools.cached_property
    def clock_resync(self) -> "ClockResync":
        """Resync of a phone's clock."""
        from authfactor.rules.factors.clock_resync import ClockResync  # noqa: PLC0415 - rarely needed

        return ClockResync(self.clock, self.vault, self.events, self.settings, self.challenges)

    @functools.cached_property
    def email_flows(self) -> "EmailFlows":
        """Flows that send mail."""
        from authfactor.rules.email_flows.flows import EmailFlows  # noqa: PLC0415 - when mail is sent

        return EmailFlows(self, lambda: self.messages)

    @functools.cached_property
    def flow_steps(self) -> "FlowSteps":
        """The steps of the sign-in pages."""
        from authfactor.rules.hosted_sign_in.flow_steps import FlowSteps  # noqa: PLC0415 - for browsers

        return FlowSteps(self)

    @functools.cached_property
    def links(self) -> "Links":
        """Links to hosted pages."""
        from authfactor.rules.links.links import Links  # noqa: PLC0415 - for pages alone

        return Links(self.clock, self.entropy, self.new_id, self.events, self.settings)

    @functools.cached_property
    def page_sessions(self) -> "PageSessions":
        """The sessions of hosted pages."""
        from authfactor.rules.links.page_sessions import PageSessions  # noqa: PLC0415 - for pages alone

        return PageSessions(
            self.clock,
            self.entropy,
            self.vault,
            self.events,
            self.settings,
            self.factors,
            lambda: self.recovery_codes,
            self.page_proofs,
        )

    @functools.cached_property
    def page_proofs(self) -> "PageProofs":
        """Proofs of a factor on hosted pages."""
        from authfactor.rules.links.page_proofs import PageProofs  # noqa: PLC0415 - for pages alone

        made_later = lambda: self.passkey_challenges, lambda: self.passkey_use
        return PageProofs(self.challenges, self.settings, *made_later)

    @functools.cached_property
    def passkey_enrollment(self) -> "PasskeyEnrollment":
        """Passkeys on the page of an enrollment link."""
        from authfactor.rules.links.passkey_enrollment import PasskeyEnrollment  # noqa: PLC0415 - for pages alone

        rules = self.passkeys, self.page_proofs, self.page_sessions
        return PasskeyEnrollment(self.clock, self.settings, *rules)

    @functools.cached_property
    def trusted_browsers(self) -> "TrustedBrowsers":
        """Trusted devices of hosted pages."""
        from authfactor.rules.links.trusted_browsers import TrustedBrowsers  # noqa: PLC0415 - for pages alone

        return TrustedBrowsers(self.clock, self.events, self.trusted_devices.tokens)

    @functools.cached_property
    def factor_pages(self) -> "FactorPages":
        """The page on which users manage their factors."""
        from authfactor.rules.links.factor_pages import FactorPages  # noqa: PLC0415 - for pages alone

        rules = (self.factors, self.challenges, self.sessions)
        made_later = (lambda: self.recovery_codes, lambda: self.trusted_devices)
        return FactorPages(self.clock, self.events, self.settings, *rules, *made_later)

    @functools.cached_property
    def factor_page_passkeys(self) -> "FactorPagePasskeys":
        """Passkeys on that page."""
        from authfactor.rules.links.factor_page_passkeys import FactorPagePasskeys  # noqa: PLC0415 - for pages alone

        rules = self.factor_pages, self.passkeys, self.passkey_challenges
        return FactorPagePasskeys(self.clock, self.settings, *rules)

    @functools.cached_property
    def retention(self) -> "Retention":
        """Deletion of expired rows."""
        from authfactor.rules.maintenance.retention import Retention  # noqa: PLC0415 - for servers alone

        return Retention(self.clock, IdGenerator(self.clock, self.entropy), self.settings, self.event_sealing)

    @functools.cached_property
    def event_sealing(self) -> "EventSealing":
        """Sealing of event ranges."""
        from authfactor.rules.audit.event_sealing import EventSealing  # noqa: PLC0415 - for servers alone

        return EventSealing(self.clock, IdGenerator(self.clock, self.entropy), self.audit, self.settings)

    @functools.cached_property
    def event_verification(self) -> "EventVerification":
        """Verification of events against their seals."""
        from authfactor.rules.audit.event_verification import EventVerification  # noqa: PLC0415 - for one command

        return EventVerification(self.clock, self.audit)

    @functools.cached_property
    def brandings(self) -> "Brandings":
        """Branding of hosted pages."""
        from authfactor.rules.links.branding import Brandings  # noqa: PLC0415 - for pages alone

        return Brandings(self.clock)
