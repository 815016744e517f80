"""Sign-ins, sessions, and the keys that sign access tokens."""

from authfactor.models.base import Record
from authfactor.models.tenants import UserRecord


class PendingSignIn(Record, frozen=True, gc=False):
    """A sign-in that waits for its code. `password_mark` dies with the password it was made under."""

    user_id: str
    password_mark: bytes
    created_at: int
    expires_at: int
    spent_at: int | None


class SessionRecord(Record, frozen=True, gc=False):
    """A signed-in user. `amr` is words of RFC 8176 joined by spaces."""

    id: str
    user_id: str
    ip_address: str | None
    user_agent: str | None
    auth_method: str
    amr: str
    authenticated_at: int
    mfa_at: int | None
    last_active_at: int
    expires_at: int
    ended_at: int | None
    created_at: int
    updated_at: int


class RefreshToken(Record, frozen=True, gc=False):
    """One refresh token of a session; once spent, its sealed successors can be given again for a moment."""

    session_id: str
    created_at: int
    spent_at: int | None
    successor: str | None


class SigningKey(Record, frozen=True, gc=False):
    """A key that signs access tokens. The private key is sealed; it is published until `retired_at`."""

    id: str
    private_key: str
    certificate: str
    created_at: int
    signs_from: int
    retired_at: int | None


class PublicKey(Record, frozen=True, gc=False):
    """What verifies a token: modulus and exponent, the certificate in base64, its SHA-256 thumbprint."""

    n: str
    e: str
    certificate: str
    thumbprint: str


class SignedIn(Record, frozen=True, gc=False):
    """What a finished sign-in gives."""

    user: UserRecord
    access_token: str
    refresh_token: str
