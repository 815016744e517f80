"""All steps of the sign-in pages, each made when it is first needed."""

import functools
from typing import TYPE_CHECKING, Protocol

from authfactor.rules.hosted_sign_in.flow_choices import FlowChoices
from authfactor.rules.hosted_sign_in.flow_progress import FlowProgress

if TYPE_CHECKING:
    from authfactor.crypto.vault import Vault
    from authfactor.models import Clock
    from authfactor.rules.authentication.passkey_sign_in import PasskeySignIn
    from authfactor.rules.authentication.sign_in import SignIn
    from authfactor.rules.authentication.step_up import StepUp
    from authfactor.rules.authentication.trusted_devices import TrustedDevices
    from authfactor.rules.email_flows.flows import EmailFlows
    from authfactor.rules.events.event_log import EventLog
    from authfactor.rules.factors.challenges import Challenges
    from authfactor.rules.factors.factors import Factors
    from authfactor.rules.factors.passkeys import Passkeys
    from authfactor.rules.factors.recovery_codes import RecoveryCodeSets
    from authfactor.rules.hosted_sign_in.app_enrollment import AppEnrollment
    from authfactor.rules.hosted_sign_in.code_step import CodeStep
    from authfactor.rules.hosted_sign_in.first_passkey_step import FirstPasskeyStep
    from authfactor.rules.hosted_sign_in.mailed_code_step import MailedCodeStep
    from authfactor.rules.hosted_sign_in.mailed_link_pages import MailedLinkPages
    from authfactor.rules.hosted_sign_in.passkey_enrollment_step import PasskeyEnrollmentStep
    from authfactor.rules.hosted_sign_in.password_step import PasswordStep
    from authfactor.rules.hosted_sign_in.sign_in_flows import SignInFlows
    from authfactor.rules.hosted_sign_in.sign_up_step import SignUpStep
    from authfactor.rules.links.page_proofs import PageProofs
    from authfactor.rules.tenants.users import Users
    from authfactor.settings import Settings


class StepRules(Protocol):
    """The rules of an installation that the steps work with."""

    challenges: "Challenges"
    clock: "Clock"
    events: "EventLog"
    factors: "Factors"
    settings: "Settings"
    sign_in: "SignIn"
    users: "Users"
    step_up: "StepUp"
    vault: "Vault"

    @property
    def email_flows(self) -> "EmailFlows":
        """Flows that send mail."""

    @property
    def page_proofs(self) -> "PageProofs":
        """Proofs of a factor on hosted pages."""

    @property
    def passkeys(self) -> "Passkeys":
        """Passkeys."""

    @property
    def passkey_sign_in(self) -> "PasskeySignIn":
        """Sign-in by a passkey alone."""

    @property
    def recovery_codes(self) -> "RecoveryCodeSets":
        """Recovery codes."""

    @property
    def sign_in_flows(self) -> "SignInFlows":
        """Visits of the sign-in pages."""

    @property
    def trusted_devices(self) -> "TrustedDevices":
        """Trusted devices."""


class FlowSteps:
    """The steps, and what they have in common."""

    def __init__(self, rules: StepRules) -> None:
        """Keep the rules."""
        self._rules = rules
        tokens = lambda: rules.trusted_devices.tokens  # noqa: E731 - made later
        made_later = tokens, lambda: rules.email_flows.email_verifications
        self._progress = FlowProgress(rules.sign_in_flows, rules.challenges, rules.events, *made_later)
        self.choices = FlowChoices(rules.clock, self._progress)

    @functools.cached_property
    def passwords(self) -> "PasswordStep":
        """Email and password."""
        from authfactor.rules.hosted_sign_in.password_step import PasswordStep  # noqa: PLC0415 - for browsers

        return PasswordStep(self._rules.clock, self._rules.sign_in, self._progress)

    @functools.cached_property
    def passkeys(self) -> "FirstPasskeyStep":
        """A passkey instead of email and password."""
        from authfactor.rules.hosted_sign_in.first_passkey_step import FirstPasskeyStep  # noqa: PLC0415 - for browsers

        rules = self._rules
        return FirstPasskeyStep(rules.clock, rules.settings, rules.passkey_sign_in, self._progress)

    @functools.cached_property
    def codes(self) -> "CodeStep":
        """A code of a factor."""
        from authfactor.rules.authentication.sign_in_events import SignInEvents  # noqa: PLC0415 - for browsers
        from authfactor.rules.hosted_sign_in.code_step import CodeStep  # noqa: PLC0415 - for browsers

        rules = self._rules
        made_with = rules.step_up, rules.page_proofs, SignInEvents(rules.events)
        tokens = lambda: rules.trusted_devices.tokens  # noqa: E731 - made later
        return CodeStep(rules.clock, rules.settings, self._progress, *made_with, tokens)

    @functools.cached_property
    def app_enrollment(self) -> "AppEnrollment":
        """Enrollment of an authenticator app."""
        from authfactor.rules.hosted_sign_in.app_enrollment import AppEnrollment  # noqa: PLC0415 - for browsers

        rules = self._rules
        made_with = rules.factors, rules.challenges, lambda: rules.recovery_codes
        return AppEnrollment(
            rules.clock, rules.vault, rules.settings, rules.events, self._progress, *made_with
        )

    @functools.cached_property
    def passkey_enrollment(self) -> "PasskeyEnrollmentStep":
        """Enrollment of a passkey."""
        from authfactor.rules.hosted_sign_in import passkey_enrollment_step as module  # noqa: PLC0415 - for browsers

        rules = self._rules
        made_with = rules.clock, rules.settings, self._progress, self.app_enrollment
        return module.PasskeyEnrollmentStep(*made_with, rules.passkeys)

    @functools.cached_property
    def mailed_codes(self) -> "MailedCodeStep":
        """Codes by mail."""
        from authfactor.rules.hosted_sign_in.mailed_code_step import MailedCodeStep  # noqa: PLC0415 - for browsers

        flows = self._rules.email_flows
        made_with = flows.codes, flows.magic_auth, flows.magic_sign_in, flows.email_verifications
        return MailedCodeStep(self._rules.clock, self._progress, *made_with)

    @functools.cached_property
    def sign_up(self) -> "SignUpStep":
        """Sign-up by email and password."""
        from authfactor.rules.hosted_sign_in.sign_up_step import SignUpStep  # noqa: PLC0415 - for browsers

        return SignUpStep(self._rules.clock, self._progress, self.passwords, self._rules.users)

    @functools.cached_property
    def mailed_links(self) -> "MailedLinkPages":
        """Pages behind mailed links."""
        from authfactor.rules.hosted_sign_in.mailed_link_pages import MailedLinkPages  # noqa: PLC0415 - for browsers

        return MailedLinkPages(self._rules.clock, self._progress, self._rules.email_flows.password_resets)
