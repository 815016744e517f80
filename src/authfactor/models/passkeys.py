"""Passkeys and their ceremonies; imported when a passkey is used."""

from authfactor.models.base import Record


class PasskeyRecord(Record, frozen=True, gc=False):
    """A passkey: what is stored of it besides its factor, whose sealed secret has the public key.

    `transports` are separated by spaces; `suspect_at` is when its counter went back.
    """

    factor_id: str
    user_id: str
    rp_id: str
    credential_id: bytes
    sign_count: int
    aaguid: str
    transports: str
    backup_eligible: bool
    backed_up: bool
    discoverable: bool | None
    attachment: str | None
    format: str
    trust: str
    suspect_at: int | None = None


class PasskeyFactor(Record, frozen=True, gc=False):
    """The factor of a passkey; `sealed` is what its row is bound to."""

    id: str
    user_id: str
    issuer: str
    account: str
    sealed: str
    name: str | None
    created_at: int


class PasskeyCeremony(Record, frozen=True, gc=False):
    """An open ceremony: one challenge, for one purpose and user, used once."""

    id: str
    purpose: str
    user_id: str | None
    name: str | None
    challenge: bytes
    expires_at: int
    used_at: int | None = None

    def __repr__(self) -> str:
        """Omit the challenge, for logs and tracebacks."""
        return f"PasskeyCeremony({self.id}, ***)"
