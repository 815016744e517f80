"""Response bodies. The contract fixes field names and which are always present; SDKs depend on both.

Keys that only this server sends (`reason`, `attempts_remaining`, `factor`, `challenge`, …) are additive:
every SDK ignores unknown keys.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from authfactor.models import (
    ChallengeRecord,
    CodeReason,
    Enrollment,
    FactorRecord,
    RecordPage,
    RefusalReason,
    UserRecord,
    Verification,
)
from authfactor.wire import timestamps

Timestamp = Annotated[
    str, Meta(description="UTC, ISO 8601, milliseconds", extra_json_schema={"format": "date-time"})
]
T = TypeVar("T")


class ResponseModel(msgspec.Struct, frozen=True, gc=False):
    """Base of all response bodies."""


class TotpObject(ResponseModel, frozen=True, gc=False):
    """The names shown in the authenticator app."""

    issuer: str
    user: str


class TotpEnrolled(ResponseModel, frozen=True, gc=False):
    """The names, and the secret in three forms: base32, QR code, URI. Returned only once."""

    issuer: str
    user: str
    secret: str
    qr_code: str
    uri: str


class AuthenticationFactor(
    ResponseModel, frozen=True, gc=False, kw_only=True, tag_field="object", tag="authentication_factor"
):
    """A factor without its secret; `totp` is there for that type."""

    id: str
    totp: TotpObject | UnsetType = UNSET
    created_at: Timestamp
    updated_at: Timestamp
    user_id: str | UnsetType = UNSET
    type: Literal["generic_otp", "sms", "totp", "webauthn"] = "totp"


class AuthenticationFactorEnrolled(
    ResponseModel, frozen=True, gc=False, tag_field="object", tag="authentication_factor"
):
    """A factor in the response that creates it, with its secret."""

    id: str
    totp: TotpEnrolled
    created_at: Timestamp
    updated_at: Timestamp
    user_id: str | UnsetType = UNSET
    type: Literal["generic_otp", "sms", "totp", "webauthn"] = "totp"


class PasskeyOptions(ResponseModel, frozen=True, gc=False):
    """What the page passes to `PublicKeyCredential.parseRequestOptionsFromJSON`."""

    public_key: dict[str, Any]


class AuthenticationChallengeObject(
    ResponseModel, frozen=True, gc=False, tag_field="object", tag="authentication_challenge"
):
    """A challenge; `expires_at` is always present (the Kotlin SDK 4 requires it)."""

    id: str
    authentication_factor_id: str
    expires_at: Timestamp
    created_at: Timestamp
    updated_at: Timestamp
    webauthn: PasskeyOptions | UnsetType = UNSET


class EnrollResponse(ResponseModel, frozen=True, gc=False):
    """The response to a user's enrollment: the same two objects under both pairs of names that SDKs read."""

    authentication_factor: AuthenticationFactorEnrolled
    authentication_challenge: AuthenticationChallengeObject
    factor: AuthenticationFactorEnrolled
    challenge: AuthenticationChallengeObject


class RaisedSessionReference(ResponseModel, frozen=True, gc=False):
    """The session that a right code has raised, and when."""

    id: str
    mfa_at: Timestamp


class VerifyResponse(ResponseModel, frozen=True, gc=False):
    """The result of verifying a code."""

    challenge: AuthenticationChallengeObject
    valid: bool
    reason: CodeReason | UnsetType = UNSET
    attempts_remaining: int | UnsetType = UNSET
    locked_until: Timestamp | UnsetType = UNSET
    recovery_codes_remaining: int | UnsetType = UNSET
    session: RaisedSessionReference | UnsetType = UNSET
    offset_seconds: int | UnsetType = UNSET


class UserObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="user"):
    """A user. All keys are always present, because some SDKs index them directly."""

    id: str
    email: str
    email_verified: bool
    first_name: str | None
    last_name: str | None
    name: str | None
    profile_picture_url: str | None
    external_id: str | None
    metadata: Annotated[
        Raw, Meta(extra_json_schema={"type": "object", "additionalProperties": {"type": "string"}})
    ]
    last_sign_in_at: Timestamp | None
    locale: str | None
    created_at: Timestamp
    updated_at: Timestamp


class ListMetadataObject(ResponseModel, frozen=True, gc=False):
    """Cursors to the previous and next page; null where there is none."""

    before: str | None
    after: str | None


class ListOf(ResponseModel, Generic[T], frozen=True, gc=False, tag_field="object", tag="list"):
    """One page of a list."""

    data: list[T]
    list_metadata: ListMetadataObject


class ErrorItemObject(ResponseModel, frozen=True, gc=False):
    """One thing wrong with a request."""

    field: str
    code: str
    message: str


class FactorReference(ResponseModel, frozen=True, gc=False):
    """A factor that can be challenged."""

    id: str
    type: str = "totp"


class ErrorBody(ResponseModel, frozen=True, gc=False):
    """All errors but OAuth's: always `message`, always `code` (except on 401), details where they help."""

    message: str
    code: str | UnsetType = UNSET
    reason: RefusalReason | UnsetType = UNSET
    offset_seconds: int | UnsetType = UNSET
    entity_id: str | UnsetType = UNSET
    errors: list[ErrorItemObject] | UnsetType = UNSET
    locked_until: Timestamp | UnsetType = UNSET
    retry_at: Timestamp | UnsetType = UNSET
    pending_authentication_token: str | UnsetType = UNSET
    authentication_factors: list[FactorReference] | UnsetType = UNSET
    authentication_challenge: AuthenticationChallengeObject | UnsetType = UNSET
    user: UserObject | UnsetType = UNSET
    methods: list[str] | UnsetType = UNSET
    email: str | UnsetType = UNSET
    email_verification_id: str | UnsetType = UNSET
    authkit_redirect_url: str | UnsetType = UNSET


class IdentityObject(ResponseModel, frozen=True, gc=False):
    """An account at a social provider; this server has none."""

    idp_id: str
    type: Literal["OAuth"]
    provider: str


class Alive(ResponseModel, frozen=True, gc=False):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Ready(ResponseModel, frozen=True, gc=False):
    """The process is ready."""

    status: Literal["ready"]
    schema: str | None


class OAuthErrorBody(ResponseModel, frozen=True, gc=False):
    """An error of a sign-in in the form of RFC 6749, section 5.2."""

    error: str
    error_description: str


def factor(record: FactorRecord) -> AuthenticationFactor:
    """Render a factor without its secret."""
    return AuthenticationFactor(
        id=record.id,
        totp=totp_names(record),
        created_at=timestamps.format_ms(record.created_at),
        updated_at=timestamps.format_ms(record.updated_at),
        user_id=record.user_id or UNSET,
        type=record.type,  # type: ignore[arg-type]  # of the literals
    )


def totp_names(record: FactorRecord) -> TotpObject | UnsetType:
    """Render what an authenticator app shows of a TOTP factor."""
    return TotpObject(record.issuer, record.account) if record.is_totp else UNSET


def factor_enrolled(enrollment: Enrollment) -> AuthenticationFactorEnrolled:
    """Render a new factor with its secret."""
    record = enrollment.factor
    return AuthenticationFactorEnrolled(
        record.id,
        TotpEnrolled(record.issuer, record.account, enrollment.secret, enrollment.qr_code, enrollment.uri),
        timestamps.format_ms(record.created_at),
        timestamps.format_ms(record.updated_at),
        record.user_id or UNSET,
    )


def challenge(record: ChallengeRecord) -> AuthenticationChallengeObject:
    """Render a challenge."""
    return AuthenticationChallengeObject(
        record.id,
        record.factor_id,
        timestamps.format_ms(record.expires_at),
        timestamps.format_ms(record.created_at),
        timestamps.format_ms(record.verified_at or record.created_at),
        UNSET if record.public_key is None else PasskeyOptions(record.public_key),
    )


def enrolled(enrollment: Enrollment) -> EnrollResponse:
    """Render the response to a user's enrollment. Raises `TypeError` without a challenge."""
    if enrollment.challenge is None:
        raise TypeError("a user's enrollment has a challenge")
    new_factor, new_challenge = factor_enrolled(enrollment), challenge(enrollment.challenge)
    return EnrollResponse(new_factor, new_challenge, new_factor, new_challenge)


def verification(outcome: Verification) -> VerifyResponse:
    """Render the result of verifying a code."""
    if outcome.valid:
        left, verified = outcome.recovery_codes_remaining, outcome.challenge
        return VerifyResponse(
            challenge(verified),
            valid=True,
            recovery_codes_remaining=UNSET if left is None else left,
            session=UNSET if verified.session_id is None else _raised(verified),
        )
    return VerifyResponse(
        challenge(outcome.challenge),
        valid=False,
        reason=outcome.reason or UNSET,
        attempts_remaining=UNSET if outcome.attempts_remaining is None else outcome.attempts_remaining,
        locked_until=UNSET if outcome.locked_until is None else timestamps.format_ms(outcome.locked_until),
        offset_seconds=UNSET if outcome.offset_seconds is None else outcome.offset_seconds,
    )


def _raised(verified: ChallengeRecord) -> RaisedSessionReference:
    """Render the session of a verified challenge, which was raised when that was verified."""
    raised_at = timestamps.format_ms(verified.verified_at or verified.created_at)
    return RaisedSessionReference(verified.session_id or "", raised_at)


def user(record: UserRecord) -> UserObject:
    """Render a user."""
    return UserObject(
        record.id,
        record.email,
        record.email_verified,
        record.first_name,
        record.last_name,
        record.name,
        record.profile_picture_url,
        record.external_id,
        Raw(record.metadata.encode()),
        timestamps.format_optional(record.last_sign_in_at),
        record.locale,
        timestamps.format_ms(record.created_at),
        timestamps.format_ms(record.updated_at),
    )


def factors(page: RecordPage[FactorRecord]) -> ListOf[AuthenticationFactor]:
    """Render a page of factors."""
    return ListOf([factor(item) for item in page.items], ListMetadataObject(page.before, page.after))


def users(page: RecordPage[UserRecord]) -> ListOf[UserObject]:
    """Render a page of users."""
    return ListOf([user(item) for item in page.items], ListMetadataObject(page.before, page.after))


def encode(body: Any) -> bytes:  # noqa: ANN401 - any response body
    """Encode a response body as JSON."""
    return _ENCODER.encode(body)


_ENCODER = msgspec.json.Encoder()
