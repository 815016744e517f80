"""What `PublicKeyCredential.toJSON()` returns: RegistrationResponseJSON and AuthenticationResponseJSON.

Parsing checks sizes and formats; `ceremony` decides. Members that no check needs, such as `publicKey`, are
ignored: they repeat what the signed bytes say.
"""

import re
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec

from authfactor.webauthn import base64url
from authfactor.webauthn.authenticator_data import (
    MAX_CREDENTIAL_ID,
    Attestation,
    AuthenticatorReport,
    read_attestation_object,
    read_authenticator_data,
)
from authfactor.webauthn.refusals import malformed

MAX_BODY: Final = 96 * 1024
MAX_CLIENT_DATA: Final = 4 * 1024
MAX_ATTESTATION_OBJECT: Final = 64 * 1024
MAX_AUTHENTICATOR_DATA: Final = 4 * 1024
MAX_SIGNATURE: Final = 1024
MAX_USER_HANDLE: Final = 64

Attachment = Literal["platform", "cross-platform"]

_MAX_TRANSPORTS: Final = 8
_TRANSPORT: Final = re.compile(r"[a-z][a-z-]{0,31}")
_ATTACHMENTS: Final[dict[str | None, Attachment]] = {
    "platform": "platform",
    "cross-platform": "cross-platform",
}


class ClientData(msgspec.Struct, frozen=True, rename="camel"):
    """What the browser saw (section 5.8.1). Others of its members are ignored, as the specification asks."""

    type: str
    challenge: str
    origin: str
    cross_origin: bool = False
    top_origin: str | None = None


class RegistrationResponse(NamedTuple):
    """A parsed registration. Transports, attachment and `discoverable` are the browser's word, not signed."""

    credential_id: bytes
    client_data: ClientData
    client_data_json: bytes
    attestation: Attestation
    transports: tuple[str, ...]
    attachment: Attachment | None
    discoverable: bool | None


class AssertionResponse(NamedTuple):
    """A parsed assertion; `user_handle` is None if the authenticator did not return one."""

    credential_id: bytes
    client_data: ClientData
    client_data_json: bytes
    report: AuthenticatorReport
    signature: bytes
    user_handle: bytes | None
    attachment: Attachment | None


class _AttestationMembers(msgspec.Struct):
    client_data: str = msgspec.field(name="clientDataJSON")
    attestation_object: str = msgspec.field(name="attestationObject")
    transports: list[str] = []


class _AssertionMembers(msgspec.Struct):
    client_data: str = msgspec.field(name="clientDataJSON")
    authenticator_data: str = msgspec.field(name="authenticatorData")
    signature: str
    user_handle: str | None = msgspec.field(name="userHandle", default=None)


class _CredentialProperties(msgspec.Struct):
    rk: bool | None = None


class _Extensions(msgspec.Struct, rename="camel"):
    cred_props: _CredentialProperties | None = None


class _CredentialMembers(msgspec.Struct, rename="camel"):
    id: str
    raw_id: str
    type: Literal["public-key"]
    authenticator_attachment: str | None = None
    client_extension_results: _Extensions = msgspec.field(default_factory=_Extensions)


class _RegistrationMembers(_CredentialMembers, kw_only=True):
    response: _AttestationMembers


class _AssertionResponseMembers(_CredentialMembers, kw_only=True):
    response: _AssertionMembers


_Members = TypeVar("_Members", bound=msgspec.Struct)


def read_registration(body: bytes) -> RegistrationResponse:
    """Parse RegistrationResponseJSON. Raises `CeremonyRefused`."""
    members = _members(body, _RegistrationMembers)
    response = members.response
    client_data = base64url.decode(response.client_data, "clientDataJSON", MAX_CLIENT_DATA)
    attestation = base64url.decode(response.attestation_object, "attestationObject", MAX_ATTESTATION_OBJECT)
    properties = members.client_extension_results.cred_props
    return RegistrationResponse(
        _credential_id(members),
        _client_data(client_data),
        client_data,
        read_attestation_object(attestation),
        tuple(sorted({each for each in response.transports if _TRANSPORT.fullmatch(each)}))[:_MAX_TRANSPORTS],
        _ATTACHMENTS.get(members.authenticator_attachment),
        None if properties is None else properties.rk,
    )


def read_assertion(body: bytes) -> AssertionResponse:
    """Parse AuthenticationResponseJSON. Raises `CeremonyRefused`."""
    members = _members(body, _AssertionResponseMembers)
    response = members.response
    client_data = base64url.decode(response.client_data, "clientDataJSON", MAX_CLIENT_DATA)
    data = base64url.decode(response.authenticator_data, "authenticatorData", MAX_AUTHENTICATOR_DATA)
    handle = base64url.decode(response.user_handle or "", "userHandle", MAX_USER_HANDLE)
    return AssertionResponse(
        _credential_id(members),
        _client_data(client_data),
        client_data,
        read_authenticator_data(data),
        base64url.decode(response.signature, "signature", MAX_SIGNATURE),
        handle or None,
        _ATTACHMENTS.get(members.authenticator_attachment),
    )


def _members(body: bytes, shape: type[_Members]) -> _Members:
    """Decode the JSON of a response, of which unknown members are ignored."""
    if len(body) > MAX_BODY:
        raise malformed(f"The response is longer than {MAX_BODY} bytes.")
    return _decoded(body, shape, "The response is not in the format of PublicKeyCredential.toJSON().")


def _client_data(raw: bytes) -> ClientData:
    return _decoded(raw, ClientData, "clientDataJSON does not have the members of client data.")


def _decoded(raw: bytes, shape: type[_Members], otherwise: str) -> _Members:
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(otherwise) from error


def _credential_id(members: _CredentialMembers) -> bytes:
    """Return the credential's id, which is there twice."""
    if members.id != members.raw_id:
        raise malformed("id and rawId differ.")
    return base64url.decode(members.raw_id, "rawId", MAX_CREDENTIAL_ID)
