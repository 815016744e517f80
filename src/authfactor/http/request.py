"""One request on its way through the door: what was sent, who sent it, how to answer."""

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
    """A request that has been let in. Handlers parse with it, run one unit, and render with it."""

    __slots__ = (
        "af",
        "body",
        "caller",
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
        """Keep the request; `caller` is set once its key is known."""
        self.af = af
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers = headers
        self.body = body
        self.ids = ids
        self.status = status
        self.caller: ApiCaller | None = None
        self.origin = NO_ORIGIN

    @property
    def environment(self) -> Environment:
        """The environment of the API key."""
        if self.caller is None:
            raise errors.Unauthorized
        return self.caller.environment

    def read_body(self, shape: type[B]) -> B:
        """Decode the body. Raises `MalformedBody` and `InvalidRequest`."""
        return requests.read(shape, self.body)

    def query(self) -> dict[str, str]:
        """Read the query; of a repeated name the last counts, unknown names are nobody's business."""
        if not self.query_string:
            return {}
        pairs = parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=False)
        return {name: requests.without_nul(value) for name, value in pairs}

    def page_query(self, query: dict[str, str]) -> PageQuery:
        """Read limit, order and cursors. Raises `InvalidRequest` with an item for each that is wrong."""
        if not query:
            return _FIRST_PAGE
        items = []
        text = query.get("limit", "10")
        # `isdecimal` keeps "1e3", "+5", " 5" and other spellings of a number out.
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
        """Run a unit that only reads, and render what it gives."""
        return Response(self.status, responses.encode(render(await self.af.read(unit))))

    async def write(
        self,
        unit: Unit[T],
        render: Callable[[T], object] | None,
        verdict: Callable[[T], str] | None = None,
    ) -> Response:
        """Run a unit that writes, once per Idempotency-Key, and render its result (None: empty body).

        `verdict` says what became of the code that the unit checked, for the metrics.
        """

        def answer(result: T) -> Response:
            body = b"" if render is None else responses.encode(render(result))
            return Response(self.status, body, verdict=None if verdict is None else verdict(result))

        key = self.headers.get(b"idempotency-key")
        if not key or self.method != "POST":
            return answer(await self.af.run(unit))
        return await idempotency.run_once(self.af, self._claim(key.decode("latin-1")), unit, answer)

    async def administer(
        self,
        unit: Unit[T],
        render: Callable[[T], object] | None,
        action: str,
        target: str | Callable[[T], str],
    ) -> Response:
        """Write as `write` does, and leave an entry in the audit list that names the API key."""
        caller = self.caller
        if caller is None:
            raise errors.Unauthorized
        noted = self.af.audit.audited(
            unit,
            Actor("api_key", caller.key_id, "API key"),
            action,
            target,
            environment=caller.environment.number,
            origin=self.origin,
        )
        return await self.write(noted, render)

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
