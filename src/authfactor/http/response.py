"""What leaves the door: an answer with the headers that every answer carries."""

from typing import Final

from authfactor.http1.request_cycle import Headers, serialize_headers
from authfactor.models import Record

# Sent with every answer. HSTS belongs to whoever terminates TLS.
SECURITY_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"vary", b"origin, accept-encoding"),
]
NO_CONTENT: Final = 204
JSON_TYPE: Final = (b"content-type", b"application/json; charset=utf-8")
_USUAL: Final = serialize_headers([*SECURITY_HEADERS, JSON_TYPE]).replace(b"%", b"%%") + (
    b"x-request-id: %s\r\ncontent-length: %d\r\n"
)


class Response(Record, frozen=True, gc=False):
    """A rendered answer, ready to send and ready to keep for a repeated request."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    code: str | None = None
    """The error's code, for the log and the metrics; None for a success."""
    verdict: str | None = None
    """What became of a one-time code, for the metrics; None when the request checked none."""


class OutgoingResponse:
    """An answer on its way out, and what became of its request: the name of the route, the outcome."""

    __slots__ = ("_answer", "_extra", "_request_id", "body", "outcome", "route", "status")

    def __init__(
        self, answer: Response, request_id: str, extra: Headers, route: str, outcome: str, *, bodiless: bool
    ) -> None:
        """`bodiless`: the answer to a HEAD, which tells the length of a body that is not sent."""
        self._answer = answer
        self._request_id = request_id
        self._extra = extra
        self.status = answer.status
        self.body = b"" if bodiless else answer.body
        self.route = route
        self.outcome = outcome

    def headers(self) -> Headers:
        """List the headers; an empty answer claims no content type (SDKs fail on empty JSON)."""
        answer = self._answer
        # An answer that brings headers of its own (a page, a static file) may say otherwise.
        own = {name for name, _ in answer.headers}
        usual = (*SECURITY_HEADERS, JSON_TYPE) if answer.body else SECURITY_HEADERS
        headers = [header for header in usual if header[0] not in own]
        headers += [*answer.headers, *self._extra, (b"x-request-id", self._request_id.encode())]
        if answer.status != NO_CONTENT:  # RFC 9110 section 8.6: no length where there is no content
            headers.append((b"content-length", str(len(answer.body)).encode()))
        return headers

    def head(self) -> bytes:
        """Write the headers out. Raises `ValueError` for one that would be more than one."""
        answer = self._answer
        if answer.headers or self._extra or not answer.body:
            return serialize_headers(self.headers())
        return _USUAL % (self._request_id.encode(), len(answer.body))
