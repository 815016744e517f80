"""Request and response bodies of checks, challenges and reauthentications of a session."""

from typing import Annotated, Final

from msgspec import UNSET, Meta, UnsetType

from authfactor.models import CheckedSession, Unsatisfied
from authfactor.wire import timestamps
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ResponseModel, Timestamp

IpAddress = Annotated[
    str | None, Meta(description="IP address of the user's browser, which limits on wrong passwords count.")
]

METHODS: Final = ("pwd", "email", "otp", "recovery_code", "mfa", "pop", "user")
"""The methods that a check may ask for."""


class CheckSession(RequestModel, frozen=True, gc=False, forbid_unknown_fields=True):
    """Check how, and how long ago, a session's user proved who they are.

    A misspelled requirement must not be satisfied, and no official SDK sends this.
    """

    max_age: Annotated[
        int | None,
        Meta(
            description="Seconds since the last proof, at most: of a second factor if `acr` or `methods` ask"
            " for one, else of the password. 0 is never satisfied.",
            extra_json_schema={"minimum": 0, "maximum": 315360000},
        ),
    ] = None
    acr: Annotated[
        str | None,
        Meta(
            description="The class that is needed: one step, two steps, or phishing resistant.",
            extra_json_schema={
                "enum": ["urn:authfactor:acr:1", "urn:authfactor:acr:2", "urn:authfactor:acr:3"]
            },
        ),
    ] = None
    methods: Annotated[
        list[str] | None,
        Meta(
            description="Values of `amr` that are needed, all of them.",
            extra_json_schema={"items": {"type": "string", "enum": list(METHODS)}},
        ),
    ] = None


class ChallengeSession(RequestModel, frozen=True, gc=False):
    """Create a challenge that raises a session."""

    factor_id: Annotated[
        str | None, Meta(description="An active factor of the session's user. Default: the newest.")
    ] = None
    allow_recovery: Annotated[
        bool | None, Meta(description="Whether a recovery code raises the session too. Default: false.")
    ] = None


class ReauthenticateSession(RequestModel, frozen=True, gc=False):
    """Check the password of a session's user again."""

    password: str | None = None
    ip_address: IpAddress = None
    user_agent: str | None = None


class SessionCheckObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="session_check"):
    """Whether a session satisfies what was asked, and what it has.

    `age` is in seconds. `reason` and `www_authenticate` are present only if it does not.
    """

    session_id: str
    satisfied: bool
    amr: list[str]
    acr: str
    auth_time: Timestamp
    mfa_at: Timestamp | None
    age: int | None
    reason: Unsatisfied | UnsetType = UNSET
    www_authenticate: Annotated[
        str | UnsetType,
        Meta(description="A value for the header `WWW-Authenticate` of a 401 (RFC 9470, RFC 6750)."),
    ] = UNSET


def checked(found: CheckedSession) -> SessionCheckObject:
    """Render a check."""
    return SessionCheckObject(
        found.session_id,
        found.reason is None,
        list(found.amr),
        found.acr,
        timestamps.format_ms(found.auth_time),
        timestamps.format_optional(found.mfa_at),
        found.age,
        found.reason or UNSET,
        UNSET if found.www_authenticate is None else found.www_authenticate,
    )
