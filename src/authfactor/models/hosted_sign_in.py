"""Records of hosted sign-in. Times are in milliseconds."""

from typing import Literal

from authfactor.models.base import Record

ScreenHint = Literal["sign-in", "sign-up"]
ClientKind = Literal["public", "confidential"]


class RedirectUriRecord(Record, frozen=True, gc=False):
    """A URI to which a sign-in may redirect, with at most one `*`."""

    id: str
    uri: str
    is_default: bool
    created_at: int
    updated_at: int


class CorsOriginRecord(Record, frozen=True, gc=False):
    """An origin whose pages may read the answers of `authenticate`."""

    id: str
    origin: str
    created_at: int
    updated_at: int


class AuthenticationProof(Record, frozen=True, gc=False):
    """How a user was authenticated: what a session says about it, and what must still be true later.

    `password_mark` is that of `rules.authentication.step_up`; `trusted_device_id` is the device that was
    accepted instead of a second factor.
    """

    user_id: str
    password_mark: bytes
    auth_method: str
    amr: str
    authenticated_at: int
    mfa_at: int | None = None
    trusted_device_id: str | None = None


class FlowRequest(Record, frozen=True, gc=False):
    """What an accepted authorization request asks for.

    `state` is as it was in the query string, still encoded; None: there was none. `prompt` is `login` or
    `select_account` or None. `max_age` in seconds.
    """

    redirect_uri: str
    state: str | None = None
    code_challenge: str | None = None
    screen_hint: ScreenHint = "sign-in"
    login_hint: str | None = None
    prompt: str | None = None
    max_age: int | None = None
    ip_address: str | None = None
    user_agent: str | None = None


class SignInFlow(Record, frozen=True, gc=False):
    """One visit of the sign-in pages.

    `proof` is what was proven so far, None before the first factor. `asks_again`: the user of the hosted
    session `browser_session_id` is asked again. `device_id`: it approves a device instead of redirecting.
    `factor_id` and `challenge_id` are for the second factor.
    """

    environment: int
    id: str
    request: FlowRequest
    device_id: str | None
    browser_session_id: str | None
    asks_again: bool
    email: str | None
    proof: AuthenticationProof | None
    factor_id: str | None
    challenge_id: str | None
    created_at: int
    expires_at: int
    completed_at: int | None


class AuthorizationCode(Record, frozen=True, gc=False):
    """What an authorization code is good for; `session_id` is what was made from it.

    `continues_session_id`: the session that goes on with a new `auth_time`.
    """

    environment: int
    redirect_uri: str
    code_challenge: str | None
    proof: AuthenticationProof
    ip_address: str | None
    user_agent: str | None
    browser_session_id: str
    continues_session_id: str | None
    created_at: int
    expires_at: int
    used_at: int | None = None
    session_id: str | None = None


class BrowserSession(Record, frozen=True, gc=False):
    """A hosted session: one browser that need not sign in again. `last_session_id` was made from it last."""

    id: str
    proof: AuthenticationProof
    last_session_id: str | None
    created_at: int
    last_active_at: int
    expires_at: int
    ended_at: int | None = None


class DeviceAuthorization(Record, frozen=True, gc=False):
    """A device without a browser that waits for its user. `poll_seconds`: at least, between two polls."""

    environment: int
    id: str
    user_code: str
    ip_address: str | None
    user_agent: str | None
    poll_seconds: int
    polled_at: int | None
    approved_at: int | None
    denied_at: int | None
    proof: AuthenticationProof | None
    browser_session_id: str | None
    created_at: int
    expires_at: int
    used_at: int | None = None
    session_id: str | None = None
