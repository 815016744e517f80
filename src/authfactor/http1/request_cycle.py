"""One request and its response on a connection: the `receive` and `send` of an ASGI application."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, Protocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
# Reading pauses while more bytes of a body than this wait for the application.
BODY_HIGH_WATER: Final = 65_536
# After a response that did not wait for the body, the connection is kept if at most this much is to come.
DISCARD_BYTES: Final = 8_192
STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE: Final = b"connection: close\r\n"
_SERVER_ERROR: Final = (500, [(b"content-length", b"0"), (b"connection", b"close")])

Headers = list[tuple[bytes, bytes]]


class ResponseLike(Protocol):
    """A complete response that can serialize its headers."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The whole body; empty for a HEAD request."""

    def headers(self) -> Headers:
        """Return the headers as pairs."""

    def head(self) -> bytes:
        """Return the headers, serialized. Raises `ValueError` for a header that contains a line break."""


RespondDirectly = Callable[[Message, Receive], Awaitable[ResponseLike]]

log = logging.getLogger("authfactor.http")


class ResponseWriter(Protocol):
    """The part of a connection that a request cycle uses."""

    def send(self, content: bytes) -> None:
        """Write to the client; dropped if the connection is closing."""

    def default_headers(self) -> bytes:
        """Return the headers that every response carries, serialized."""

    def update_read_flow(self) -> None:
        """Pause reading from the socket while a body is backlogged; otherwise resume."""

    async def drain(self) -> None:
        """Wait until the write buffer has room."""

    def response_sent(self, cycle: "RequestCycle") -> None:
        """Start the connection's next request, or close it."""


class RequestCycle:
    """A request whose headers have arrived, and its response."""

    __slots__ = (
        *("_body", "_connection", "_expect_continue", "_response_start", "_waiter"),
        *("body_complete", "disconnected", "keep_alive", "only_reads", "response_complete", "scope"),
        "_disconnect_reason",
    )

    def __init__(
        self, connection: ResponseWriter, scope: Message, *, keep_alive: bool, expect_continue: bool
    ) -> None:
        """`expect_continue`: the client sends its body after `100 Continue` (RFC 9110 section 10.1.1)."""
        self.scope = scope
        self.keep_alive = keep_alive
        self.body_complete = self.disconnected = self.response_complete = False
        self.only_reads = scope["method"] == "GET"
        self._connection = connection
        self._expect_continue = expect_continue
        self._body = b""
        self._disconnect_reason = ""
        self._waiter: asyncio.Future[None] | None = None
        self._response_start: tuple[int, Headers] | None = None

    async def run(self, application: Application, respond_directly: RespondDirectly | None = None) -> None:
        """Run the application; a failure, or a missing response, becomes a 500 with an empty body.

        `respond_directly`, if given, is called instead; it returns a whole response, not ASGI messages.
        """
        try:
            if respond_directly is None:
                await application(self.scope, self.receive, self.send)
            else:
                response = await respond_directly(self.scope, self.receive)
                await self._connection.drain()
                self._write(response.status, response.head(), response.body)
            if not self.response_complete and not self.disconnected:
                log.error("the application returned without sending a response")
        except Exception:
            log.exception("unexpected failure outside of the dispatcher")
        if not self.response_complete:
            self.keep_alive = False
            self._response_start = _SERVER_ERROR
            await self.send({"body": b""})

    @property
    def backlogged(self) -> bool:
        """Whether so much of the body waits for the application that reading must pause."""
        return len(self._body) > BODY_HIGH_WATER

    def feed_body(self, chunk: bytes) -> None:
        """Buffer a chunk of the body; dropped once the response is complete."""
        if self.response_complete:
            return
        self._body += chunk
        if len(self._body) > BODY_HIGH_WATER:
            self._connection.update_read_flow()
        self._wake()

    def end_body(self) -> None:
        """Mark the body as completely received."""
        self.body_complete = True
        self._wake()

    def disconnect(self, reason: str = "The request body is incomplete.") -> None:
        """Mark the client as disconnected; `receive` reports it with the reason if the body is incomplete."""
        self.disconnected = not self.body_complete
        self._disconnect_reason = reason
        self.keep_alive = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> Message:
        """Return the bytes of the body received so far, waiting if there are none (ASGI `receive`)."""
        if self._expect_continue and not self._body and not self.body_complete:
            self._connection.send(_CONTINUE)
        self._expect_continue = False
        while not (self._body or self.body_complete or self.disconnected):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self.disconnected:
            return {"type": "http.disconnect", "reason": self._disconnect_reason}
        body, self._body = self._body, b""
        if len(body) > BODY_HIGH_WATER:
            self._connection.update_read_flow()
        return {"type": "http.request", "body": body, "more_body": not self.body_complete}

    async def send(self, message: Message) -> None:
        """Take the start of a response, then its whole body, and write both at once (ASGI `send`)."""
        if self._response_start is None:
            self._response_start = (message["status"], message["headers"])
            return
        await self._connection.drain()
        status, headers = self._response_start
        self._write(status, serialize_headers(headers), message["body"])

    def _write(self, status: int, own_headers: bytes, body: bytes) -> None:
        """Write a response; `own_headers` are serialized and exclude the connection's default headers."""
        connection = self._connection
        if not self.body_complete:
            self.keep_alive = self.keep_alive and self._rest_is_small()
            self._body = b""
        if _CLOSE in own_headers:
            self.keep_alive = False
        elif not self.keep_alive:
            own_headers += _CLOSE
        self.response_complete = True
        connection.send(
            b"".join((STATUS_LINES[status], connection.default_headers(), own_headers, b"\r\n", body))
        )
        connection.response_sent(self)

    def _rest_is_small(self) -> bool:
        """Return whether the rest of the body is at most `DISCARD_BYTES` and surely on its way.

        A client that waits for `100 Continue` may send its next request instead of the body.
        """
        declared = self.scope["fields"].get(b"content-length", b"")
        return (
            not self._expect_continue
            and declared.isdigit()
            and int(declared) - len(self._body) <= DISCARD_BYTES
        )


def serialize_headers(headers: Headers) -> bytes:
    """Serialize headers. Raises `ValueError` for a header that contains a line break."""
    parts: list[bytes] = []
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    block = b"".join(parts)
    # One count over the block finds header injection in any of its lines.
    if block.count(b"\n") != len(headers) or block.count(b"\r") != len(headers):
        raise ValueError("a header contains a line break")
    return block
