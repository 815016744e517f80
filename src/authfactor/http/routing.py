"""The route table: which handler answers which method and path, and what it takes and gives."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import msgspec

from authfactor import errors
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.wire.requests import without_nul

Handler = Callable[[Request], Awaitable[Response]]


class Route(msgspec.Struct, frozen=True):
    """One endpoint, as the server runs it and as the reference describes it."""

    method: str
    path: str
    handler: Handler
    status: int
    summary: str
    takes: type | None = None
    gives: Any = None
    requires: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    refusals: tuple[int, ...] = ()
    needs_key: bool = True
    tag: str = ""
    # What log and metrics call it.
    name: str = ""

    def __post_init__(self) -> None:
        """Write the name once."""
        msgspec.structs.force_setattr(self, "name", f"{self.method} {self.path}")


class Match(NamedTuple):
    """The route of a request and the ids in its path, decoded."""

    route: Route
    ids: tuple[str, ...]


class _Node(msgspec.Struct):
    """One step of a path: fixed words, a place for an id, and what ends here."""

    words: dict[str, "_Node"] = msgspec.field(default_factory=dict)
    id: "_Node | None" = None
    routes: dict[str, Route] = msgspec.field(default_factory=dict)


class Router:
    """Finds routes; a fixed word wins over an id in the same place."""

    def __init__(self, routes: list[Route]) -> None:
        """Build the tree once."""
        self.routes: Final = routes
        self._root = _Node()
        for route in routes:
            node = self._root
            for part in route.path.split("/")[1:]:
                if part.startswith("{"):
                    node.id = node.id or _Node()
                    node = node.id
                else:
                    node = node.words.setdefault(part, _Node())
            node.routes[route.method] = route

    def find(self, method: str, raw_path: str) -> Match:
        """Find the route of a still percent-encoded path.

        Raises `RouteNotFound`, or `MethodNotAllowed` when only the method is wrong.
        """
        node = self._root
        found: list[str] = []
        for part in raw_path.split("/")[1:]:
            word = node.words.get(part)
            if word is None:
                word = node.id
                if word is None or not part:
                    raise errors.RouteNotFound("Not Found")
                # Decoded segment by segment: an encoded slash stays inside its id.
                found.append(without_nul(unquote(part)) if "%" in part else part)
            node = word
        route = node.routes.get(method)
        if route is None:
            if not node.routes:
                raise errors.RouteNotFound("Not Found")
            raise errors.MethodNotAllowed(tuple(sorted(node.routes)))
        return Match(route, tuple(found))
