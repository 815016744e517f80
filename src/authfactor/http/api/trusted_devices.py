"""The endpoints of trusted devices."""

from authfactor.http.api.parameters import required
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.wire import responses, trusted_devices
from authfactor.wire.trusted_devices import CreateTrustedDevice, RotateTrustedDevice

TAG = "trusted devices"


async def create_trusted_device(request: Request) -> Response:
    """Trust the device of a session."""
    unit = request.af.trusted_devices.create(request.environment, request.read_body(CreateTrustedDevice))
    return await request.write(unit, trusted_devices.issued)


async def rotate_trusted_device(request: Request) -> Response:
    """Exchange a token for the next one."""
    token = required(request.read_body(RotateTrustedDevice).token, "token")
    unit = request.af.trusted_devices.rotate(request.environment, token)
    return await request.write(unit, trusted_devices.issued)


async def list_trusted_devices(request: Request) -> Response:
    """List a user's trusted devices."""
    unit = request.af.trusted_devices.list_of_user(request.environment, request.ids[0])
    return await request.read(unit, trusted_devices.devices)


async def revoke_trusted_device(request: Request) -> Response:
    """End one trusted device of a user."""
    user_id, device_id = request.ids
    unit = request.af.trusted_devices.revoke(request.environment, user_id, device_id)
    return await request.administer(unit, None, "trusted_device.revoke", device_id)


async def revoke_trusted_devices(request: Request) -> Response:
    """End all trusted devices of a user."""
    unit = request.af.trusted_devices.revoke_all(request.environment, request.ids[0])
    return await request.administer(unit, None, "trusted_device.revoke", request.ids[0])


ROUTES = [
    Route(
        "POST",
        "/authfactor/trusted_devices",
        create_trusted_device,
        201,
        "Trust a device",
        takes=CreateTrustedDevice,
        requires=("session_id",),
        gives=trusted_devices.IssuedTrustedDeviceObject,
        refusals=(404, 409, 422),
        tag=TAG,
    ),
    Route(
        "POST",
        "/authfactor/trusted_devices/rotate",
        rotate_trusted_device,
        200,
        "Rotate a trusted device's token",
        takes=RotateTrustedDevice,
        requires=("token",),
        gives=trusted_devices.IssuedTrustedDeviceObject,
        refusals=(400, 422),
        tag=TAG,
    ),
    Route(
        "GET",
        "/authfactor/users/{user_id}/trusted_devices",
        list_trusted_devices,
        200,
        "List trusted devices",
        gives=responses.ListOf[trusted_devices.TrustedDeviceObject],
        refusals=(404,),
        tag=TAG,
    ),
    Route(
        "DELETE",
        "/authfactor/users/{user_id}/trusted_devices/{device_id}",
        revoke_trusted_device,
        204,
        "Revoke a trusted device",
        refusals=(404,),
        tag=TAG,
    ),
    Route(
        "DELETE",
        "/authfactor/users/{user_id}/trusted_devices",
        revoke_trusted_devices,
        204,
        "Revoke all trusted devices",
        refusals=(404,),
        tag=TAG,
    ),
]
