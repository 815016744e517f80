"""The endpoints for operators and tools, without an API key: health, metrics, OpenAPI."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from authfactor import errors
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.wire import responses

TAG = "operations"
METRICS_TYPE = ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),)


_ALIVE = responses.encode(responses.Alive())


@dataclass(slots=True)
class ServerState:
    """The state of this worker process that these routes report."""

    # While draining, `readyz` fails and every response closes its connection.
    draining: bool = False
    metrics: Callable[[], Awaitable[bytes]] | None = None
    may_see_metrics: Callable[[dict[bytes, bytes]], bool] | None = None


async def healthz(_request: Request) -> Response:
    """Return 200 while the process responds."""
    return Response(200, _ALIVE)


def routes(
    describe_others: Callable[[], list[Route]], server_state: ServerState | None = None
) -> list[Route]:
    """Make these routes. The OpenAPI document covers them and those that `describe_others` returns."""
    server_state = server_state or ServerState()

    async def readyz(request: Request) -> Response:
        """Return 200 if the database responds. Raises `Unavailable` if not, or while draining."""
        if server_state.draining:
            raise errors.Unavailable("The server is stopping.")
        version = await request.af.store.schema_version()
        return Response(200, responses.encode(responses.Ready("ready", version)))

    async def metrics(request: Request) -> Response:
        """Return the metrics, given the token. Raises `RouteNotFound` and `Unauthorized`."""
        if server_state.metrics is None or server_state.may_see_metrics is None:
            raise errors.RouteNotFound("Not Found")
        if not server_state.may_see_metrics(request.headers):
            raise errors.Unauthorized
        return Response(200, await server_state.metrics(), METRICS_TYPE)

    @functools.cache
    def document() -> bytes:
        from authfactor.http.api import openapi  # noqa: PLC0415 - generated on first use

        return openapi.document([*describe_others(), *own])

    async def describe(_request: Request) -> Response:
        return Response(200, document())

    own = [
        Route(
            "GET",
            "/healthz",
            healthz,
            200,
            "Check that the process is alive",
            gives=responses.Alive,
            needs_key=False,
            tag=TAG,
        ),
        Route(
            "GET",
            "/readyz",
            readyz,
            200,
            "Check that the server is ready",
            gives=responses.Ready,
            needs_key=False,
            tag=TAG,
        ),
    ]
    return [
        *own,
        Route("GET", "/metrics", metrics, 200, "Get the metrics, with the token", needs_key=False, tag=TAG),
        Route("GET", "/openapi.json", describe, 200, "Get the OpenAPI document", needs_key=False, tag=TAG),
    ]
