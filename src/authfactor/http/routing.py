"""Routes, and finding the route of a request."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import msgspec

from authfactor import errors
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.wire.requests import RequestModel, without_nul

Handler = Callable[[Request], Awaitable[Response]]


class Route(msgspec.Struct, frozen=True):
    """One endpoint, with what the OpenAPI document says about it.

    `takes` and `gives` are the types of the request and response bodies, `requires` the body's required
    fields, `query` the query parameters, `refusals` the error statuses, `status` that of a success.
    `shows_page`: a browser may get a page instead. `max_body` in bytes, if it needs more than the setting.
    """

    method: str
    path: str
    handler: Handler
    status: int
    summary: str
    takes: type[RequestModel] | None = None
    gives: Any = None
    requires: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    refusals: tuple[int, ...] = ()
    needs_key: bool = True
    tag: str = ""
    shows_page: bool = False
    max_body: int = 0
    # Method and path: the route's name in the log and the metrics.
    name: str = ""

    def __post_init__(self) -> None:
        """Derive the name."""
        msgspec.structs.force_setattr(self, "name", f"{self.method} {self.path}")


class Match(NamedTuple):
    """The route of a request and its path parameters, decoded."""

    route: Route
    ids: tuple[str, ...]


class _Node(msgspec.Struct):
    """A path segment: its literal children, its parameter child, and the routes that end here, by method."""

    literals: dict[str, "_Node"] = msgspec.field(default_factory=dict)
    parameter: "_Node | None" = None
    routes: dict[str, Route] = msgspec.field(default_factory=dict)


class Router:
    """Finds routes in a tree of path segments; a literal wins over a parameter."""

    def __init__(self, routes: list[Route]) -> None:
        """Build the tree."""
        self.routes: Final = routes
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.path.split("/")[1:]:
                if segment.startswith("{"):
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.literals.setdefault(segment, _Node())
            node.routes[route.method] = route

    def find(self, method: str, raw_path: str) -> Match:
        """Find the route of a path that is still percent-encoded.

        Raises `RouteNotFound`, or `MethodNotAllowed` if the path exists with other methods.
        """
        node = self._root
        ids: list[str] = []
        for segment in raw_path.split("/")[1:]:
            child = node.literals.get(segment)
            if child is None:
                child = node.parameter
                if child is None or not segment:
                    raise errors.RouteNotFound("Not Found")
                # Decoded per segment, so that an encoded slash stays within its id.
                ids.append(without_nul(unquote(segment)) if "%" in segment else segment)
            node = child
        route = node.routes.get(method)
        if route is None:
            if not node.routes:
                raise errors.RouteNotFound("Not Found")
            raise errors.MethodNotAllowed(tuple(sorted(node.routes)))
        return Match(route, tuple(ids))
