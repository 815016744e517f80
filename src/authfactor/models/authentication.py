"""Sign-ins, sessions, trusted devices, and the keys that sign access tokens."""

from typing import Literal

from authfactor.models.base import Record
from authfactor.models.tenants import UserRecord


class PendingSignIn(Record, frozen=True, gc=False):
    """A sign-in that waits for its code; `password_mark` no longer matches after a password change.

    `session_id` is the session that the completed sign-in replaces, if a refresh of it asked for a factor.
    `auth_method` is how the session began, None: by password. `invitation_id` is accepted with the session.
    `awaits` is what it waits for, None: a second factor.
    """

    user_id: str
    password_mark: bytes
    created_at: int
    expires_at: int
    spent_at: int | None
    session_id: str | None = None
    auth_method: str | None = None
    invitation_id: str | None = None
    awaits: str | None = None


class SignInStart(Record, frozen=True, gc=False):
    """How a sign-in began, None: by password; and the invitation that is accepted with its session."""

    auth_method: str | None = None
    invitation_id: str | None = None


class SessionRecord(Record, frozen=True, gc=False):
    """A user's session. `amr` holds authentication methods (RFC 8176), separated by spaces.

    `trusted_device_id` is the device that was accepted instead of a second factor, `browser_session_id` the
    hosted session it was made from. `client_kind` is `confidential` if its refresh needs the client's secret.
    """

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
    trusted_device_id: str | None = None
    browser_session_id: str | None = None
    client_kind: str | None = None


Unsatisfied = Literal["session_ended", "acr_too_low", "method_missing", "too_old"]
"""Why a session does not satisfy a check."""


class CheckedSession(Record, frozen=True, gc=False):
    """How a session was authenticated, and why that does not satisfy a check: `reason`, None if it does.

    Times in milliseconds; `age` in seconds, of the proof that was asked for, None if there was none.
    """

    session_id: str
    amr: tuple[str, ...]
    acr: str
    auth_time: int
    mfa_at: int | None
    age: int | None
    reason: Unsatisfied | None = None
    www_authenticate: str | None = None


class PastSignIn(Record, frozen=True, gc=False):
    """A session of a user's history, and whether it is still active."""

    session: SessionRecord
    is_active: bool


class RefreshToken(Record, frozen=True, gc=False):
    """A refresh token of a session. Once spent, its sealed successor is returned for a grace period."""

    session_id: str
    created_at: int
    spent_at: int | None
    successor: str | None


class TrustedDeviceRecord(Record, frozen=True, gc=False):
    """A browser or an app that replaces the second factor of its user until `expires_at` or `ended_at`.

    `source_id` is the session or the link it was made in. `mark` is a keyed digest of user, device, password
    hash, active factors and when devices were switched on: a device of another one of these is not trusted.
    """

    id: str
    user_id: str
    source_id: str
    mark: str
    name: str | None
    ip_address: str | None
    user_agent: str | None
    created_at: int
    last_used_at: int | None
    expires_at: int
    ended_at: int | None


class TrustedDeviceToken(Record, frozen=True, gc=False):
    """A token of a trusted device. Once spent, its sealed successor is returned for a grace period."""

    device_id: str
    created_at: int
    spent_at: int | None
    successor: str | None


DeviceStatus = Literal["active", "expired", "ended"]


class DeviceWithStatus(Record, frozen=True, gc=False):
    """A trusted device and whether it is trusted now."""

    device: TrustedDeviceRecord
    status: DeviceStatus


class IssuedDeviceToken(Record, frozen=True, gc=False):
    """A new token of a trusted device; `token` is the only copy."""

    device: TrustedDeviceRecord
    token: str

    def __repr__(self) -> str:
        """Omit the token, for logs and tracebacks."""
        return f"IssuedDeviceToken({self.device.id}, token=***)"


class SigningKey(Record, frozen=True, gc=False):
    """A key that signs access tokens. The private key is sealed; the key is published until `retired_at`."""

    id: str
    private_key: str
    certificate: str
    created_at: int
    signs_from: int
    retired_at: int | None


class PublicKey(Record, frozen=True, gc=False):
    """JWK members (RFC 7517): modulus, exponent, certificate in base64, its SHA-256 thumbprint."""

    n: str
    e: str
    certificate: str
    thumbprint: str


class NextDeviceToken(Record, frozen=True, gc=False, array_like=True):
    """The token to send next time, and when its device stops being trusted."""

    token: str
    expires_at: int


class SignedIn(Record, frozen=True, gc=False):
    """The result of a completed sign-in or refresh; `repeated`: of a sign-in that was completed before.

    `mfa_deadline`: the user must have enrolled by then; in milliseconds. `trusted_device`: the next token of
    the device that replaced the second factor.
    """

    user: UserRecord
    access_token: str
    refresh_token: str
    repeated: bool = False
    mfa_deadline: int | None = None
    trusted_device: NextDeviceToken | None = None
    auth_method: str = "password"
