"""What is at `/`: what runs here and where to go on, as a page for browsers and as JSON for programs.

Also the redirects of what people type: `/docs/` and `/console/`.
"""

from typing import Final

import msgspec

from authfactor import errors
from authfactor.http.accept import prefers_html
from authfactor.http.pages import templating
from authfactor.http.pages.page_request import PageRequest
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.settings import Settings
from authfactor.version import __version__

PROGRAM: Final = "authfactor"
_PERMANENT: Final = 308
_VARY: Final = (b"vary", b"accept, accept-language, origin, accept-encoding")


def linked_paths(settings: Settings) -> dict[str, str]:
    """Return the paths of what this server serves to people and tools, by name."""
    paths = {"reference": "/docs"} if settings.docs else {}
    if settings.console:
        paths["console"] = "/console"
    return paths | {"health": "/readyz", "openapi": "/openapi.json"}


async def show(request: Request) -> Response:
    """Show the page, or the JSON document to a client that does not prefer HTML. Raises `RouteNotFound`."""
    settings = request.af.settings
    if not settings.landing_page:
        raise errors.RouteNotFound("Not Found")
    paths = linked_paths(settings)
    if prefers_html(request.headers.get(b"accept", b"")):
        await templating.load()
        response = PageRequest(request).render("landing.html", paths=paths, version=__version__)
        return msgspec.structs.replace(response, headers=(*response.headers, _VARY))
    document = {"name": PROGRAM, "version": __version__, **paths}
    return Response(200, msgspec.json.encode(document), (_VARY,))


async def redirect_to_reference(request: Request) -> Response:
    """Redirect to the API reference."""
    return _redirect("/docs", request)


async def redirect_to_console(request: Request) -> Response:
    """Redirect to the console."""
    return _redirect("/console", request)


def _redirect(path: str, request: Request) -> Response:
    query = b"?" + request.query_string if request.query_string else b""
    return Response(_PERMANENT, b"", ((b"location", path.encode() + query),))
