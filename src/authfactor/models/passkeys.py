"""Passkeys and their ceremonies; imported when a passkey is used."""

from authfactor.models.base import Record
from authfactor.models.factors import PASSKEY, FactorDetails


class PasskeyRecord(Record, frozen=True, gc=False):
    """A passkey: what is stored of it besides its factor, whose sealed secret has the public key.

    `transports` are separated by spaces; `suspect_at` is when its counter went back; `product` is what
    loaded metadata calls its model, or the name of a widespread product.
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
    product: str | None = None

    @property
    def is_suspect(self) -> bool:
        """Whether it is refused because its counter went back; those that are backed up may not count."""
        return self.suspect_at is not None and not self.backup_eligible


class AuthenticatorModel(Record, frozen=True, gc=False):
    """What loaded metadata says about the authenticators of an AAGUID.

    `is_hardware`: keys are protected by hardware alone. `status` is why authenticators of this model are not
    to be trusted from `refused_from` (milliseconds) on. `roots` are the certificates (DER) that issue those
    of its attestations.
    """

    aaguid: str
    description: str
    is_hardware: bool
    status: str | None
    refused_from: int | None
    roots: tuple[bytes, ...]

    def is_refused(self, now: int) -> bool:
        """Whether authenticators of this model are not to be trusted."""
        return self.refused_from is not None and self.refused_from <= now


class MetadataHead(Record, frozen=True, gc=False):
    """Which metadata is loaded: serial number, when the next is due and when it was loaded, and its SHA-256.

    Times in milliseconds; `models` is how many it describes.
    """

    number: int
    next_update: int
    loaded_at: int
    sha256: str
    models: int


class PasskeyFactor(Record, frozen=True, gc=False):
    """The factor of a passkey; `sealed` is what its row is bound to."""

    id: str
    user_id: str
    issuer: str
    account: str
    sealed: str
    name: str | None
    created_at: int

    @property
    def details(self) -> FactorDetails:
        """The row of `factors`: active from the start."""
        return FactorDetails(
            id=self.id,
            user_id=self.user_id,
            issuer=self.issuer,
            account=self.account,
            secret=self.sealed,
            activated_at=self.created_at,
            last_step=0,
            created_at=self.created_at,
            updated_at=self.created_at,
            type=PASSKEY,
            name=self.name,
        )


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
