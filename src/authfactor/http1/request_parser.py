"""The requests that arrive on a connection: httptools, and limits on what it does not limit.

httptools (llhttp) checks syntax and framing. It joins a header or trailer of any length, takes any number of
one-byte chunks, and calls back for each of them. So every byte of a request that is not body counts against
one budget, and each chunk and trailer field counts for more than its bytes (decision 0033).
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import unquote

import httptools

from authfactor.http1.request_cycle import STATUS_LINES, Headers, RequestCycle, ResponseWriter

# Head, chunk framing and trailers of one request together; an eighth of its body comes on top.
MAX_HEADER_BYTES: Final = 65_536
# Header fields of one request.
MAX_FIELDS: Final = 128
# What a chunk or a trailer field counts besides its own bytes, because it costs a call back.
CALLBACK_BYTES: Final = 64
# The budget is checked after each piece of input, so it may be exceeded by that much.
PIECE_BYTES: Final = 8_192
HEAD_END: Final = b"\r\n\r\n"
_HOST_CHARACTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%!$&'()*+,;=:[]"
_VERSIONS: Final = frozenset({"1.0", "1.1"})
_HEADERS: Final = (
    b"content-type: application/json; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
)


class Refusal(NamedTuple):
    """Why input is refused: the status, and the JSON body's code and message."""

    status: int
    code: str
    message: str
    headers: bytes = b""

    def response(self) -> bytes:
        """Return the whole response."""
        body = f'{{"message":"{self.message}","code":"{self.code}"}}'.encode()
        return STATUS_LINES[self.status] + self.headers + _HEADERS % (len(body), body)


NOT_HTTP: Final = Refusal(400, "bad_request", "This is not HTTP/1.1.")
ONE_HOST: Final = Refusal(400, "bad_request", "A request has exactly one valid Host header.")
HEAD_TOO_LARGE: Final = Refusal(
    *(431, "headers_too_large"),
    f"The headers are larger than {MAX_HEADER_BYTES} bytes, or there are more than {MAX_FIELDS}.",
)
FRAMING_TOO_LARGE: Final = Refusal(
    400, "bad_request", "The request body has too many small chunks, or its trailers are too large."
)


class RequestRefused(httptools.HttpParserError):
    """Input that httptools accepts and we do not."""

    def __init__(self, refusal: Refusal) -> None:
        """Keep the reason."""
        super().__init__(refusal.message)
        self.refusal = refusal


def refusal_of(error: httptools.HttpParserError) -> Refusal:
    """Return the reason of a parser error; httptools wraps what its callbacks raise."""
    for cause in (error, error.__context__):
        if isinstance(cause, RequestRefused):
            return cause.refusal
    return NOT_HTTP


def has_one_head(data: bytes) -> bool:
    """Return whether input can be fed whole: it is small, and at most one request starts in it."""
    return len(data) <= PIECE_BYTES and data.find(HEAD_END, data.find(HEAD_END) + 4) < 0


def piece_end(data: bytes, start: int) -> int:
    """Return where the next piece to feed ends: after a head, or `PIECE_BYTES` further."""
    end = data.find(HEAD_END, start, start + PIECE_BYTES)
    return start + PIECE_BYTES if end < 0 else end + len(HEAD_END)


class RequestReceiver(ResponseWriter, Protocol):
    """The connection, as its parser uses it."""

    def request_started(self, cycle: RequestCycle) -> None:
        """Take a request whose head has arrived."""

    def request_received(self) -> None:
        """Note that the request has arrived completely."""


class RequestParser:
    """Turns the bytes of one connection into request cycles. Its `on_` methods are httptools callbacks."""

    def __init__(self, receiver: RequestReceiver) -> None:
        """`receiver` takes the requests."""
        self._receiver = receiver
        self._parser: Any = httptools.HttpRequestParser(self)
        # The client's address, for the requests' scope.
        self.client: tuple[str, int] | None = None
        # The request whose body is arriving.
        self.receiving: RequestCycle | None = None
        # Bytes of the request now arriving that are not body, less an eighth of those that are.
        self._overhead = 0
        self._url = b""
        self._headers: Headers = []
        # The valid Host of the previous request; clients do not change theirs.
        self._checked_host = b""
        # Bytes of an upgrade request's body still to come; httptools does not deliver them.
        self._upgrade_body_left = 0

    @property
    def is_receiving(self) -> bool:
        """Whether a request has arrived in part."""
        return self.receiving is not None or self._overhead > 0

    def close(self) -> None:
        """Drop the references that would keep a closed connection until the next garbage collection."""
        del self._parser, self._receiver

    def feed(self, piece: bytes) -> None:
        """Parse input. Raises `httptools.HttpParserError`; `refusal_of` has the reason."""
        self._overhead += len(piece)
        while piece:
            if self._upgrade_body_left:
                chunk, piece = piece[: self._upgrade_body_left], piece[self._upgrade_body_left :]
                self._upgrade_body_left -= len(chunk)
                self.on_body(chunk)
                if not self._upgrade_body_left:
                    self.on_message_complete()
                continue
            try:
                self._parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                # We ignore the upgrade; the bytes that follow are still HTTP/1.1 (RFC 9110 section 7.8).
                piece = piece[upgrade.args[0] :]
            else:
                break
        if self._overhead > MAX_HEADER_BYTES or len(self._headers) > MAX_FIELDS:
            raise RequestRefused(HEAD_TOO_LARGE if self.receiving is None else FRAMING_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Reset the state of the previous request."""
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        """Append to the request target; httptools may deliver it in parts."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header; trailers, which follow the body, are only counted."""
        if self.receiving is not None:
            self._charge()
        else:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Start the request; unauthorized ones are answered before their body is read."""
        parser, url = self._parser, self._url
        version = parser.get_http_version()
        fields = dict(self._headers)
        if (
            version != "1.1"
            or fields.get(b"host") != self._checked_host
            or len(fields) != len(self._headers)
            or len(fields) > MAX_FIELDS
            or b"transfer-encoding" in fields
        ):
            self._check_fields(version, fields)
        if parser.should_upgrade():
            # httptools takes the bytes that follow, body included, for the other protocol.
            self._upgrade_body_left = self._content_length(fields)
        if url.startswith(b"/"):
            path, _, query = url.partition(b"#")[0].partition(b"?")
        else:
            parsed = httptools.parse_url(url)
            path, query = parsed.path or b"/", parsed.query or b""
        decoded = path.decode("latin-1")
        scope = {
            "type": "http",
            "method": parser.get_method().decode("ascii"),
            "http_version": version,
            "raw_path": path,
            "path": unquote(decoded) if "%" in decoded else decoded,
            "query_string": query,
            "headers": self._headers,
            "fields": fields,
            "client": self.client,
        }
        self.receiving = RequestCycle(
            self._receiver,
            scope,
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            expect_continue=b"expect" in fields and _expects_continue(version, fields),
        )
        self._receiver.request_started(self.receiving)

    def on_chunk_header(self) -> None:
        """Count a chunk."""
        self._charge()

    def on_body(self, chunk: bytes) -> None:
        """Pass a part of the body to its request."""
        size = len(chunk)
        self._overhead -= size + (size >> 3)
        if self.receiving is not None:
            self.receiving.feed_body(chunk)

    def on_message_complete(self) -> None:
        """Mark the request as completely received."""
        if self._upgrade_body_left:
            return
        if self.receiving is not None:
            self.receiving.end_body()
            self.receiving = None
        self._overhead = 0
        self._receiver.request_received()

    def _charge(self) -> None:
        """Count one call back. Raises `RequestRefused`."""
        self._overhead += CALLBACK_BYTES
        # Of the current piece, the body's bytes are still counted.
        if self._overhead > MAX_HEADER_BYTES + PIECE_BYTES:
            raise RequestRefused(FRAMING_TOO_LARGE)

    def _check_fields(self, version: str, fields: Mapping[bytes, bytes]) -> None:
        """Check version, host and body framing (RFC 9112 sections 2.3, 3.2, 6.1). Raises `RequestRefused`."""
        if version not in _VERSIONS:
            raise RequestRefused(NOT_HTTP)
        if len(self._headers) > MAX_FIELDS:
            raise RequestRefused(HEAD_TOO_LARGE)
        host = fields.get(b"host")
        hosts = sum(name == b"host" for name, _ in self._headers)
        if (
            hosts > 1
            or (host is None and version == "1.1")
            or (host and host.translate(None, _HOST_CHARACTERS))
        ):
            raise RequestRefused(ONE_HOST)
        self._checked_host = host or b""
        coding = fields.get(b"transfer-encoding")
        # Intermediaries of HTTP/1.0 may have ignored it.
        if coding is not None and (version == "1.0" or coding.strip().lower() != b"chunked"):
            raise RequestRefused(NOT_HTTP)

    def _content_length(self, fields: Mapping[bytes, bytes]) -> int:
        """Return the length in bytes of an upgrade request's body. Raises `RequestRefused`."""
        # The end of a chunked body cannot be found, and CONNECT has none that all recipients agree on.
        if b"transfer-encoding" in fields or self._parser.get_method() == b"CONNECT":
            raise RequestRefused(NOT_HTTP)
        return int(fields.get(b"content-length", b"0"))


def _expects_continue(version: str, fields: Mapping[bytes, bytes]) -> bool:
    """Return whether the client waits for `100 Continue` (RFC 9110 section 10.1.1); HTTP/1.0 has none."""
    return version == "1.1" and fields[b"expect"].lower() == b"100-continue"
