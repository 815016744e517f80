"""Handle requests: routing, admission, error responses, logging and counting."""

import asyncio
import contextlib
import functools
import hmac
import logging
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Final

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.crypto.vault import UnsealError
from authfactor.http import api_key_auth, error_responses, rate_limiting, request_ids
from authfactor.http.api import health, unserved
from authfactor.http.pages import docs_pages
from authfactor.http.request import Request
from authfactor.http.response import STRICT_TRANSPORT, OutgoingResponse, Response
from authfactor.http.routing import Match, Route, Router
from authfactor.http.telemetry import log_setup
from authfactor.http.telemetry.access_log import RequestLog
from authfactor.http.telemetry.shared_counters import UNMATCHED, CounterWriter
from authfactor.http1.request_cycle import Headers, Message, Receive
from authfactor.models import ApiCaller
from authfactor.rules.audit.audit_log import Origin
from authfactor.settings import Settings
from authfactor.store.protocol import request_began

if TYPE_CHECKING:
    from authfactor.http.pages.error_pages import ErrorPages

OUTCOME_OK: Final = "ok"
CONNECTION_CLOSE: Final = (b"connection", b"close")
_BODILESS: Final = frozenset({"GET", "DELETE", "HEAD"})
_FIRST_ERROR_STATUS: Final = 400
_UNSEAL_FAILED: Final = errors.Unavailable(
    "A stored secret cannot be unsealed. Look up the request id in the server's log or run authfactor doctor."
)
_UNEXPECTED: Final = errors.AuthfactorError(
    "Something went wrong. Look up the request id in the server's log."
)

log = logging.getLogger("authfactor.http")


class Dispatcher:
    """Handles requests for an open installation."""

    def __init__(
        self,
        af: Authfactor,
        routes: list[Route],
        server_state: health.ServerState,
        counters: CounterWriter,
        worker: int,
    ) -> None:
        """Build the router; `worker` is this process's number in the log."""
        self._af = af
        self._server_state = server_state
        self._counters = counters
        self._worker = worker
        self._router = Router(routes)
        self._new_request_id = request_ids.RequestIds(af)
        self._loop_time = asyncio.get_running_loop().time
        self._request_log: RequestLog | None = None
        self._has_tls = bool(af.settings.tls_cert)
        self.apply(af.settings)

    def apply(self, settings: Settings) -> None:
        """Apply the settings that may change in a running server."""
        self.settings = settings
        self._client_addresses = rate_limiting.ClientAddresses(settings)
        self._key_limit = rate_limiting.make_buckets(settings.rate_per_key, settings.rate_per_key_burst)
        self._address_limit = rate_limiting.make_buckets(
            settings.rate_per_address, settings.rate_per_address_burst
        )
        self.flush()
        enabled = settings.log_requests and settings.log_level in ("debug", "info")
        human = log_setup.is_human_readable(settings)
        self._request_log = RequestLog(self._af.clock, human=human, worker=self._worker) if enabled else None

    def flush(self) -> None:
        """Write the buffered lines of the request log."""
        if self._request_log is not None:
            self._request_log.flush()

    async def respond(self, scope: Message, receive: Receive) -> OutgoingResponse:
        """Handle one request; every failure becomes an error response."""
        started = perf_counter_ns()
        method: str = scope["method"]
        request_id = self._new_request_id()
        request_began.set(self._loop_time())
        extra: Headers = []
        name, request = UNMATCHED, None
        try:
            sought = "GET" if method == "HEAD" else method
            match = self._router.find(sought, scope["raw_path"].decode("latin-1"))
            name = match.route.name
            request = await self._admit(match, scope, receive)
            request.origin = Origin(request_id, self._client_addresses.of(scope))
            response = await match.route.handler(request)
        except errors.AuthfactorError as error:
            refusal = await self._refuse_unmatched(scope, error) if name == UNMATCHED else error
            response, extra = await self._render_error(refusal, name, scope, request_id)
        except UnsealError as error:
            # Damaged, moved to another row, or sealed with a missing key: an operator must repair it.
            fields = {"request_id": request_id, "route": name}
            log.error("a stored secret cannot be unsealed: %s", error, extra=fields)  # noqa: TRY400 - no traceback needed
            response, extra = await self._render_error(_UNSEAL_FAILED, name, scope, request_id)
        except Exception:
            # The response names only the request id; the details stay in the log.
            log.exception("unexpected failure", extra={"request_id": request_id, "route": name})
            response, extra = await self._render_error(_UNEXPECTED, name, scope, request_id)
        if self._server_state.draining:
            extra = [*extra, CONNECTION_CLOSE]
        if self._has_tls:
            extra = [*extra, STRICT_TRANSPORT]
        failed = response.status >= _FIRST_ERROR_STATUS
        outcome = response.code or (errors.AuthfactorError.code if failed else OUTCOME_OK)
        if failed:
            self._counters.error(outcome)
        if response.verdict is not None:
            self._counters.verdict(response.verdict)
        microseconds = (perf_counter_ns() - started) // 1000
        self._counters.request(name, response.status, microseconds)
        if self._request_log is not None:
            caller = None if request is None else request.caller
            environment = None if caller is None else caller.environment.number
            address = self._client_addresses.of(scope) if request is None else request.origin.address or ""
            self._request_log.write(
                request_id, name, response.status, outcome, microseconds, address, environment
            )
        return OutgoingResponse(response, request_id, extra, name, outcome, bodiless=method == "HEAD")

    async def _render_error(
        self, error: errors.AuthfactorError, route: str, scope: Message, request_id: str
    ) -> tuple[Response, Headers]:
        """Render an error as JSON, or as a page for a browser; return it with the error's headers."""
        headers: dict[bytes, bytes] = scope.get("fields") or dict(scope["headers"])
        path: str = scope["raw_path"].decode("latin-1")
        accept = headers.get(b"accept", b"")
        if b"html" in accept.lower() and self._error_pages.wanted(path, accept):
            method, query = scope["method"], scope["query_string"]
            request = Request(self._af, method, path, query, headers, b"", (), 200)
            page = await self._error_pages.render(request, error, request_id)
            if page is not None:
                return page, []
        return error_responses.render(error, route), error_responses.headers(error)

    @functools.cached_property
    def _error_pages(self) -> "ErrorPages":
        from authfactor.http.pages.error_pages import ErrorPages  # noqa: PLC0415 - for browsers only

        return ErrorPages(self._router.routes)

    async def _refuse_unmatched(
        self, scope: Message, error: errors.AuthfactorError
    ) -> errors.AuthfactorError:
        """Count a request without a route like any other, and return the error that refuses it."""
        try:
            self._count_address(scope)
            if self._key_limit is not None:
                with contextlib.suppress(errors.Unauthorized):
                    self._count_key(await api_key_auth.authenticate(self._af, dict(scope["headers"])))
            method: str = "GET" if scope["method"] == "HEAD" else scope["method"]
            path: str = scope["raw_path"].decode("latin-1")
            unserved.refuse(method, path, docs_pages.compatibility_link(self.settings))
        except errors.AuthfactorError as refusal:
            return refusal
        return error

    async def _admit(self, match: Match, scope: Message, receive: Receive) -> Request:
        """Apply the rate limits and authenticate the request, then read its body."""
        method: str = scope["method"]
        # Our own protocol has built the mapping already.
        headers: dict[bytes, bytes] = scope.get("fields") or dict(scope["headers"])
        route = match.route
        if self._address_limit is not None and route.tag != health.TAG:
            self._count_address(scope)
        # Before the body is read, so that unauthenticated clients cannot make the server buffer bodies.
        caller = await api_key_auth.authenticate(self._af, headers) if route.needs_key else None
        if self._key_limit is not None and caller is not None:
            self._count_key(caller)
        max_body = max(self._af.settings.max_body, route.max_body)
        body = b"" if method in _BODILESS else await _read_body(receive, headers, max_body)
        path: str = scope["raw_path"].decode("latin-1")
        request = Request(
            self._af, method, path, scope["query_string"], headers, body, match.ids, route.status
        )
        request.caller, request.count_key = caller, self._count_key
        return request

    def _count_address(self, scope: Message) -> None:
        """Count a request of the client's address. Raises `TooManyRequests`."""
        if self._address_limit is not None:
            client = rate_limiting.client_network(self._client_addresses.of(scope))
            self._apply_rate_limit("address", self._address_limit, client)

    def _count_key(self, caller: ApiCaller) -> None:
        """Count a request with an API key. Raises `TooManyRequests`."""
        if self._key_limit is not None:
            self._apply_rate_limit("key", self._key_limit, caller.key_id)

    def _apply_rate_limit(self, by: str, buckets: rate_limiting.TokenBuckets, client: str) -> None:
        wait = buckets.take(client, monotonic())
        if wait:
            self._counters.add("authfactor_rate_limited_total", by)
            raise errors.TooManyRequests(wait)

    def may_see_metrics(self, headers: dict[bytes, bytes]) -> bool:
        """Return whether a request to the API's port has the `metrics_token`; False if none is set."""
        token = self.settings.metrics_token
        presented = headers.get(b"authorization", b"")
        return bool(token) and hmac.compare_digest(presented, b"Bearer " + token.encode())


async def _read_body(receive: Receive, headers: dict[bytes, bytes], max_bytes: int) -> bytes:
    """Read the body. Raises `BodyTooLarge` beyond `max_bytes`, `MalformedBody` if the client disconnects."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > max_bytes:
        raise errors.BodyTooLarge(message=f"The request body is larger than {max_bytes} bytes.")
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            # A truncated body can look complete, an empty one always does; it must not be processed.
            raise errors.MalformedBody(message=message.get("reason") or "The request body is incomplete.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > max_bytes:
            raise errors.BodyTooLarge(message=f"The request body is larger than {max_bytes} bytes.")
    return body
