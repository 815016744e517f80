"""Redirect URIs of the hosted sign-in."""

from authfactor.http.pages.console.console_request import ConsoleRequest
from authfactor.http.response import Response


async def show_uris(request: ConsoleRequest) -> Response:
    """List the URIs."""
    uris = await request.af.read(request.af.redirect_uris.all(request.environment))
    return request.render("redirect_uris.html", here="redirect-uris", uris=uris)


async def add_uri(request: ConsoleRequest) -> Response:
    """Add a URI."""
    unit = request.af.redirect_uris.add(request.environment, request.field("uri"))
    await request.act("redirect_uri.create", unit, lambda made: made.id)
    return request.redirect(f"{request.home}/redirect-uris", "added")


async def make_default(request: ConsoleRequest) -> Response:
    """Make a URI the default."""
    unit = request.af.redirect_uris.make_default(request.environment, request.ids[0])
    await request.act("redirect_uri.update", unit, request.ids[0])
    return request.redirect(f"{request.home}/redirect-uris", "saved")


async def remove_uri(request: ConsoleRequest) -> Response:
    """Remove a URI."""
    unit = request.af.redirect_uris.remove(request.environment, request.ids[0])
    await request.act("redirect_uri.delete", unit, request.ids[0])
    return request.redirect(f"{request.home}/redirect-uris", "deleted")
