"""Bodies of requests and responses of passkeys."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ResponseModel, Timestamp

_OBJECT = {"type": "object"}
_NULLABLE_OBJECT = {"type": ["object", "null"]}


class BeginPasskey(RequestModel, frozen=True, gc=False):
    """Begin the registration of a passkey."""

    name: Annotated[str | None, Meta(description="What the user calls it; at most 64 characters.")] = None
    session_id: Annotated[
        str | None,
        Meta(
            description="Session of the user in which a factor was proven within the last ten minutes, if the"
            " environment asks for one (`enrollment_needs_mfa`)."
        ),
    ] = None


class FinishPasskey(RequestModel, frozen=True, gc=False):
    """Finish the registration of a passkey."""

    credential: Annotated[
        dict[str, Any] | str | None,
        Meta(
            description="What the browser returned: `PublicKeyCredential.toJSON()` of a registration.",
            extra_json_schema=_OBJECT,
        ),
    ] = None


class PasskeyRegistrationObject(
    ResponseModel, frozen=True, gc=False, tag_field="object", tag="passkey_registration"
):
    """An open registration; `public_key` is for `PublicKeyCredential.parseCreationOptionsFromJSON`."""

    id: str
    public_key: Annotated[dict[str, Any], Meta(extra_json_schema=_OBJECT)]
    expires_at: Timestamp


class PasskeyAuthenticationObject(
    ResponseModel, frozen=True, gc=False, tag_field="object", tag="passkey_authentication"
):
    """A sign-in to answer; `public_key` is for `PublicKeyCredential.parseRequestOptionsFromJSON`."""

    id: str
    public_key: Annotated[dict[str, Any], Meta(extra_json_schema=_OBJECT)]
    expires_at: Timestamp


class PasskeySignalsObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="passkey_signals"):
    """What a page tells the browser about a user's passkeys; null before the first registration.

    Arguments of `PublicKeyCredential.signalAllAcceptedCredentials()` and `signalCurrentUserDetails()`.
    """

    user_id: str
    all_accepted_credentials: Annotated[dict[str, Any] | None, Meta(extra_json_schema=_NULLABLE_OBJECT)]
    current_user_details: Annotated[dict[str, Any] | None, Meta(extra_json_schema=_NULLABLE_OBJECT)]


def credential_bytes(given: object) -> bytes:
    """Return the JSON of a credential, sent as an object or, in a form, as its text."""
    if isinstance(given, str):
        return given.encode("utf-8", "surrogatepass")
    return msgspec.json.encode(given)
