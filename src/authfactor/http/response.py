"""Responses, and the headers that every response carries."""

from typing import Final

from authfactor.http1.request_cycle import Headers, serialize_headers
from authfactor.models import Record

SECURITY_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"vary", b"origin, accept-encoding"),
]
# RFC 6797, for a server with its own TLS; otherwise left to the TLS terminator. Without `includeSubDomains`:
# other servers of the domain are not ours to decide about.
STRICT_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000")
NO_CONTENT: Final = 204
JSON_TYPE: Final = (b"content-type", b"application/json; charset=utf-8")
_JSON_HEAD: Final = serialize_headers([*SECURITY_HEADERS, JSON_TYPE]).replace(b"%", b"%%") + (
    b"x-request-id: %s\r\ncontent-length: %d\r\n"
)


class Response(Record, frozen=True, gc=False):
    """A rendered response; also stored under an idempotency key."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    code: str | None = None
    """The error code, for the log and the metrics; None for a success."""
    verdict: str | None = None
    """The metrics verdict on a one-time code (`shared_counters.VERDICTS`); None if none was checked."""


class OutgoingResponse:
    """A response with its request's id, route name and outcome, ready to be serialized."""

    __slots__ = ("_extra", "_request_id", "_response", "body", "outcome", "route", "status")

    def __init__(
        self, response: Response, request_id: str, extra: Headers, route: str, outcome: str, *, bodiless: bool
    ) -> None:
        """`bodiless`: the response to a HEAD request, with the length of a body that is not sent."""
        self._response = response
        self._request_id = request_id
        self._extra = extra
        self.status = response.status
        self.body = b"" if bodiless else response.body
        self.route = route
        self.outcome = outcome

    def headers(self) -> Headers:
        """Return all headers. An empty body has no content type, as SDKs fail to decode empty JSON."""
        response = self._response
        # Pages and static files override some defaults.
        overridden = {name for name, _ in response.headers}
        defaults = (*SECURITY_HEADERS, JSON_TYPE) if response.body else SECURITY_HEADERS
        headers = [header for header in defaults if header[0] not in overridden]
        headers += [*response.headers, *self._extra, (b"x-request-id", self._request_id.encode())]
        if response.status != NO_CONTENT:  # RFC 9110 section 8.6: a 204 has no Content-Length
            headers.append((b"content-length", str(len(response.body)).encode()))
        return headers

    def head(self) -> bytes:
        """Serialize the headers. Raises `ValueError` for a header that contains a line break."""
        response = self._response
        if response.headers or self._extra or not response.body:
            return serialize_headers(self.headers())
        return _JSON_HEAD % (self._request_id.encode(), len(response.body))
