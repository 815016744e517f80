"""Rules of pages that `core` makes when they are first needed: passkeys, hosted sign-in, the console."""

import functools
from typing import TYPE_CHECKING

from authfactor.ids import IdGenerator

if TYPE_CHECKING:
    from authfactor.crypto.vault import Vault
    from authfactor.models import Clock, Entropy
    from authfactor.rules.audit.audit_log import AuditLog
    from authfactor.rules.authentication.passkey_sign_in import PasskeySignIn
    from authfactor.rules.authentication.password_attempts import PasswordAttempts
    from authfactor.rules.authentication.password_hashing import PasswordHasher
    from authfactor.rules.authentication.session_checks import SessionChecks
    from authfactor.rules.authentication.sessions import Sessions
    from authfactor.rules.authentication.step_up import StepUp
    from authfactor.rules.console.actions import ConsoleActions
    from authfactor.rules.console.dashboard_counts import Dashboard
    from authfactor.rules.console.known_devices import KnownDevices
    from authfactor.rules.console.operator_assertions import OperatorAssertions
    from authfactor.rules.console.operator_passkey_sign_in import OperatorPasskeySignIn
    from authfactor.rules.console.operator_passkeys import OperatorPasskeys
    from authfactor.rules.console.operator_set_up import OperatorSetUp
    from authfactor.rules.console.operator_sign_in import OperatorSignIn
    from authfactor.rules.console.operators import Operators
    from authfactor.rules.console.reauthentication import Reauthentication
    from authfactor.rules.events.event_log import EventLog
    from authfactor.rules.factors.authenticator_metadata import AuthenticatorMetadata
    from authfactor.rules.factors.challenges import Challenges
    from authfactor.rules.factors.factors import Factors
    from authfactor.rules.factors.fresh_proofs import FreshProofs
    from authfactor.rules.factors.passkey_challenges import PasskeyChallenges
    from authfactor.rules.factors.passkey_signals import PasskeySignaling
    from authfactor.rules.factors.passkey_use import PasskeyUse
    from authfactor.rules.factors.passkeys import Passkeys
    from authfactor.rules.hosted_sign_in.authorization_codes import AuthorizationCodes
    from authfactor.rules.hosted_sign_in.authorizations import Authorizations
    from authfactor.rules.hosted_sign_in.browser_sessions import BrowserSessions
    from authfactor.rules.hosted_sign_in.code_redemption import CodeRedemption
    from authfactor.rules.hosted_sign_in.device_authorizations import DeviceAuthorizations
    from authfactor.rules.hosted_sign_in.proven_sessions import ProvenSessions
    from authfactor.rules.hosted_sign_in.redirect_uris import CorsOrigins, RedirectUris
    from authfactor.rules.hosted_sign_in.sign_in_flows import SignInFlows
    from authfactor.settings import Settings


class DeferredPageRules:
    """Makes each of them once, from the attributes that `core.Authfactor` has."""

    attempts: "PasswordAttempts"
    audit: "AuditLog"
    challenges: "Challenges"
    clock: "Clock"
    entropy: "Entropy"
    events: "EventLog"
    factors: "Factors"
    hasher: "PasswordHasher"
    new_id: IdGenerator
    sessions: "Sessions"
    settings: "Settings"
    step_up: "StepUp"
    vault: "Vault"

    @functools.cached_property
    def session_checks(self) -> "SessionChecks":
        """Checks, challenges and reauthentications of sessions."""
        from authfactor.rules.authentication.session_checks import SessionChecks  # noqa: PLC0415 - for few calls

        return SessionChecks(
            self.clock, self.settings, self.hasher, self.attempts, self.events, self.challenges
        )

    @functools.cached_property
    def passkeys(self) -> "Passkeys":
        """Passkeys."""
        from authfactor.rules.factors.passkeys import Passkeys  # noqa: PLC0415 - when there are some

        random = self.entropy, self.new_id, self.vault, self.events
        return Passkeys(self.clock, *random, self.settings, self.factors)

    @functools.cached_property
    def passkey_use(self) -> "PasskeyUse":
        """Verification and counting of passkeys."""
        from authfactor.rules.factors.passkey_use import PasskeyUse  # noqa: PLC0415 - when there are some

        return PasskeyUse(self.vault, self.events)

    @functools.cached_property
    def passkey_challenges(self) -> "PasskeyChallenges":
        """Challenges that passkeys answer."""
        from authfactor.rules.factors.passkey_challenges import PasskeyChallenges  # noqa: PLC0415 - when there are some

        rules = self.events, self.settings, self.passkey_use, lambda: self.session_checks.raising
        return PasskeyChallenges(self.clock, self.vault, *rules)

    @functools.cached_property
    def passkey_sign_in(self) -> "PasskeySignIn":
        """Sign-in by a passkey alone."""
        from authfactor.rules.authentication.passkey_sign_in import PasskeySignIn  # noqa: PLC0415 - when there are some

        rules = self.events, self.settings, self.passkey_use, self.sessions, self.step_up
        return PasskeySignIn(self.clock, self._id_of_now, self.vault, *rules)

    @functools.cached_property
    def passkey_signals(self) -> "PasskeySignaling":
        """What browsers should know of passkeys."""
        from authfactor.rules.factors.passkey_signals import PasskeySignaling  # noqa: PLC0415 - when there are some

        return PasskeySignaling(self.clock, self.settings)

    @functools.cached_property
    def fresh_proofs(self) -> "FreshProofs":
        """Proofs that an enrollment may need."""
        from authfactor.rules.factors.fresh_proofs import FreshProofs  # noqa: PLC0415 - for passkeys alone

        return FreshProofs(self.clock, self.settings)

    @functools.cached_property
    def authenticator_metadata(self) -> "AuthenticatorMetadata":
        """Metadata of authenticators."""
        from authfactor.rules.factors.authenticator_metadata import AuthenticatorMetadata  # noqa: PLC0415 - for operators alone

        return AuthenticatorMetadata(self.clock)

    def _id_of_now(self, prefix: str) -> str:
        # A new generator for each: an id tells when it was made, also after the clock was set back.
        return IdGenerator(self.clock, self.entropy)(prefix)

    @functools.cached_property
    def browser_sessions(self) -> "BrowserSessions":
        """Hosted sessions."""
        from authfactor.rules.hosted_sign_in.browser_sessions import BrowserSessions  # noqa: PLC0415 - for browsers

        return BrowserSessions(self.entropy, self.new_id, self.settings)

    @functools.cached_property
    def authorization_codes(self) -> "AuthorizationCodes":
        """Authorization codes."""
        from authfactor.rules.hosted_sign_in.authorization_codes import AuthorizationCodes  # noqa: PLC0415 - for hosted sign-in

        return AuthorizationCodes(self.entropy)

    @functools.cached_property
    def sign_in_flows(self) -> "SignInFlows":
        """Visits of the sign-in pages."""
        from authfactor.rules.hosted_sign_in.sign_in_flows import SignInFlows  # noqa: PLC0415 - for browsers

        made_with = self.clock, self.entropy, self.new_id, self.step_up
        devices = lambda: self.device_authorizations  # noqa: E731 - made for the few flows that approve one
        return SignInFlows(*made_with, self.browser_sessions, self.authorization_codes, devices)

    @functools.cached_property
    def proven_sessions(self) -> "ProvenSessions":
        """Sessions made of what was proven on the pages."""
        from authfactor.rules.hosted_sign_in.proven_sessions import ProvenSessions  # noqa: PLC0415 - for hosted sign-in

        rules = self.sessions, self.step_up, self.browser_sessions
        return ProvenSessions(self.new_id, self.events, self.settings, *rules)

    @functools.cached_property
    def code_redemption(self) -> "CodeRedemption":
        """The grant of authorization codes."""
        from authfactor.rules.hosted_sign_in.code_redemption import CodeRedemption  # noqa: PLC0415 - for hosted sign-in

        return CodeRedemption(self.clock, self.sessions, self.proven_sessions)

    @functools.cached_property
    def device_authorizations(self) -> "DeviceAuthorizations":
        """Sign-ins of devices without a browser."""
        from authfactor.rules.hosted_sign_in.device_authorizations import DeviceAuthorizations  # noqa: PLC0415 - for devices

        return DeviceAuthorizations(self.clock, self.entropy, self.new_id, self.proven_sessions)

    @functools.cached_property
    def redirect_uris(self) -> "RedirectUris":
        """Redirect URIs."""
        from authfactor.rules.hosted_sign_in.redirect_uris import RedirectUris  # noqa: PLC0415 - for administration

        return RedirectUris(self.clock, self.new_id, self.settings)

    @functools.cached_property
    def cors_origins(self) -> "CorsOrigins":
        """Origins of browser clients."""
        from authfactor.rules.hosted_sign_in.redirect_uris import CorsOrigins  # noqa: PLC0415 - for administration

        return CorsOrigins(self.clock, self.new_id, self.settings)

    @functools.cached_property
    def authorizations(self) -> "Authorizations":
        """Answers to authorization requests."""
        from authfactor.rules.hosted_sign_in.authorizations import Authorizations  # noqa: PLC0415 - for browsers

        rules = self.browser_sessions, self.authorization_codes, self.sign_in_flows
        return Authorizations(self.clock, self.settings, self.step_up, *rules)

    @functools.cached_property
    def operators(self) -> "Operators":
        """Operators and their invitations."""
        from authfactor.rules.console.operators import Operators  # noqa: PLC0415 - for operators alone

        return Operators(self.clock, self.entropy, self.new_id)

    @functools.cached_property
    def operator_set_up(self) -> "OperatorSetUp":
        """The first sign-in of an operator."""
        from authfactor.rules.console.operator_set_up import OperatorSetUp  # noqa: PLC0415 - for operators alone

        made_with = (self.clock, self.new_id, self.hasher, self.challenges, self.factors, self.audit)
        return OperatorSetUp(*made_with, self.settings)

    @functools.cached_property
    def known_devices(self) -> "KnownDevices":
        """Devices on which operators have signed in."""
        from authfactor.rules.console.known_devices import KnownDevices  # noqa: PLC0415 - for operators alone

        return KnownDevices(self.clock, self.entropy, self.vault)

    @functools.cached_property
    def operator_sign_in(self) -> "OperatorSignIn":
        """Sign-in of operators."""
        from authfactor.rules.console.operator_second_factor import OperatorSecondFactor  # noqa: PLC0415 - for operators alone
        from authfactor.rules.console.operator_sign_in import OperatorSignIn  # noqa: PLC0415 - for operators alone

        second_factor = OperatorSecondFactor(self.challenges, self.audit, lambda: self.operator_assertions)
        made_with = self.entropy, self.new_id, self.hasher, second_factor, self.known_devices
        return OperatorSignIn(self.clock, *made_with, self.audit, self.settings)

    @functools.cached_property
    def operator_passkeys(self) -> "OperatorPasskeys":
        """Passkeys of operators."""
        from authfactor.rules.console.operator_passkeys import OperatorPasskeys  # noqa: PLC0415 - for operators alone

        return OperatorPasskeys(self.clock, self.settings, self.passkeys)

    @functools.cached_property
    def operator_assertions(self) -> "OperatorAssertions":
        """Assertions of operators' passkeys."""
        from authfactor.rules.console.operator_assertions import OperatorAssertions  # noqa: PLC0415 - for operators alone

        rules = self.vault, self.audit, self.settings, self.passkey_use
        return OperatorAssertions(self.clock, self._id_of_now, *rules)

    @functools.cached_property
    def operator_passkey_sign_in(self) -> "OperatorPasskeySignIn":
        """Sign-in of operators by a passkey alone."""
        from authfactor.rules.console.operator_passkey_sign_in import OperatorPasskeySignIn  # noqa: PLC0415 - for operators alone

        rules = self.operator_sign_in, self.operator_assertions, self.known_devices, self.audit
        return OperatorPasskeySignIn(self.clock, *rules)

    @functools.cached_property
    def console_actions(self) -> "ConsoleActions":
        """Audited actions of operators."""
        from authfactor.rules.console.actions import ConsoleActions  # noqa: PLC0415 - for pages of operators alone

        return ConsoleActions(self.clock, self.audit)

    @functools.cached_property
    def reauthentication(self) -> "Reauthentication":
        """Confirmation of dangerous actions with a code."""
        from authfactor.rules.console.reauthentication import Reauthentication  # noqa: PLC0415 - for pages of operators alone

        made_with = self.entropy, self.challenges, self.audit, lambda: self.operator_assertions
        return Reauthentication(self.clock, *made_with)

    @functools.cached_property
    def dashboard(self) -> "Dashboard":
        """Counts for the console's dashboard."""
        from authfactor.rules.console.dashboard_counts import Dashboard  # noqa: PLC0415 - for pages of operators alone

        return Dashboard(self.clock)
