"""An API request as handlers see it: its input, its caller, and how to run a unit and respond."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.errors import InvalidRequest, Item
from authfactor.http import idempotency
from authfactor.http.response import Response
from authfactor.models import ApiCaller, Environment, IdempotencyClaim, PageQuery
from authfactor.rules.audit.audit_log import NO_ORIGIN, Actor
from authfactor.store import Unit
from authfactor.wire import requests, responses

T = TypeVar("T")
B = TypeVar("B", bound=requests.RequestModel)
ORDERS = ("asc", "desc", "normal")
MAX_LIMIT = 100


class Request:
    """An admitted request. A handler parses it, runs one unit, and renders the result."""

    __slots__ = (
        "af",
        "body",
        "caller",
        "count_key",
        "headers",
        "ids",
        "method",
        "origin",
        "path",
        "query_string",
        "status",
    )

    def __init__(
        self,
        af: Authfactor,
        method: str,
        path: str,
        query_string: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
        ids: tuple[str, ...],
        status: int,
    ) -> None:
        """`ids` are the path parameters, `status` that of a success. The dispatcher sets the other fields.

        A handler that finds the API key in the body passes its caller to `count_key`, which applies the rate
        limit.
        """
        self.af = af
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers = headers
        self.body = body
        self.ids = ids
        self.status = status
        self.caller: ApiCaller | None = None
        self.count_key: Callable[[ApiCaller], None] | None = None
        self.origin = NO_ORIGIN

    @property
    def environment(self) -> Environment:
        """The environment of the API key. Raises `Unauthorized` without a caller."""
        if self.caller is None:
            raise errors.Unauthorized
        return self.caller.environment

    def read_body(self, model: type[B]) -> B:
        """Decode the body. Raises `MalformedBody` and `InvalidRequest`."""
        return requests.read(model, self.body)

    def query(self) -> dict[str, str]:
        """Parse the query string. The last duplicate wins; empty values are left out."""
        return {name: value for name, value in self.query_pairs() if value}

    def query_pairs(self) -> list[tuple[str, str]]:
        """Parse the query string into names and values, in order."""
        if not self.query_string:
            return []
        pairs = parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True)
        return [(name, requests.without_nul(value)) for name, value in pairs]

    def page_query(self, query: dict[str, str]) -> PageQuery:
        """Parse limit, order and cursors. Raises `InvalidRequest` with an item for each invalid one."""
        if not query:
            return _FIRST_PAGE
        items = []
        text = query.get("limit", "10")
        # `isdecimal` rejects "1e3", "+5", " 5" and other spellings of a number.
        limit = int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else 0  # noqa: PLR2004 - 4 digits
        if not 1 <= limit <= MAX_LIMIT:
            items.append(Item("limit", "limit_invalid", f"limit: a whole number from 1 to {MAX_LIMIT}."))
        order: Any = query.get("order", "desc")
        if order not in ORDERS:
            items.append(Item("order", "order_invalid", f"order: one of {', '.join(ORDERS)}."))
        if items:
            raise InvalidRequest(*items)
        return PageQuery(limit, order, query.get("before"), query.get("after"))

    async def read(self, unit: Unit[T], render: Callable[[T], object]) -> Response:
        """Run a unit that only reads, and render its result."""
        return Response(self.status, responses.encode(render(await self.af.read(unit))))

    async def write(
        self,
        unit: Unit[T],
        render: Callable[[T], object] | None,
        verdict: Callable[[T], str | None] | None = None,
        before_replay: Callable[[Response], Unit[None]] | None = None,
    ) -> Response:
        """Run a unit that writes, once per Idempotency-Key, and render its result.

        Without `render` the body is empty. `verdict` returns the metrics verdict on a one-time code, or None.
        `before_replay` returns a unit that raises if a stored response must not be sent again.
        """

        def respond(result: T) -> Response:
            body = b"" if render is None else responses.encode(render(result))
            return Response(self.status, body, verdict=None if verdict is None else verdict(result))

        key = self.headers.get(b"idempotency-key")
        if not key or self.method != "POST":
            return respond(await self.af.run(unit))
        claim = self._claim(key.decode("latin-1"))
        return await idempotency.run_once(self.af, claim, unit, respond, before_replay)

    async def administer(
        self,
        unit: Unit[T],
        render: Callable[[T], object] | None,
        action: str,
        target: str | Callable[[T], str],
        *,
        reason: str | None = None,
    ) -> Response:
        """Like `write`, with an audit entry that names the API key.

        `target` is the id of the changed object, or computes it from the unit's result.
        """
        caller = self.caller
        if caller is None:
            raise errors.Unauthorized
        audited = self.af.audit.audited(
            unit,
            Actor("api_key", caller.key_id, "API key"),
            action,
            target,
            environment=caller.environment.number,
            reason=reason,
            origin=self.origin,
        )
        return await self.write(audited, render)

    def _claim(self, key: str) -> IdempotencyClaim:
        caller = self.caller
        if caller is None:
            raise errors.Unauthorized
        return idempotency.claim_of(
            environment=caller.environment.number,
            key_id=caller.key_id,
            key=key,
            target=f"{self.method} {self.path}",
            body=self.body,
            now=self.af.clock(),
            ttl=self.af.settings.idempotency_life,
        )


_FIRST_PAGE = PageQuery()
