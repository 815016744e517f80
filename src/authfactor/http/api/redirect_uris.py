"""The endpoints of redirect URIs and CORS origins."""

from authfactor.http.api.parameters import PAGE, list_query, required
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.wire import redirect_uris as wire
from authfactor.wire import responses

TAG = "sign-in"


async def list_redirect_uris(request: Request) -> Response:
    """List the redirect URIs."""
    query = request.page_query(list_query(request))
    return await request.read(request.af.redirect_uris.page(request.environment, query), wire.redirect_uris)


async def create_redirect_uri(request: Request) -> Response:
    """Add a redirect URI."""
    uri = required(request.read_body(wire.CreateRedirectUri).uri, "uri")
    unit = request.af.redirect_uris.add(request.environment, uri)
    return await request.administer(unit, wire.redirect_uri, "redirect_uri.create", lambda made: made.id)


async def delete_redirect_uri(request: Request) -> Response:
    """Remove a redirect URI."""
    unit = request.af.redirect_uris.remove(request.environment, request.ids[0])
    return await request.administer(unit, None, "redirect_uri.delete", request.ids[0])


async def list_cors_origins(request: Request) -> Response:
    """List the CORS origins."""
    query = request.page_query(list_query(request))
    return await request.read(request.af.cors_origins.page(request.environment, query), wire.cors_origins)


async def create_cors_origin(request: Request) -> Response:
    """Add a CORS origin."""
    origin = required(request.read_body(wire.CreateCorsOrigin).origin, "origin")
    unit = request.af.cors_origins.add(request.environment, origin)
    return await request.administer(unit, wire.cors_origin, "cors_origin.create", lambda made: made.id)


ROUTES = [
    Route(
        "GET",
        "/user_management/redirect_uris",
        list_redirect_uris,
        200,
        "List redirect URIs",
        gives=responses.ListOf[wire.RedirectUriObject],
        query=PAGE,
        refusals=(422,),
        tag=TAG,
    ),
    Route(
        "POST",
        "/user_management/redirect_uris",
        create_redirect_uri,
        201,
        "Add a redirect URI",
        takes=wire.CreateRedirectUri,
        requires=("uri",),
        gives=wire.RedirectUriObject,
        refusals=(422,),
        tag=TAG,
    ),
    Route(
        "DELETE",
        "/user_management/redirect_uris/{redirect_uri_id}",
        delete_redirect_uri,
        204,
        "Remove a redirect URI",
        refusals=(404, 409),
        tag=TAG,
    ),
    Route(
        "GET",
        "/user_management/cors_origins",
        list_cors_origins,
        200,
        "List CORS origins",
        gives=responses.ListOf[wire.CorsOriginObject],
        query=PAGE,
        refusals=(422,),
        tag=TAG,
    ),
    Route(
        "POST",
        "/user_management/cors_origins",
        create_cors_origin,
        201,
        "Add a CORS origin",
        takes=wire.CreateCorsOrigin,
        requires=("origin",),
        gives=wire.CorsOriginObject,
        refusals=(409, 422),
        tag=TAG,
    ),
]
