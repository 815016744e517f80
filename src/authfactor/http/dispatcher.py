"""The door: answers requests, whatever happens, and tells log and numbers what became of each."""

import asyncio
import hmac
import logging
from time import monotonic, perf_counter_ns
from typing import Final

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.crypto.vault import UnsealError
from authfactor.http import api_key_auth, error_responses, rate_limiting, request_ids
from authfactor.http.api import health
from authfactor.http.request import Request
from authfactor.http.response import OutgoingResponse
from authfactor.http.routing import Match, Route, Router
from authfactor.http.telemetry import log_setup
from authfactor.http.telemetry.access_log import RequestLog
from authfactor.http.telemetry.shared_counters import UNMATCHED, CounterWriter
from authfactor.http1.request_cycle import Headers, Message, Receive
from authfactor.rules.audit.audit_log import Origin
from authfactor.settings import Settings
from authfactor.store.protocol import request_began

OUTCOME_OK: Final = "ok"
CLOSE: Final = (b"connection", b"close")
_BODILESS: Final = frozenset({"GET", "DELETE", "HEAD"})
_REFUSED: Final = 400
_CLOSED: Final = errors.Unavailable(
    "A stored secret does not open. The request id names it in our log; authfactor doctor says which."
)

log = logging.getLogger("authfactor.http")


class Dispatcher:
    """The open application: answers requests."""

    def __init__(
        self,
        af: Authfactor,
        routes: list[Route],
        server_state: health.ServerState,
        counters: CounterWriter,
        worker: int,
    ) -> None:
        """Build the routes once."""
        self._af = af
        self._server_state = server_state
        self._counters = counters
        self._worker = worker
        self._router = Router(routes)
        self._request_id = request_ids.RequestIds(af)
        self._time = asyncio.get_running_loop().time
        self._log: RequestLog | None = None
        self.apply(af.settings)

    def apply(self, settings: Settings) -> None:
        """Take up the settings that may change in a running server."""
        self.settings = settings
        self._addresses = rate_limiting.Addresses(settings)
        self._by_key = rate_limiting.buckets(settings.rate_per_key, settings.rate_per_key_burst)
        self._by_address = rate_limiting.buckets(settings.rate_per_address, settings.rate_per_address_burst)
        self.flush()
        wanted = settings.log_requests and settings.log_level in ("debug", "info")
        people = log_setup.for_people(settings)
        self._log = RequestLog(self._af.clock, people=people, worker=self._worker) if wanted else None

    def flush(self) -> None:
        """Write what the log has gathered."""
        if self._log is not None:
            self._log.flush()

    async def respond(self, scope: Message, receive: Receive) -> OutgoingResponse:
        """Answer one request; whatever goes wrong becomes an answer too."""
        started = perf_counter_ns()
        method: str = scope["method"]
        request_id = self._request_id()
        request_began.set(self._time())
        extra: Headers = []
        name, call = UNMATCHED, None
        try:
            match = self._router.find(
                "GET" if method == "HEAD" else method, scope["raw_path"].decode("latin-1")
            )
            name = match.route.name
            call = await self._admit(match, scope, receive)
            call.origin = Origin(request_id, self._addresses.of(scope))
            answer = await match.route.handler(call)
        except errors.AuthfactorError as error:
            answer, extra = error_responses.render(error), error_responses.headers(error)
        except UnsealError as error:
            # Damaged, put into another row, or sealed with a key that is not there: somebody must mend it.
            facts = {"request_id": request_id, "route": name}
            log.error("a stored secret does not open: %s", error, extra=facts)  # noqa: TRY400 - known, no traceback
            answer, extra = error_responses.render(_CLOSED), error_responses.headers(_CLOSED)
        except Exception:
            # The request id is all that leaves the house; what went wrong stays in the log.
            log.exception("unexpected failure", extra={"request_id": request_id, "route": name})
            answer = error_responses.render(
                errors.AuthfactorError("Something went wrong. The request id names it in our log.")
            )
        if self._server_state.draining:
            extra = [*extra, CLOSE]
        refused = answer.status >= _REFUSED
        outcome = answer.code or (errors.AuthfactorError.code if refused else OUTCOME_OK)
        if refused:
            self._counters.error(outcome)
        if answer.verdict is not None:
            self._counters.verdict(answer.verdict)
        microseconds = (perf_counter_ns() - started) // 1000
        self._counters.request(name, answer.status, microseconds)
        if self._log is not None:
            caller = call.caller.environment.number if call is not None and call.caller is not None else None
            address = self._addresses.of(scope) if call is None else call.origin.address or ""
            self._log.write(request_id, name, answer.status, outcome, microseconds, address, caller)
        return OutgoingResponse(answer, request_id, extra, name, outcome, bodiless=method == "HEAD")

    async def _admit(self, match: Match, scope: Message, receive: Receive) -> Request:
        """See who asks and whether they may, then read the body."""
        method: str = scope["method"]
        headers = dict(scope["headers"])
        route = match.route
        if self._by_address is not None and route.tag != health.TAG:
            self._apply_rate_limit(
                "address", self._by_address, rate_limiting.client_of(self._addresses.of(scope))
            )
        # Before the body is read: a stranger's bytes are not worth memory.
        caller = await api_key_auth.caller_of(self._af, headers) if route.needs_key else None
        if self._by_key is not None and caller is not None:
            self._apply_rate_limit("key", self._by_key, caller.key_id)
        body = b"" if method in _BODILESS else await _body(receive, headers, self._af.settings.max_body)
        path: str = scope["raw_path"].decode("latin-1")
        call = Request(self._af, method, path, scope["query_string"], headers, body, match.ids, route.status)
        call.caller = caller
        return call

    def _apply_rate_limit(self, by: str, limit: rate_limiting.Buckets, who: str) -> None:
        wait = limit.take(who, monotonic())
        if wait:
            self._counters.add("authfactor_rate_limited_total", by)
            raise errors.TooManyRequests(wait)

    def may_see_metrics(self, headers: dict[bytes, bytes]) -> bool:
        """Tell whether a request for the metrics on the API's port holds the token; without one, never."""
        token = self.settings.metrics_token
        given = headers.get(b"authorization", b"")
        return bool(token) and hmac.compare_digest(given, b"Bearer " + token.encode())


async def _body(receive: Receive, headers: dict[bytes, bytes], most: int) -> bytes:
    """Read the body, never more than `most` bytes of it."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most:
        raise errors.BodyTooLarge(message=f"The request body is larger than {most} bytes.")
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            # What has come may look whole (no body at all does), and must not count as what was meant.
            raise errors.MalformedBody(message="The request ended before its body did.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise errors.BodyTooLarge(message=f"The request body is larger than {most} bytes.")
    return body
