"""Routes of the API whose module is imported at the first request, so that the server starts fast.

The module has the routes with handlers and descriptions; what the dispatcher needs before is repeated here.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Final

from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route

_PACKAGE: Final = "authfactor.http.api"
_loaders: list[Callable[[], list[Route]]] = []


def deferred(
    module: str, *served: tuple[str, str, int], needs_key: bool = True, max_body: int = 0
) -> list[Route]:
    """Make the routes of a module of this package: method, path and status of a success, in its order.

    `needs_key`: requests are authenticated by an API key. `max_body` as in `Route`.
    """

    @functools.cache
    def load() -> list[Route]:
        loaded: list[Route] = importlib.import_module(f"{_PACKAGE}.{module}").ROUTES
        return loaded

    _loaders.append(load)

    def route(at: int) -> Route:
        async def respond(request: Request) -> Response:
            return await load()[at].handler(request)

        method, path, status = served[at]
        return Route(method, path, respond, status, "", needs_key=needs_key, max_body=max_body)

    return [route(at) for at in range(len(served))]


def load_all() -> list[Route]:
    """Import all deferred modules and return their routes. Takes milliseconds; call it in a thread."""
    return [route for load in _loaders for route in load()]
