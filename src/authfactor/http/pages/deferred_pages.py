"""Routes of pages whose modules are imported at their first request, so that the server starts fast.

Handlers are named as `module.function` in this package; `load_all` imports all of them in advance.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any, Final

from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Handler, Route

TAG: Final = "pages"

_PACKAGE: Final = "authfactor.http.pages"
_loaders: list[Callable[[], Handler]] = []


def page(method: str, path: str, handler: str, summary: str) -> Route:
    """Make the route of a page: its handler takes a `PageRequest`."""

    def load() -> Handler:
        handle: Handler = _function("page_request.respond_with")(_function(handler))
        return handle

    return _route(method, path, load, summary)


def operator_page(method: str, path: str, handler: str, summary: str, *, on_error: str = "") -> Route:
    """Make the route of a console page for a signed-in operator: its handler takes a `ConsoleRequest`.

    An invalid form is rendered again by `on_error`, with the error messages and the submitted values.
    """

    def load() -> Handler:
        again = _function(f"console.{on_error}") if on_error else None
        make = _function("console.console_request.operator_handler")
        inner = make(_function(f"console.{handler}"), path, summary, on_error=again)
        handle: Handler = _function("page_request.respond_with")(inner)
        return handle

    return _route(method, path, load, summary)


def public_page(method: str, path: str, handler: str, summary: str) -> Route:
    """Make the route of a console page that needs no session."""

    def load() -> Handler:
        inner = _function("console.console_request.public_handler")(_function(f"console.{handler}"))
        handle: Handler = _function("page_request.respond_with")(inner)
        return handle

    return _route(method, path, load, summary)


def file(path: str, handler: str, summary: str) -> Route:
    """Make the route of a file, or of anything else whose handler takes a `Request`."""
    return _route("GET", path, lambda: _function(handler), summary)


def load_all() -> None:
    """Import the modules of all pages. Takes tenths of a second; call it in a thread."""
    for load in _loaders:
        load()


def _route(method: str, path: str, load: Callable[[], Handler], summary: str) -> Route:
    load = functools.cache(load)
    _loaders.append(load)

    async def respond(request: Request) -> Response:
        return await load()(request)

    return Route(method, path, respond, 200, summary, needs_key=False, tag=TAG)


def _function(name: str) -> Any:  # noqa: ANN401 - handlers of three kinds
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(f"{_PACKAGE}.{module}"), function)
