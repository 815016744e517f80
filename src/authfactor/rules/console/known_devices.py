"""Devices on which an operator has signed in before, recognized by a cookie (decision 0034).

The cookie proves nothing but that: it gives its browser attempts of its own, which strangers cannot use up,
and a plain answer while codes are locked. It is a random id, an expiry time and a keyed digest over both, the
operator and the operator's factor, so a reset of the operator ends it. Nothing is stored.
"""

from typing import Final

from authfactor.crypto.vault import Vault
from authfactor.models import Clock, Entropy, Operator

LIFE_SECONDS: Final = 180 * 24 * 3600
ID_BYTES: Final = 16
_PURPOSE: Final = "known device"


class KnownDevices:
    """Issues and recognizes the tokens of devices."""

    def __init__(self, clock: Clock, entropy: Entropy, vault: Vault) -> None:
        """Keep the collaborators; time and randomness come from `clock` and `entropy` alone."""
        self._clock = clock
        self._entropy = entropy
        self._vault = vault

    def issue(self, operator: Operator) -> str:
        """Return a token for the device on which an operator has just signed in."""
        device, expires_at = self._entropy(ID_BYTES).hex(), self._clock() + LIFE_SECONDS * 1000
        digest = self._vault.digest(_PURPOSE, _text(operator, device, str(expires_at)))
        return f"{device}.{expires_at}.{digest}"

    def recognize(self, operator: Operator | None, token: str | None) -> str | None:
        """Return the id of an operator's known device; None for any other token, and after it has expired."""
        device, _, rest = (token or "").partition(".")
        expires_at, _, digest = rest.partition(".")
        if operator is None or not self._vault.has_made(
            digest, _PURPOSE, _text(operator, device, expires_at)
        ):
            return None
        return device if int(expires_at) > self._clock() else None


def _text(operator: Operator, device: str, expires_at: str) -> str:
    return "\0".join((operator.id, operator.factor_id or "", device, expires_at))
