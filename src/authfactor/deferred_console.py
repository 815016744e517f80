"""Rules of the console that `core` makes when they are first needed."""

import functools
from typing import TYPE_CHECKING

from authfactor.deferred_passkeys import DeferredPasskeys
from authfactor.ids import IdGenerator

if TYPE_CHECKING:
    from authfactor.crypto.vault import Vault
    from authfactor.models import Clock, Entropy
    from authfactor.rules.audit.audit_log import AuditLog
    from authfactor.rules.authentication.password_hashing import PasswordHasher
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
    from authfactor.rules.factors.challenges import Challenges
    from authfactor.rules.factors.factors import Factors
    from authfactor.settings import Settings


class DeferredConsole(DeferredPasskeys):
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
