"""How users prove a factor on a hosted page: a code, a recovery code, or any passkey (decision 0048)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from authfactor.models import ChallengeRecord, ProofMethod, Verification
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.factors.passkey_settings import relying_party_of
from authfactor.rules.unit import Scope
from authfactor.settings import Settings
from authfactor.webauthn import base64url, responses
from authfactor.webauthn.assertion_text import is_assertion

if TYPE_CHECKING:
    from authfactor.rules.factors.passkey_challenges import PasskeyChallenges
    from authfactor.rules.factors.passkey_use import PasskeyUse


class UnknownPasskey(NamedTuple):
    """A passkey that nothing here knows, so that the browser may delete it: RP ID, and credential id."""

    rp_id: str
    credential_id: str


class PageProof(NamedTuple):
    """The result of a proof. `unknown`: it was tried with a passkey that does not exist."""

    verification: Verification
    unknown: UnknownPasskey | None = None


class PageProofs:
    """Checks proofs, for challenges of any factor of a user."""

    def __init__(
        self,
        challenges: Challenges,
        settings: Settings,
        passkeys: "Callable[[], PasskeyChallenges]",
        use: "Callable[[], PasskeyUse]",
    ) -> None:
        """Keep the collaborators; pages open their challenges with `challenges`."""
        self.challenges = challenges
        self._settings = settings
        self._passkeys = passkeys
        self._use = use

    async def passkey_options(
        self, scope: Scope, challenge: ChallengeRecord | None, user_id: str
    ) -> dict[str, Any] | None:
        """Return with which options the page asks for a passkey; None if it cannot."""
        if challenge is None:
            return None
        return await self._passkeys().options_on_page(scope, challenge, user_id)

    async def check(self, scope: Scope, challenge_id: str, text: str, *, emit: bool = True) -> PageProof:
        """Check a proof. A wrong one is a result, counted as everywhere.

        `emit` False: the caller emits the event about a wrong one. Raises what verifying a challenge raises.
        """
        if not is_assertion(text):
            return PageProof(await self.challenges.check(scope, challenge_id, text, emit=emit))
        outcome = await self._passkeys().verify(scope, challenge_id, text, emit=emit, on_page=True)
        if outcome.reason != "webauthn_credential_unknown":
            return PageProof(outcome)
        return PageProof(outcome, await self._unknown(scope, text))

    async def _unknown(self, scope: Scope, text: str) -> UnknownPasskey | None:
        """Return a refused passkey if it is in no environment: else it would be deleted for the others."""
        credential_id = responses.read_assertion(text.strip().encode()).credential_id
        rp_id = relying_party_of(scope.environment, self._settings).rp_id
        if not await self._use().is_unknown(scope, rp_id, credential_id):
            return None
        return UnknownPasskey(rp_id, base64url.encode(credential_id))


def method_of(text: str, verification: Verification) -> ProofMethod:
    """Return which kind of proof was right."""
    if is_assertion(text):
        return "webauthn"
    return "totp" if verification.recovery_codes_remaining is None else "recovery_code"
