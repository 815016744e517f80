"""The claims of access tokens."""

from typing import Any

from authfactor.models import Environment, SessionRecord
from authfactor.rules.authentication import session_state
from authfactor.settings import Settings


def of_session(
    session: SessionRecord, environment: Environment, settings: Settings, token_id: str, now: int
) -> dict[str, Any]:
    """Return the claims of a session's access token; `now` in milliseconds, the claims in seconds."""
    # Whole seconds, rounded down: PyJWT refuses a token whose `iat` is in the future.
    seconds = now // 1000
    claims: dict[str, Any] = {
        "iss": settings.base_url,
        "sub": session.user_id,
        "sid": session.id,
        "jti": token_id,
        "iat": seconds,
        "exp": seconds + settings.access_token_life,
        "client_id": environment.client_id,
        "auth_time": session.authenticated_at // 1000,
        "amr": session.amr.split(" "),
        "acr": session_state.acr_of(session),
    }
    if session.mfa_at is not None:
        claims["mfa_at"] = session.mfa_at // 1000
    return claims
