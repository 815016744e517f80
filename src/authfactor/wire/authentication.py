"""Response bodies of sessions, sign-ins and the JWKS."""

import base64
from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from authfactor.models import PublicKey, RecordPage, SessionRecord, SignedIn
from authfactor.wire import timestamps
from authfactor.wire.responses import ListMetadataObject, ListOf, ResponseModel, Timestamp, UserObject, user

AuthenticationMethod = Literal["Password", "Passkey", "MagicAuth"]
_METHODS: Final[dict[str, AuthenticationMethod]] = {"passkey": "Passkey", "magic_code": "MagicAuth"}


class MfaDeadlineObject(ResponseModel, frozen=True, gc=False):
    """The user must have enrolled in MFA by then to go on signing in."""

    required: Literal[True]
    deadline: Timestamp


class NextTrustedDeviceToken(ResponseModel, frozen=True, gc=False):
    """The token that the device sends next time; the one that was sent works no longer."""

    token: str
    expires_at: Timestamp


class AuthenticateResponse(ResponseModel, frozen=True, gc=False):
    """The response to a completed sign-in or refresh."""

    user: UserObject
    access_token: str
    refresh_token: str
    authentication_method: AuthenticationMethod = "Password"
    mfa: MfaDeadlineObject | UnsetType = UNSET
    trusted_device: NextTrustedDeviceToken | UnsetType = UNSET


class _StoredUser(msgspec.Struct, frozen=True, gc=False):
    id: str


class StoredSignIn(msgspec.Struct, frozen=True, gc=False):
    """A stored response of a sign-in: it has a session, only a user (a step-up), or neither (a refusal)."""

    user: _StoredUser | None = None
    access_token: str | None = None

    @property
    def user_id(self) -> str | None:
        """The user's id."""
        return None if self.user is None else self.user.id

    @property
    def session_id(self) -> str | None:
        """The session's id, from the access token; its signature is not checked, as it was stored sealed."""
        if self.access_token is None:
            return None
        payload = self.access_token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=="), type=_SessionClaim)
        return claims.sid


class _SessionClaim(msgspec.Struct, frozen=True, gc=False):
    sid: str


class SessionObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="session"):
    """A session."""

    id: str
    user_id: str
    ip_address: str | None
    user_agent: str | None
    auth_method: Literal[
        "cross_app_auth",
        "external_auth",
        "impersonation",
        "magic_code",
        "migrated_session",
        "oauth",
        "passkey",
        "password",
        "sso",
        "unknown",
    ]
    status: Literal["active", "expired", "revoked"]
    expires_at: Timestamp
    ended_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class JwkObject(ResponseModel, frozen=True, gc=False):
    """One public key (RFC 7517)."""

    kid: str
    n: str
    e: str
    x5c: list[str]
    thumbprint: str = msgspec.field(name="x5t#S256")
    alg: Literal["RS256"] = "RS256"
    kty: Literal["RSA"] = "RSA"
    use: Literal["sig"] = "sig"


class JwksResponse(ResponseModel, frozen=True, gc=False):
    """The keys that verify access tokens (RFC 7517 section 5)."""

    keys: list[JwkObject]


def session(record: SessionRecord, now: int) -> SessionObject:
    """Render a session with its status at `now` (milliseconds)."""
    status: Literal["active", "expired", "revoked"] = "active"
    if record.ended_at is not None:
        status = "revoked"
    elif record.expires_at <= now:
        status = "expired"
    return SessionObject(
        record.id,
        record.user_id,
        record.ip_address,
        record.user_agent,
        record.auth_method,  # type: ignore[arg-type]  # of the literals
        status,
        timestamps.format_ms(record.expires_at),
        timestamps.format_optional(record.ended_at),
        timestamps.format_ms(record.created_at),
        timestamps.format_ms(record.updated_at),
    )


def signed_in(result: SignedIn) -> AuthenticateResponse:
    """Render a completed sign-in."""
    tokens = result.access_token, result.refresh_token
    method = _METHODS.get(result.auth_method, "Password")
    answer = AuthenticateResponse(user(result.user), *tokens, method)
    if result.mfa_deadline is not None:
        mfa = MfaDeadlineObject(required=True, deadline=timestamps.format_ms(result.mfa_deadline))
        answer = msgspec.structs.replace(answer, mfa=mfa)
    if result.trusted_device is not None:
        token = result.trusted_device.token
        until = timestamps.format_ms(result.trusted_device.expires_at)
        answer = msgspec.structs.replace(answer, trusted_device=NextTrustedDeviceToken(token, until))
    return answer


def jwks(keys: list[tuple[str, PublicKey]]) -> JwksResponse:
    """Render a JWKS from (key id, key) pairs."""
    return JwksResponse(
        [JwkObject(key_id, key.n, key.e, [key.certificate], key.thumbprint) for key_id, key in keys]
    )


def sessions(page: RecordPage[SessionRecord], now: int) -> ListOf[SessionObject]:
    """Render a page of sessions with their status at `now` (milliseconds)."""
    return ListOf([session(item, now) for item in page.items], ListMetadataObject(page.before, page.after))
