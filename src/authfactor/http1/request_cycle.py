"""One request on a connection, and its answer: what an ASGI application sees as `receive` and `send`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, Protocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
# Read no further while so much of a body waits for its handler.
BODY_HIGH_WATER: Final = 65_536
STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE: Final = b"connection: close\r\n"
_FAILED: Final = (500, [(b"content-length", b"0"), (b"connection", b"close")])

Headers = list[tuple[bytes, bytes]]


class ResponseLike(Protocol):
    """An answer whose headers can be had written out."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The whole body, empty for a HEAD."""

    def headers(self) -> Headers:
        """List the headers."""

    def head(self) -> bytes:
        """Write them out. Raises `ValueError` for one that would be more than one."""


RespondDirectly = Callable[[Message, Receive], Awaitable[ResponseLike]]

log = logging.getLogger("authfactor.http")


class ResponseWriter(Protocol):
    """What an exchange needs of its connection."""

    def send(self, content: bytes) -> None:
        """Send to the client, unless it is gone."""

    def default_headers(self) -> bytes:
        """Headers of every answer, written out."""

    def update_read_flow(self, *, backlogged: bool) -> None:
        """Read from the socket, or not while there is much that nobody has taken."""

    async def writable(self) -> None:
        """Wait until the other side has taken most of what was written."""

    def response_sent(self, cycle: "RequestCycle") -> None:
        """Take note that the answer is written."""


class RequestCycle:
    """A request whose headers have arrived."""

    __slots__ = (
        *("_body", "_connection", "_expects", "_start", "_waiter"),
        *("body_complete", "disconnected", "keep", "only_reads", "response_complete", "scope"),
    )

    def __init__(self, connection: ResponseWriter, scope: Message, *, keep: bool, expects: bool) -> None:
        """`keep`: whether the connection stays; `expects`: the client waits for `100 Continue`."""
        self.scope = scope
        self.keep = keep
        # The whole body has arrived; the rest of it never will; the answer is written.
        self.body_complete = self.disconnected = self.response_complete = False
        self.only_reads = scope["method"] == "GET"
        self._connection = connection
        self._expects = expects
        self._body = b""
        self._waiter: asyncio.Future[None] | None = None
        self._start: tuple[int, Headers] | None = None

    async def run(self, application: Application, respond_directly: RespondDirectly | None = None) -> None:
        """Let the application answer; it is an error of ours when it does not.

        `answering` is the shorter way: it returns the answer whole instead of sending it in messages.
        """
        try:
            if respond_directly is None:
                await application(self.scope, self.receive, self.send)
            else:
                reply = await respond_directly(self.scope, self.receive)
                await self._connection.writable()
                self._write(reply.status, reply.head(), reply.body)
            if not self.response_complete and not self.disconnected:
                log.error("a request was left without an answer")
        except Exception:
            log.exception("unexpected failure outside of the door")
        if not self.response_complete:
            self.keep = False
            self._start = _FAILED
            await self.send({"body": b""})

    def feed_body(self, chunk: bytes) -> None:
        """Keep a part of the body, unless nobody will ask for it any more."""
        if self.response_complete:
            return
        self._body += chunk
        self._connection.update_read_flow(backlogged=len(self._body) > BODY_HIGH_WATER)
        self._wake()

    def end_body(self) -> None:
        """Take note that the whole body is there."""
        self.body_complete = True
        self._wake()

    def disconnect(self) -> None:
        """Take note that the rest of the request will not come."""
        self.disconnected = not self.body_complete
        self.keep = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> Message:
        """Return what has arrived of the body, waiting where nothing has."""
        if self._expects and not self._body and not self.body_complete:
            self._connection.send(_CONTINUE)
        self._expects = False
        while not (self._body or self.body_complete or self.disconnected):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self.disconnected:
            return {"type": "http.disconnect"}
        body, self._body = self._body, b""
        self._connection.update_read_flow(backlogged=False)
        return {"type": "http.request", "body": body, "more_body": not self.body_complete}

    async def send(self, message: Message) -> None:
        """Take the start of an answer, then its whole body; both leave in one write."""
        if self._start is None:
            self._start = (message["status"], message["headers"])
            return
        await self._connection.writable()
        status, headers = self._start
        self._write(status, serialize_headers(headers), message["body"])

    def _write(self, status: int, own: bytes, body: bytes) -> None:
        """Write an answer; `own` are its headers but for those of every answer."""
        connection = self._connection
        if _CLOSE in own:
            self.keep = False
        elif not self.keep:
            own += _CLOSE
        self.response_complete = True
        connection.send(b"".join((STATUS_LINES[status], connection.default_headers(), own, b"\r\n", body)))
        connection.response_sent(self)


def serialize_headers(headers: Headers) -> bytes:
    """Write headers out. Raises `ValueError` for one that would be more than one."""
    parts: list[bytes] = []
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    whole = b"".join(parts)
    # Counting once is as good as looking into each: a value with a line break is a line too many.
    if whole.count(b"\n") != len(headers) or whole.count(b"\r") != len(headers):
        raise ValueError("a header holds a line break")
    return whole
