"""What a session amounts to: whether it is alive, its methods (`amr`) and their class (`acr`)."""

from typing import TYPE_CHECKING, Any, Final

from authfactor.models import Environment, SessionRecord
from authfactor.settings import Settings

if TYPE_CHECKING:
    from authfactor.otp.recovery_code import Method

ACR_VALUES: Final = ("urn:authfactor:acr:1", "urn:authfactor:acr:2", "urn:authfactor:acr:3")
"""One step, two steps, phishing resistant. Each includes those before it."""
TWO_STEPS: Final = 2
PHISHING_RESISTANT: Final = 3

ONE_STEP: Final = "pwd"
BY_TOTP: Final = "pwd otp mfa"
# RFC 8176 registers no value for a recovery code, nor for a code that was mailed.
BY_RECOVERY_CODE: Final = "pwd recovery_code mfa"
BY_TRUSTED_DEVICE: Final = "pwd trusted_device"
BY_MAGIC_CODE: Final = "email"
AMR: "Final[dict[Method, str]]" = {
    "totp": BY_TOTP,
    "recovery_code": BY_RECOVERY_CODE,
    "trusted_device": BY_TRUSTED_DEVICE,
    "webauthn": "pwd pop user mfa",
}
_AUTH_METHODS: Final = {ONE_STEP: "password", BY_MAGIC_CODE: "magic_code"}
MAGIC_CODE: Final = _AUTH_METHODS[BY_MAGIC_CODE]

SECOND_FACTOR_AMR: "Final[dict[Method, str]]" = {
    "totp": "otp mfa",
    "recovery_code": "recovery_code mfa",
    "webauthn": "pop user mfa",
}
"""What a proof adds to the methods of a session that it raises; RFC 8176 has no value for a recovery code."""


def acr_level(session: SessionRecord) -> int:
    """Return the class of a session's authentication, from 1; `ACR_VALUES` has the value of each."""
    if session.mfa_at is None:
        return 1
    # `pop`: proof of possession of a key, which a passkey gives (OpenID EAP ACR Values 1.0).
    return PHISHING_RESISTANT if "pop" in session.amr.split(" ") else TWO_STEPS


def acr_of(session: SessionRecord) -> str:
    """Return a session's authentication context class."""
    return ACR_VALUES[acr_level(session) - 1]


def add_methods(amr: str, added: str) -> str:
    """Return the methods of both, separated by spaces; those of `amr` first and none twice."""
    return " ".join(dict.fromkeys([*amr.split(" "), *added.split(" ")]))


def is_alive(session: SessionRecord, settings: Settings, now: int) -> bool:
    """Return whether a session is neither ended nor expired nor idle for too long at `now` (milliseconds)."""
    return session.ended_at is None and not is_expired(session, settings, now)


def is_expired(session: SessionRecord, settings: Settings, now: int) -> bool:
    """Return whether a session has expired or was idle for too long, whether or not it was ended before."""
    return session.expires_at <= now or session.last_active_at <= idle_since(settings, now)


def idle_since(settings: Settings, now: int) -> int:
    """Return the time (milliseconds) at which a session must have been active after; -1 without a limit."""
    idle = settings.session_inactivity * 1000
    return now - idle if idle else -1


def begun_by(auth_method: str | None, amr: str) -> str:
    """Return the methods `amr` of a sign-in by password for one that began with a magic code, if it did."""
    return amr if auth_method is None else f"{BY_MAGIC_CODE}{amr.removeprefix(ONE_STEP)}"


def auth_method_of(amr: str) -> str:
    """Return what the API calls the first method of a session."""
    return _AUTH_METHODS.get(amr.partition(" ")[0], "passkey")


def has_second_factor(amr: str) -> bool:
    """Return whether the methods are those of two factors."""
    return "mfa" in amr.split(" ")


def claims_of(
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
        "acr": acr_of(session),
    }
    if session.mfa_at is not None:
        claims["mfa_at"] = session.mfa_at // 1000
    return claims
