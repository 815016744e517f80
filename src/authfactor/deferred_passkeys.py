"""Rules of passkeys that `core` makes when they are first needed."""

import functools
from typing import TYPE_CHECKING

from authfactor.ids import IdGenerator

if TYPE_CHECKING:
    from authfactor.crypto.vault import Vault
    from authfactor.models import Clock, Entropy
    from authfactor.rules.authentication.passkey_sign_in import PasskeySignIn
    from authfactor.rules.authentication.password_attempts import PasswordAttempts
    from authfactor.rules.authentication.password_hashing import PasswordHasher
    from authfactor.rules.authentication.session_checks import SessionChecks
    from authfactor.rules.authentication.sessions import Sessions
    from authfactor.rules.authentication.step_up import StepUp
    from authfactor.rules.events.event_log import EventLog
    from authfactor.rules.factors.authenticator_metadata import AuthenticatorMetadata
    from authfactor.rules.factors.challenges import Challenges
    from authfactor.rules.factors.factors import Factors
    from authfactor.rules.factors.fresh_proofs import FreshProofs
    from authfactor.rules.factors.passkey_challenges import PasskeyChallenges
    from authfactor.rules.factors.passkey_signals import PasskeySignaling
    from authfactor.rules.factors.passkey_use import PasskeyUse
    from authfactor.rules.factors.passkeys import Passkeys
    from authfactor.settings import Settings


class DeferredPasskeys:
    """Makes each of them once, from the attributes that `core.Authfactor` has."""

    attempts: "PasswordAttempts"
    challenges: "Challenges"
    hasher: "PasswordHasher"
    clock: "Clock"
    entropy: "Entropy"
    events: "EventLog"
    factors: "Factors"
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
