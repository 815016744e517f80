"""Rules of the console that `core` makes when they are first needed."""

import functools
from typing import TYPE_CHECKING

from authfactor.ids import IdGenerator

if TYPE_CHECKING:
    from authfactor.crypto.vault import Vault
    from authfactor.models import Clock, Entropy
    from authfactor.rules.audit.audit_log import AuditLog
    from authfactor.rules.authentication.password_hashing import PasswordHasher
    from authfactor.rules.console.actions import ConsoleActions
    from authfactor.rules.console.dashboard_counts import Dashboard
    from authfactor.rules.console.operator_set_up import OperatorSetUp
    from authfactor.rules.console.operator_sign_in import OperatorSignIn
    from authfactor.rules.console.operators import Operators
    from authfactor.rules.console.reauthentication import Reauthentication
    from authfactor.rules.factors.challenges import Challenges
    from authfactor.rules.factors.factors import Factors
    from authfactor.settings import Settings


class DeferredConsole:
    """Makes each of them once, from the attributes that `core.Authfactor` has."""

    audit: "AuditLog"
    challenges: "Challenges"
    clock: "Clock"
    entropy: "Entropy"
    factors: "Factors"
    hasher: "PasswordHasher"
    new_id: IdGenerator
    settings: "Settings"
    vault: "Vault"

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
    def operator_sign_in(self) -> "OperatorSignIn":
        """Sign-in of operators."""
        from authfactor.rules.console.known_devices import KnownDevices  # noqa: PLC0415 - for operators alone
        from authfactor.rules.console.operator_sign_in import OperatorSignIn  # noqa: PLC0415 - for operators alone

        return OperatorSignIn(
            self.clock,
            self.entropy,
            self.new_id,
            self.hasher,
            self.challenges,
            KnownDevices(self.clock, self.entropy, self.vault),
            self.audit,
            self.settings,
        )

    @functools.cached_property
    def console_actions(self) -> "ConsoleActions":
        """Audited actions of operators."""
        from authfactor.rules.console.actions import ConsoleActions  # noqa: PLC0415 - for pages of operators alone

        return ConsoleActions(self.clock, self.audit)

    @functools.cached_property
    def reauthentication(self) -> "Reauthentication":
        """Confirmation of dangerous actions with a code."""
        from authfactor.rules.console.reauthentication import Reauthentication  # noqa: PLC0415 - for pages of operators alone

        return Reauthentication(self.clock, self.entropy, self.challenges, self.audit)

    @functools.cached_property
    def dashboard(self) -> "Dashboard":
        """Counts for the console's dashboard."""
        from authfactor.rules.console.dashboard_counts import Dashboard  # noqa: PLC0415 - for pages of operators alone

        return Dashboard(self.clock)
