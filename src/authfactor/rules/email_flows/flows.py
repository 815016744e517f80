"""All flows that send mail, each made when it is first needed."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from authfactor.rules.email_flows.mailed_codes import MailedCodes

if TYPE_CHECKING:
    from authfactor.rules.email_flows.email_changes import EmailChanges
    from authfactor.rules.email_flows.email_verification_sign_in import EmailVerificationSignIn
    from authfactor.rules.email_flows.email_verifications import EmailVerifications
    from authfactor.rules.email_flows.flow_rules import FlowRules
    from authfactor.rules.email_flows.invitations import Invitations
    from authfactor.rules.email_flows.magic_auth import MagicCodes
    from authfactor.rules.email_flows.magic_sign_in import MagicSignIn
    from authfactor.rules.email_flows.outbox import Outbox
    from authfactor.rules.email_flows.password_resets import PasswordResets


class EmailFlows:
    """Email verification, magic codes, password resets, email changes, invitations."""

    def __init__(self, rules: "FlowRules", outbox: "Callable[[], Outbox]") -> None:
        """Keep the rules and what returns the outbox."""
        self._rules = rules
        self._outbox = outbox
        random = rules.entropy, rules.new_id, rules.vault
        self.codes = MailedCodes(*random, rules.events, rules.settings, outbox)

    @functools.cached_property
    def email_verifications(self) -> "EmailVerifications":
        """Email verification."""
        from authfactor.rules.email_flows.email_verifications import EmailVerifications  # noqa: PLC0415 - if used

        return EmailVerifications(self._rules.clock, self._rules.events, self.codes)

    @functools.cached_property
    def email_verification_sign_in(self) -> "EmailVerificationSignIn":
        """Sign-in that waits for an email verification."""
        from authfactor.rules.email_flows import email_verification_sign_in as module  # noqa: PLC0415 - if used

        made_with = self.codes, self.email_verifications, self._rules.sessions, self._rules.step_up
        return module.EmailVerificationSignIn(self._rules.clock, *made_with)

    @functools.cached_property
    def magic_auth(self) -> "MagicCodes":
        """Magic codes."""
        from authfactor.rules.email_flows.magic_auth import MagicCodes  # noqa: PLC0415 - if used

        return MagicCodes(self._rules.clock, self._rules.events, self._rules.users, self.codes)

    @functools.cached_property
    def magic_sign_in(self) -> "MagicSignIn":
        """Sign-in by a magic code."""
        from authfactor.rules.email_flows.magic_sign_in import MagicSignIn  # noqa: PLC0415 - if used

        rules = self._rules
        made_with = rules.clock, rules.vault, rules.events, rules.settings
        return MagicSignIn(*made_with, self.codes, rules.sessions, rules.step_up)

    @functools.cached_property
    def password_resets(self) -> "PasswordResets":
        """Password resets."""
        from authfactor.rules.email_flows.password_resets import PasswordResets  # noqa: PLC0415 - if used

        return PasswordResets(self._rules, self._outbox)

    @functools.cached_property
    def email_changes(self) -> "EmailChanges":
        """Email changes."""
        from authfactor.rules.email_flows.email_changes import EmailChanges  # noqa: PLC0415 - if used

        return EmailChanges(self._rules.clock, self._rules.events, self.codes, self._outbox)

    @functools.cached_property
    def invitations(self) -> "Invitations":
        """Invitations."""
        from authfactor.rules.email_flows.invitations import Invitations  # noqa: PLC0415 - if used

        rules = self._rules
        made_with = rules.clock, rules.entropy, rules.new_id, rules.vault, rules.events, rules.settings
        return Invitations(*made_with, self._outbox)
