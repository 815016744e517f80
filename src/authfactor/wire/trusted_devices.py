"""Request and response bodies of trusted devices."""

from typing import Annotated

from msgspec import Meta

from authfactor.models import DeviceStatus, DeviceWithStatus, IssuedDeviceToken, TrustedDeviceRecord
from authfactor.wire import timestamps
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ListMetadataObject, ListOf, ResponseModel, Timestamp


class CreateTrustedDevice(RequestModel, frozen=True, gc=False):
    """Trust the device that a session was started on."""

    session_id: Annotated[
        str | None,
        Meta(description="A session whose code was accepted within the last ten minutes: claim `sid`."),
    ] = None
    name: Annotated[
        str | None, Meta(description="Shown in lists, such as `Firefox on Linux`; at most 64 characters.")
    ] = None
    user_agent: Annotated[str | None, Meta(description="Shown in lists, never compared.")] = None
    ip_address: Annotated[str | None, Meta(description="Shown in lists, never compared.")] = None


class RotateTrustedDevice(RequestModel, frozen=True, gc=False):
    """Exchange a token for the next one."""

    token: Annotated[str | None, Meta(description="The token that was used for the last sign-in.")] = None


class TrustedDeviceObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="trusted_device"):
    """A trusted device. `ended`: revoked, or the user's password or factors have changed."""

    id: str
    user_id: str
    status: DeviceStatus
    name: str | None
    ip_address: str | None
    user_agent: str | None
    created_at: Timestamp
    last_used_at: Timestamp | None
    expires_at: Timestamp


class IssuedTrustedDeviceObject(
    ResponseModel, frozen=True, gc=False, tag_field="object", tag="trusted_device"
):
    """A trusted device with its new token, which works once."""

    id: str
    user_id: str
    status: DeviceStatus
    name: str | None
    ip_address: str | None
    user_agent: str | None
    created_at: Timestamp
    last_used_at: Timestamp | None
    expires_at: Timestamp
    token: str


def device(found: DeviceWithStatus) -> TrustedDeviceObject:
    """Render a device."""
    return TrustedDeviceObject(*_fields(found.device, found.status))


def issued(made: IssuedDeviceToken) -> IssuedTrustedDeviceObject:
    """Render a device with its new token."""
    return IssuedTrustedDeviceObject(*_fields(made.device, "active"), made.token)


def devices(found: list[DeviceWithStatus]) -> ListOf[TrustedDeviceObject]:
    """Render all devices of a user: one page, as their number is limited."""
    return ListOf(list(map(device, found)), ListMetadataObject(None, None))


_Text = str | None
_Fields = tuple[str, str, DeviceStatus, _Text, _Text, _Text, Timestamp, Timestamp | None, Timestamp]


def _fields(record: TrustedDeviceRecord, status: DeviceStatus) -> _Fields:
    return (
        record.id,
        record.user_id,
        status,
        record.name,
        record.ip_address,
        record.user_agent,
        timestamps.format_ms(record.created_at),
        timestamps.format_optional(record.last_used_at),
        timestamps.format_ms(record.expires_at),
    )
