"""What is sealed of a passkey: its public key, with what that belongs to (decision 0047)."""

from typing import NamedTuple

import msgspec


class SealedPasskey(NamedTuple):
    """What a factor's sealed secret holds: the public key, and what its row is bound to.

    All else in it is public. With the salt it is no TOTP secret that others could compute, for a release that
    knows no passkeys.
    """

    salt: bytes
    user_id: str
    rp_id: str
    credential_id: bytes
    algorithm: int
    public_key: bytes
    aaguid: str
    trust: str

    def written(self) -> bytes:
        """Return the content to seal."""
        return msgspec.json.encode(self)

    @classmethod
    def read(cls, content: bytes) -> "SealedPasskey":
        """Return what `written` wrote."""
        return msgspec.json.decode(content, type=cls)

    def __repr__(self) -> str:
        """Omit the content, for logs and tracebacks."""
        return "SealedPasskey(***)"
