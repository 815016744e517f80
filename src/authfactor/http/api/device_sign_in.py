"""The endpoint at which a device without a browser begins a sign-in (RFC 8628 section 3.1)."""

from typing import Annotated, Final

from msgspec import Meta

from authfactor import errors
from authfactor.errors import OAuthRefused
from authfactor.http.api.authentication import FORM
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.models import ApiCaller
from authfactor.rules.hosted_sign_in.device_authorizations import (
    LIFE_SECONDS,
    POLL_SECONDS,
    BegunDevice,
)
from authfactor.wire import requests
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ResponseModel

TAG: Final = "sign-in"
PAGE: Final = "/device"
MAX_STORED: Final = 500


class BeginDeviceSignIn(RequestModel, frozen=True, gc=False):
    """Begin the sign-in of a device."""

    client_id: Annotated[str | None, Meta(description="The client id of the environment.")] = None


class BegunDeviceSignInObject(ResponseModel, frozen=True, gc=False):
    """What the device shows, and with what it polls."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


async def begin_device_sign_in(request: Request) -> Response:
    """Begin the sign-in of a device."""
    content_type = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    try:
        body = (
            requests.read_form(BeginDeviceSignIn, request.body)
            if content_type == FORM
            else request.read_body(BeginDeviceSignIn)
        )
    except errors.MalformedBody as error:
        raise OAuthRefused("invalid_request", error.message) from error
    client_id = body.client_id or ""
    try:
        environment = await request.af.read(request.af.environments.by_client_id(client_id))
    except errors.NotFound:
        raise OAuthRefused("invalid_client", "There is no such client.") from None
    request.caller = ApiCaller(environment, client_id)
    agent = request.headers.get(b"user-agent", b"").decode("latin-1").replace("\0", "")[:MAX_STORED]
    unit = request.af.device_authorizations.begin(environment, request.origin.address, agent or None)
    page = f"{request.af.settings.base_url.rstrip('/')}{PAGE}"

    def render(begun: BegunDevice) -> BegunDeviceSignInObject:
        complete = f"{page}?user_code={begun.user_code}"
        return BegunDeviceSignInObject(*begun, page, complete, LIFE_SECONDS, POLL_SECONDS)

    return await request.write(unit, render)


ROUTES = [
    Route(
        "POST",
        "/user_management/authorize/device",
        begin_device_sign_in,
        200,
        "Begin the sign-in of a device",
        takes=BeginDeviceSignIn,
        requires=("client_id",),
        gives=BegunDeviceSignInObject,
        refusals=(400, 422),
        needs_key=False,
        tag=TAG,
    ),
]
