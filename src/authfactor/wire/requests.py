"""Request bodies. Null means absent, and so does "" for names. Unknown fields are ignored.

A model that no official SDK sends may forbid them.

Fields that the WorkOS API knows and this server does not serve are refused where ignoring them would be less
secure than expected.

SDKs send more than documented (contract section 1.1): extra keys, explicit nulls, empty strings, and `null`
or `[]` for an empty body. All of this is tolerated here and only here.
"""

from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar, cast, get_args
from urllib.parse import parse_qsl

import msgspec
from msgspec import UNSET, Meta, UnsetType

from authfactor.errors import InvalidRequest, Item, MalformedBody

B = TypeVar("B", bound="RequestModel")
MAX_UNKNOWN: Final = 10
MAX_SHOWN: Final = 64
_ABSENT: tuple[object, ...] = (None, "")
_NO_FIELDS = frozenset({b"", b"null", b"[]", b"{}"})
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class RequestModel(msgspec.Struct, frozen=True, gc=False):
    """Base of all request bodies.

    `NOT_SERVED` names the fields that are refused, because ignoring one would narrow, bind or secure less
    than the caller asked for (decision 0039). They are decoded, but are not in the OpenAPI document.
    """

    NOT_SERVED: ClassVar[tuple[str, ...]] = ()


class EnrollUserFactor(RequestModel, frozen=True, gc=False):
    """Enroll a factor of a user."""

    type: Annotated[str | None, Meta(description="Only `totp`.", extra_json_schema={"const": "totp"})] = None
    totp_issuer: Annotated[
        str | None, Meta(description="Name of your application; default: the team name.")
    ] = None
    totp_user: Annotated[str | None, Meta(description="Account name; default: the user's email.")] = None
    totp_secret: Annotated[
        str | None,
        Meta(description="Base32 shared secret for SHA-1, 6 digits, 30 seconds; generated when absent."),
    ] = None


class EnrollFactor(RequestModel, frozen=True, gc=False):
    """Enroll a stand-alone factor."""

    type: Annotated[
        str | None,
        Meta(description="Only `totp`.", extra_json_schema={"enum": ["generic_otp", "sms", "totp"]}),
    ] = None
    phone_number: str | None = None
    totp_issuer: str | None = None
    totp_user: str | None = None
    user_id: str | None = None
    totp_secret: Any = None

    NOT_SERVED = ("totp_secret",)


class ChallengeFactor(RequestModel, frozen=True, gc=False):
    """Create a challenge; the template is for SMS and is ignored."""

    sms_template: str | None = None


class ChallengeFactorById(RequestModel, frozen=True, gc=False):
    """Create a challenge through the legacy route (before 2022)."""

    authentication_factor_id: str | None = None
    sms_template: str | None = None


class VerifyChallenge(RequestModel, frozen=True, gc=False):
    """Verify a challenge."""

    code: Annotated[str | None, Meta(description="The six digits, or a recovery code.")] = None


class VerifyChallengeById(RequestModel, frozen=True, gc=False):
    """Verify a challenge through the legacy route (before 2022)."""

    authentication_challenge_id: str | None = None
    code: str | None = None


class RenameFactor(RequestModel, frozen=True, gc=False):
    """Name a factor."""

    name: Annotated[
        str | UnsetType | None,
        Meta(description="At most 64 characters, such as the name of the phone; null removes the name."),
    ] = UNSET


HashType = Literal["bcrypt", "firebase-scrypt", "ssha", "ssha256", "scrypt", "pbkdf2", "argon2"]
Metadata = dict[str, str | None]


class CreateUser(RequestModel, frozen=True, gc=False):
    """Create a user with a password, an imported password hash, or neither."""

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    email_verified: bool | None = None
    external_id: str | None = None
    metadata: Metadata | None = None
    locale: str | None = None
    password: str | None = None
    password_hash: str | None = None
    password_hash_type: HashType | None = None
    password_salt_position: Literal["prefix", "suffix"] | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    signals_id: str | None = None


class UpdateUser(RequestModel, frozen=True, gc=False):
    """Update a user. Absent fields are unchanged; null clears `external_id`, `metadata` and `locale`."""

    email: str | None = None
    first_name: str | UnsetType | None = UNSET
    last_name: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    email_verified: bool | None = None
    external_id: str | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    locale: str | UnsetType | None = UNSET
    password: str | None = None
    password_hash: str | None = None
    password_hash_type: HashType | None = None
    password_salt_position: Literal["prefix", "suffix"] | None = None


class Authenticate(RequestModel, frozen=True, gc=False):
    """Sign in: the fields of all supported grants."""

    grant_type: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    email: str | None = None
    password: str | None = None
    code: str | None = None
    pending_authentication_token: str | None = None
    authentication_challenge_id: str | None = None
    refresh_token: str | None = None
    code_verifier: str | None = None
    device_code: str | None = None
    authentication_id: str | None = None
    credential: Annotated[
        dict[str, Any] | str | None,
        Meta(
            description="What the browser returned: `PublicKeyCredential.toJSON()` of a passkey.",
            extra_json_schema={"type": "object"},
        ),
    ] = None
    ip_address: str | None = None
    user_agent: str | None = None
    invitation_token: Annotated[
        str | None, Meta(description="Of an open invitation, which the user accepts with the session.")
    ] = None
    organization_id: Any = None
    link_authorization_code: Any = None
    radar_auth_attempt_id: Any = None

    NOT_SERVED = ("organization_id", "link_authorization_code", "radar_auth_attempt_id")


class RevokeSession(RequestModel, frozen=True, gc=False):
    """Revoke a session."""

    session_id: str | None = None


def unknown(name: str) -> Item:
    """Return the item for a parameter or a field that the endpoint does not have."""
    shown = name[:MAX_SHOWN]
    return Item(shown, "parameter_unknown", f"{shown}: not a parameter of this endpoint.")


_DECODERS: dict[type[RequestModel], msgspec.json.Decoder[Any]] = {}


def refuse_not_served(body: RequestModel) -> None:
    """Raise `InvalidRequest` with an item for each field that is given but not served."""
    given = [name for name in body.NOT_SERVED if getattr(body, name) not in _ABSENT]
    if given:
        raise InvalidRequest(*map(not_supported, given))


def not_supported(name: str) -> Item:
    """Return the item for a parameter that is refused, because it cannot be ignored safely."""
    return Item(name, f"{name}_not_supported", f"{name}: not supported by this server, and never ignored.")


def read(shape: type[B], body: bytes) -> B:
    """Decode a JSON body.

    Raises `MalformedBody` for anything but a JSON object, and `InvalidRequest` with one item per field of a
    wrong type.
    """
    if body.strip() in _NO_FIELDS:
        return shape()
    decoder = _DECODERS.get(shape)
    if decoder is None:
        decoder = _DECODERS[shape] = msgspec.json.Decoder(shape)
    try:
        return cast("B", decoder.decode(body))
    except msgspec.ValidationError as error:
        raise _validation_error(shape, body) from error
    except _NOT_JSON as error:
        raise MalformedBody(message="The request body is not valid JSON.") from error


def read_form(shape: type[B], body: bytes) -> B:
    """Decode a form (`application/x-www-form-urlencoded`); the last value of a repeated name wins.

    Raises `MalformedBody` for bytes that are not valid UTF-8.
    """
    try:
        pairs = dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict"))
    except ValueError as error:
        raise MalformedBody(message="The request body is not a valid form.") from error
    return msgspec.convert(pairs, shape)


def _validation_error(shape: type[RequestModel], body: bytes) -> InvalidRequest:
    """Return an error that names wrong fields, never a value, which may be a secret."""
    try:
        fields = msgspec.json.decode(body)
    except _NOT_JSON:
        # The decoder reported a wrong field before it reached the syntax error.
        return MalformedBody(message="The request body is not valid JSON.")
    if not isinstance(fields, dict):
        return MalformedBody(message="The request body must be a JSON object.")
    items = []
    for field in msgspec.structs.fields(shape):
        if field.encode_name in fields:
            try:
                msgspec.convert(fields[field.encode_name], field.type)
            except msgspec.ValidationError as error:
                expectation = _expectation(field.type, str(error))
                items.append(
                    Item(
                        field.encode_name,
                        f"{field.encode_name}_invalid",
                        f"{field.encode_name}: {expectation}.",
                    )
                )
    if shape.__struct_config__.forbid_unknown_fields:
        known = {field.encode_name for field in msgspec.structs.fields(shape)}
        items += map(unknown, [name for name in fields if name not in known][:MAX_UNKNOWN])
    if not items:
        # A duplicate name: the first value was wrong, and decoding to a dict keeps only the last.
        return InvalidRequest(message="The request body gives a field twice, once with a wrong type.")
    return InvalidRequest(*items)


def without_nul(text: str) -> str:
    """Replace NUL in an id or filter: no stored value contains it, and PostgreSQL's `text` cannot."""
    return text.replace("\0", "\ufffd")


def _expectation(kind: object, complaint: str) -> str:
    """Describe the expected type of a field in JSON terms."""
    if "Invalid enum value" in complaint:
        allowed = [str(value) for option in get_args(kind) for value in get_args(option) or (option,)]
        return "must be one of " + ", ".join(value for value in allowed if not value.startswith("<"))
    if "at `$[" in complaint:
        return "must be an object of strings"
    for name, words in (
        ("str", "a string"),
        ("bool", "true or false"),
        ("int", "a whole number"),
        ("array", "a list of strings"),
        ("object", "an object of strings"),
    ):
        if f"Expected `{name}" in complaint:
            return f"must be {words}"
    return "has the wrong type"
