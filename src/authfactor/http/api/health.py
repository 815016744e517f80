"""What operators and tools ask for, without a key: alive? ready? what can be asked? how much happens?"""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from authfactor import errors
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route

TAG = "operations"
METRICS_TYPE = ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),)


@dataclass(slots=True)
class ServerState:
    """What these routes know about the process that answers."""

    # Told to stop: what is asked is answered, and each connection closed with its answer.
    draining: bool = False
    metrics: Callable[[], Awaitable[bytes]] | None = None
    may_see_metrics: Callable[[dict[bytes, bytes]], bool] | None = None


async def healthz(_request: Request) -> Response:
    """Tell that the process answers."""
    return Response(200, b'{"status":"ok"}')


def routes(described: list[Route], server_state: ServerState | None = None) -> list[Route]:
    """Make these routes; the description covers the routes given and these."""
    server_state = server_state or ServerState()

    async def readyz(request: Request) -> Response:
        """Tell that the database answers and its schema is the right one. Raises `Unavailable`."""
        if server_state.draining:
            raise errors.Unavailable("The server is stopping.")
        version = await request.af.store.schema_version()
        return Response(200, msgspec.json.encode({"status": "ready", "schema": version}))

    async def metrics(request: Request) -> Response:
        """Tell the numbers to whoever holds the token. Raises `RouteNotFound` and `Unauthorized`."""
        if server_state.metrics is None or server_state.may_see_metrics is None:
            raise errors.RouteNotFound("Not Found")
        if not server_state.may_see_metrics(request.headers):
            raise errors.Unauthorized
        return Response(200, await server_state.metrics(), METRICS_TYPE)

    @functools.cache
    def document() -> bytes:
        from authfactor.http.api import openapi  # noqa: PLC0415 - drawn when it is first asked for

        return openapi.document([*described, *own])

    async def describe(_request: Request) -> Response:
        return Response(200, document())

    own = [
        Route("GET", "/healthz", healthz, 200, "Alive?", needs_key=False, tag=TAG),
        Route("GET", "/readyz", readyz, 200, "Ready?", needs_key=False, tag=TAG),
    ]
    return [
        *own,
        Route("GET", "/metrics", metrics, 200, "Metrics, with the token", needs_key=False, tag=TAG),
        Route("GET", "/openapi.json", describe, 200, "This document", needs_key=False, tag=TAG),
    ]
