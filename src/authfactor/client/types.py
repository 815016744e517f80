"""The types that the client returns, named as in the Python section of the API reference.

Times are datetimes with the time zone UTC. Fields that a newer server adds are ignored.
"""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")
Order = Literal["asc", "desc", "normal"]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Base class of the returned objects. Instances are immutable."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values, with times as ISO 8601 strings."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields


class Totp(Model, frozen=True, kw_only=True):
    """The names that the authenticator app shows."""

    issuer: str
    user: str


class TotpExtended(Totp, frozen=True, kw_only=True):
    """The names and the secret, in three forms. Only the response to an enrollment has the secret."""

    secret: str
    """The secret in base32."""
    qr_code: str
    """A QR code of `uri`: a PNG image as a `data:` URI, for the `src` of an `<img>`."""
    uri: str
    """The key URI, `otpauth://totp/…`."""

    def __repr__(self) -> str:
        """Omit the secret, for logs and tracebacks."""
        return f"TotpExtended(issuer={self.issuer!r}, user={self.user!r}, secret=***)"


class AnyAuthenticationFactor(Model, frozen=True, kw_only=True):
    """A factor of any type. `totp` is None for a passkey, whose type is `webauthn`."""

    id: str
    created_at: datetime
    updated_at: datetime
    type: Literal["totp", "webauthn"]
    totp: Totp | None = None
    user_id: str | None = None
    object: Literal["authentication_factor"] = "authentication_factor"


class AuthenticationFactorTotp(AnyAuthenticationFactor, frozen=True, kw_only=True):
    """A TOTP factor, without its secret."""

    totp: Totp
    type: Literal["totp"]


class AuthenticationFactorTotpExtended(Model, frozen=True, kw_only=True):
    """A new factor, with its secret."""

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
    type: Literal["totp", "webauthn"]


class PasskeyChallengeOptions(Model, frozen=True, kw_only=True):
    """Options for the browser, to answer the challenge of a passkey."""

    public_key: dict[str, Any]
    """For `PublicKeyCredential.parseRequestOptionsFromJSON`."""


class AuthenticationChallenge(Model, frozen=True, kw_only=True):
    """A challenge of a factor: one code verifies it, until `expires_at`."""

    id: str
    authentication_factor_id: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    webauthn: PasskeyChallengeOptions | None = None
    """Of a passkey, while the challenge is open. Its `code` is the JSON of what the browser returns."""
    object: Literal["authentication_challenge"] = "authentication_challenge"


class AuthenticationFactorTotpAndChallengeResponse(Model, frozen=True, kw_only=True):
    """A new factor of a user and its first challenge."""

    authentication_factor: AuthenticationFactorTotpExtended
    authentication_challenge: AuthenticationChallenge


class RaisedSession(Model, frozen=True, kw_only=True):
    """The session that a right code has raised, and when."""

    id: str
    mfa_at: datetime


class AuthenticationChallengeVerificationResponse(Model, frozen=True, kw_only=True):
    """The result of verifying a code; a wrong code has `valid` False and a `reason`."""

    challenge: AuthenticationChallenge
    valid: bool
    reason: str | None = None
    """If not valid: `code_mismatch`, `code_already_used`, `clock_drift`, or, not counted, `code_malformed`:
    not a code, and `method_not_allowed`: the policy leaves out this kind of code."""
    attempts_remaining: int | None = None
    """If not valid: attempts left on this challenge."""
    locked_until: datetime | None = None
    """If this code locked the user: when the lock ends."""
    recovery_codes_remaining: int | None = None
    """If the code was a recovery code: how many are left."""
    session: RaisedSession | None = None
    """If the challenge belonged to a session, and the code was right."""
    offset_seconds: int | None = None
    """If the reason is `clock_drift`: how far the phone's clock is behind, negative, in steps of 30 s."""


class Passkey(Model, frozen=True, kw_only=True):
    """What is known of a passkey. An AAGUID names a model of authenticator, unless it is all zeros."""

    aaguid: str
    product: str | None = None
    """Name of that model, None for an unknown one."""
    backup_eligible: bool
    backed_up: bool
    name: str | None = None
    transports: tuple[str, ...] = ()


class FactorProfile(Model, frozen=True, kw_only=True):
    """How the codes of an imported factor are made; `period` in seconds."""

    algorithm: Literal["SHA1", "SHA256", "SHA512"]
    digits: int
    period: int


class UserFactor(Model, frozen=True, kw_only=True):
    """A factor of any type, with its name, its state, and the time of its last use."""

    id: str
    type: str
    state: Literal["pending", "active", "suspect"]
    """`suspect`: a passkey whose counter went back, refused because it may be a copy."""
    created_at: datetime
    updated_at: datetime
    user_id: str | None = None
    name: str | None = None
    totp: Totp | None = None
    profile: FactorProfile | None = None
    """For an imported factor that has not the usual profile: SHA-1, 6 digits and 30 seconds."""
    webauthn: Passkey | None = None
    last_used_at: datetime | None = None
    object: Literal["authentication_factor"] = "authentication_factor"


class User(Model, frozen=True, kw_only=True):
    """A user of your application."""

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


class MfaDeadline(Model, frozen=True, kw_only=True):
    """The user must enroll a factor by `deadline`."""

    required: bool
    deadline: datetime


class TrustedDeviceNextToken(Model, frozen=True, kw_only=True):
    """The token that a trusted device sends at its next sign-in; the one it has sent works no longer."""

    token: str
    expires_at: datetime
    """When the device stops being trusted."""

    def __repr__(self) -> str:
        """Omit the token, for logs and tracebacks."""
        return "TrustedDeviceNextToken(token=***)"


class AuthenticationResponse(Model, frozen=True, kw_only=True):
    """The result of a completed sign-in or a token refresh."""

    user: User
    access_token: str
    refresh_token: str
    authentication_method: str | None = None
    organization_id: str | None = None
    mfa: MfaDeadline | None = None
    """If the user must enroll by a deadline to go on signing in."""
    trusted_device: TrustedDeviceNextToken | None = None
    """If the code was the token of a trusted device: the next one."""

    def __repr__(self) -> str:
        """Omit the tokens, for logs and tracebacks."""
        return f"AuthenticationResponse(user={self.user.id!r}, access_token=***, refresh_token=***)"


class Session(Model, frozen=True, kw_only=True):
    """A session of a user: a completed sign-in that can be refreshed."""

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
    """An event. `data` is the JSON of the object that it is about."""

    id: str
    event: str
    data: dict[str, Any]
    created_at: datetime
    context: dict[str, Any] = {}
    object: Literal["event"] = "event"


class WebhookEndpoint(Model, frozen=True, kw_only=True):
    """A webhook endpoint: the URL to which events are posted, and the secret that signs them."""

    id: str
    endpoint_url: str
    secret: str
    status: Literal["enabled", "disabled"]
    events: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    object: Literal["webhook_endpoint"] = "webhook_endpoint"

    def __repr__(self) -> str:
        """Omit the secret, for logs and tracebacks."""
        return f"WebhookEndpoint(id={self.id!r}, endpoint_url={self.endpoint_url!r}, secret=***)"


class WebhookDelivery(Model, frozen=True, kw_only=True):
    """The delivery of one event to one webhook endpoint, as it was when it was queued."""

    id: str
    endpoint_id: str
    event_id: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    due_at: datetime
    created_at: datetime
    updated_at: datetime
    event: str | None = None
    user_id: str | None = None
    last_status: int | None = None
    last_error: str | None = None
    object: Literal["webhook_delivery"] = "webhook_delivery"


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
    """The public keys of an environment."""

    keys: tuple[Jwk, ...]


class ListMetadata(Model, frozen=True, kw_only=True):
    """Cursors to the previous and the next page; None if there is no such page."""

    before: str | None = None
    after: str | None = None


class ListResponse(Model, Generic[T], frozen=True, kw_only=True):
    """The response for one page of a list."""

    data: tuple[T, ...]
    list_metadata: ListMetadata


class ErrorItem(Model, frozen=True, kw_only=True):
    """One invalid field of a request."""

    code: str
    field: str | None = None
    message: str | None = None
