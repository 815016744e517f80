"""What the client returns: frozen, typed, and named as in the reference's Python section.

Moments are aware datetimes in UTC. Keys that a server adds later are ignored.
"""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")
Order = Literal["asc", "desc", "normal"]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything the client returns."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them: plain values, moments as text, absent fields left out."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made


class Totp(Model, frozen=True, kw_only=True):
    """Names shown in the authenticator app."""

    issuer: str
    user: str


class TotpExtended(Totp, frozen=True, kw_only=True):
    """Names and, in the answer that enrols and never again, the secret in three forms."""

    secret: str
    """Base32."""
    qr_code: str
    """A picture as a data URI, to be used as the source of an image."""
    uri: str
    """What the picture says: `otpauth://totp/…`."""

    def __repr__(self) -> str:
        """Keep the secret out of logs and tracebacks."""
        return f"TotpExtended(issuer={self.issuer!r}, user={self.user!r}, secret=***)"


class AuthenticationFactorTotp(Model, frozen=True, kw_only=True):
    """A factor as it can be read at any time: without its secret."""

    id: str
    created_at: datetime
    updated_at: datetime
    totp: Totp
    type: Literal["totp"]
    user_id: str | None = None
    object: Literal["authentication_factor"] = "authentication_factor"


class AuthenticationFactorTotpExtended(Model, frozen=True, kw_only=True):
    """A factor in the answer that creates it: with its secret."""

    id: str
    created_at: datetime
    updated_at: datetime
    totp: TotpExtended
    type: Literal["totp"]
    user_id: str | None = None
    object: Literal["authentication_factor"] = "authentication_factor"


class AuthenticationFactorReference(Model, frozen=True, kw_only=True):
    """A factor that can be challenged to finish a sign-in."""

    id: str
    type: Literal["totp"]


class AuthenticationChallenge(Model, frozen=True, kw_only=True):
    """A question put to one factor, open until `expires_at`."""

    id: str
    authentication_factor_id: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    object: Literal["authentication_challenge"] = "authentication_challenge"


class AuthenticationFactorTotpAndChallengeResponse(Model, frozen=True, kw_only=True):
    """A new factor of a user and its first challenge."""

    authentication_factor: AuthenticationFactorTotpExtended
    authentication_challenge: AuthenticationChallenge


class AuthenticationChallengeVerificationResponse(Model, frozen=True, kw_only=True):
    """Whether a code was right. A wrong code is an answer, not an exception."""

    challenge: AuthenticationChallenge
    valid: bool
    reason: str | None = None
    """Why not: `code_mismatch`, `code_already_used` or `clock_drift`."""
    attempts_remaining: int | None = None
    locked_until: datetime | None = None


class User(Model, frozen=True, kw_only=True):
    """A user of an application."""

    id: str
    email: str
    email_verified: bool
    created_at: datetime
    updated_at: datetime
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    profile_picture_url: str | None = None
    external_id: str | None = None
    last_sign_in_at: datetime | None = None
    locale: str | None = None
    metadata: dict[str, str] = {}
    object: Literal["user"] = "user"


class AuthenticationResponse(Model, frozen=True, kw_only=True):
    """A finished sign-in or refresh."""

    user: User
    access_token: str
    refresh_token: str
    authentication_method: str | None = None
    organization_id: str | None = None

    def __repr__(self) -> str:
        """Keep the tokens out of logs and tracebacks."""
        return f"AuthenticationResponse(user={self.user.id!r}, access_token=***, refresh_token=***)"


class Session(Model, frozen=True, kw_only=True):
    """A session."""

    id: str
    user_id: str
    status: Literal["active", "expired", "revoked"]
    auth_method: str
    expires_at: datetime
    created_at: datetime
    updated_at: datetime
    ip_address: str | None = None
    user_agent: str | None = None
    ended_at: datetime | None = None
    object: Literal["session"] = "session"


class Event(Model, frozen=True, kw_only=True):
    """Something that happened. `data` is the object it happened to, as JSON has it."""

    id: str
    event: str
    data: dict[str, Any]
    created_at: datetime
    context: dict[str, Any] = {}
    object: Literal["event"] = "event"


class WebhookEndpoint(Model, frozen=True, kw_only=True):
    """Where events are posted to, and the secret that signs them."""

    id: str
    endpoint_url: str
    secret: str
    status: Literal["enabled", "disabled"]
    events: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    object: Literal["webhook_endpoint"] = "webhook_endpoint"

    def __repr__(self) -> str:
        """Keep the secret out of logs and tracebacks."""
        return f"WebhookEndpoint(id={self.id!r}, endpoint_url={self.endpoint_url!r}, secret=***)"


class Jwk(Model, frozen=True, kw_only=True):
    """A public key that verifies access tokens (RFC 7517)."""

    kid: str
    kty: str
    n: str
    e: str
    alg: str = "RS256"
    use: str = "sig"
    x5c: tuple[str, ...] = ()
    thumbprint: str | None = msgspec.field(default=None, name="x5t#S256")


class Jwks(Model, frozen=True, kw_only=True):
    """The keys of an environment."""

    keys: tuple[Jwk, ...]


class ListMetadata(Model, frozen=True, kw_only=True):
    """Cursors to the neighbouring pages, None where there is none."""

    before: str | None = None
    after: str | None = None


class ListResponse(Model, Generic[T], frozen=True, kw_only=True):
    """One page as it comes over the wire."""

    data: tuple[T, ...]
    list_metadata: ListMetadata


class ErrorItem(Model, frozen=True, kw_only=True):
    """One thing wrong with a request."""

    code: str
    field: str | None = None
    message: str | None = None
