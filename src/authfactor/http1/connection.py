"""One connection: HTTP/1.1 (RFC 9112) between a socket and the application.

httptools parses; uvicorn accepts connections and shuts down. The protocol between them is ours because
uvicorn's costs more than most handlers: here a response is one write instead of two, headers are not searched
one by one, and a connection has one lazy timer instead of one per request (decision 0025).
"""

import asyncio
import fcntl
import struct
import termios
from collections import deque
from typing import Any, Final, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from authfactor.http1 import eager_task
from authfactor.http1.request_cycle import STATUS_LINES, Application, Headers, RequestCycle, RespondDirectly
from authfactor.http1.response_batching import ResponseBatcher

# Far above what clients and proxies send; httptools itself has no limit.
MAX_HEADER_BYTES: Final = 65_536
# For a request to arrive completely, and for the first request on a new connection to start.
REQUEST_TIMEOUT_SECONDS: Final = 60.0
# Pipelined requests that may wait for the current response; reading pauses at this number.
MAX_PIPELINED: Final = 8
_ERROR_RESPONSE: Final = (
    b"content-type: application/json; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
)
_NOT_HTTP: Final = b'{"message":"This is not HTTP/1.1.","code":"bad_request"}'
_TOO_LARGE: Final = b'{"message":"The headers are larger than 65536 bytes.","code":"headers_too_large"}'


class Connection(asyncio.Protocol):
    """The protocol that uvicorn creates for each client connection."""

    def __init__(
        self,
        batcher: ResponseBatcher,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn passes it
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Take uvicorn's arguments, and the `batcher` that all connections of this process share."""
        self._batcher = batcher
        self._application: Application = config.loaded_app
        self._respond_directly: RespondDirectly | None = getattr(config.loaded_app, "respond", None)
        self._reads_never_suspend: bool = getattr(config.loaded_app, "reads_never_suspend", False)
        self._keep_alive = float(config.timeout_keep_alive)
        self._state = server_state
        # uvicorn types the set for its own protocols.
        self._connections = cast("set[Connection]", server_state.connections)
        self._loop = _loop or asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: Headers = []
        self._head_bytes = 0
        self._default_headers: Headers = []
        self._default_header_bytes = b""
        self._expect_continue = False
        # Bytes of an upgrade request's body still to come; the parser does not deliver them.
        self._upgrade_body_left = 0
        # The request whose body is arriving, the one being handled, and the pipelined ones after it.
        self._receiving: RequestCycle | None = None
        self._current: RequestCycle | None = None
        self._queued: deque[RequestCycle] = deque()
        # Loop times: when the request now arriving started, and when the last response was sent.
        self._request_started_at: float | None = None
        self._idle_since = self._loop.time()
        self.last_response_number = server_state.total_requests
        self._served_any = False
        self._ignoring_input = False
        self._reading_paused = False
        self._drain_waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._client: tuple[str, int] | None = None
        self.transport: asyncio.Transport

    # --- asyncio callbacks ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection and start its timer."""
        self.transport = cast("asyncio.Transport", transport)
        self._client = transport.get_extra_info("peername")
        self._connections.add(self)
        self._timer = self._loop.call_later(self._keep_alive, self._check_timeouts)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        """Disconnect the current requests and wake writers waiting for the client."""
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        for cycle in (self._receiving, self._current):
            if cycle is not None:
                cycle.disconnect()
        self._queued.clear()
        self.resume_writing()
        self._parser = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser. Malformed requests get a 400, oversized headers a 431."""
        if self._ignoring_input:
            return
        if self._request_started_at is None:
            self._request_started_at = self._loop.time()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._reject(400, _NOT_HTTP)
            return
        self._check_header_size(len(data))

    def _check_header_size(self, received: int) -> None:
        if self._request_started_at is not None and self._receiving is None:
            self._head_bytes += received
            if self._head_bytes > MAX_HEADER_BYTES:
                self._reject(431, _TOO_LARGE)

    def _parse(self, data: bytes) -> None:
        while data:
            if self._upgrade_body_left:
                chunk, data = data[: self._upgrade_body_left], data[self._upgrade_body_left :]
                self._upgrade_body_left -= len(chunk)
                self.on_body(chunk)
                if not self._upgrade_body_left:
                    self.on_message_complete()
                continue
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # We ignore the upgrade; the bytes that follow are still HTTP/1.1 (RFC 9110 section 7.8).
                data = data[upgrade.args[0] :]
            else:
                return

    def pause_writing(self) -> None:
        """Make `drain` wait: the transport's write buffer is above its high-water mark."""
        self._drain_waiter = self._loop.create_future()

    def resume_writing(self) -> None:
        """Wake `drain`: the client reads again, or the connection is lost."""
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        self._drain_waiter = None

    # --- httptools callbacks ---

    def on_message_begin(self) -> None:
        """Reset the state of the previous request."""
        self._url = b""
        self._headers = []
        self._expect_continue = False

    def on_url(self, url: bytes) -> None:
        """Append to the request target; httptools may deliver it in parts."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header; trailers, which follow the body, are ignored."""
        if self._receiving is None:
            name = name.lower()
            if name == b"expect":
                self._expect_continue = value.lower() == b"100-continue"
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Start the request; unauthorized ones are rejected before their body is read."""
        parser, url = self._parser, self._url
        version = parser.get_http_version()
        if parser.should_upgrade():
            # httptools takes the bytes that follow, body included, for the other protocol.
            self._upgrade_body_left = self._content_length()
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
            "client": self._client,
        }
        keep_alive = version == "1.1" and parser.should_keep_alive()
        cycle = self._receiving = RequestCycle(
            self, scope, keep_alive=keep_alive, expect_continue=self._expect_continue
        )
        self._head_bytes = 0
        if self._current is None:
            self._current = cycle
            self._batcher.enqueue(self)
        else:
            self._queued.append(cycle)
            self.update_read_flow(backlogged=False)

    def on_body(self, chunk: bytes) -> None:
        """Pass a chunk of the body to its request."""
        if self._receiving is not None:
            self._receiving.feed_body(chunk)

    def on_message_complete(self) -> None:
        """Mark the request as completely received."""
        if self._upgrade_body_left:
            return
        if self._receiving is not None:
            self._receiving.end_body()
        self._receiving = self._request_started_at = None

    def _content_length(self) -> int:
        """Return the length in bytes of an upgrade request's body. Raises `ValueError` if it is chunked."""
        headers = dict(self._headers)
        if b"transfer-encoding" in headers:
            raise ValueError("an upgrade request with a chunked body")
        return int(headers.get(b"content-length", b"0"))

    # --- called by request cycles ---

    def default_headers(self) -> bytes:
        """Return uvicorn's default headers (`Date`), serialized. uvicorn replaces their list every second."""
        headers = self._state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_header_bytes = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return self._default_header_bytes

    def update_read_flow(self, *, backlogged: bool) -> None:
        """Pause reading while a body is backlogged or too many requests are queued; otherwise resume."""
        pause = backlogged or len(self._queued) >= MAX_PIPELINED
        if pause != self._reading_paused and not self.transport.is_closing():
            self._reading_paused = pause
            (self.transport.pause_reading if pause else self.transport.resume_reading)()

    def send(self, content: bytes) -> None:
        """Write to the client through the batcher; dropped if the connection is closing."""
        self._batcher.send(self.transport, content)

    async def drain(self) -> None:
        """Wait until the transport's write buffer has room (see `pause_writing`)."""
        if self._drain_waiter is not None:
            await self._drain_waiter

    def response_sent(self, cycle: RequestCycle) -> None:
        """Close the connection if it is not kept alive; otherwise start the next queued request."""
        self._state.total_requests += 1
        self.last_response_number = self._state.total_requests
        self._current = None
        self._served_any = True
        self._idle_since = self._loop.time()
        if not cycle.keep_alive:
            self._close()
        elif self._queued:
            self._current = self._queued.popleft()
            self._batcher.enqueue(self)
        if self._reading_paused:
            self.update_read_flow(backlogged=False)

    def start_request(self) -> None:
        """Run the application for the current request."""
        if self._current is None:
            return
        coroutine = self._current.run(self._application, self._respond_directly)
        if self._current.only_reads and self._reads_never_suspend:
            # A task would cost a tenth of the request.
            task = eager_task.start(self._loop, coroutine)
            if task is None:
                return
        else:
            task = self._loop.create_task(coroutine)
        # The event loop holds tasks only weakly; uvicorn's set keeps them alive.
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    # --- closing ---

    @property
    def idle_since(self) -> float | None:
        """Loop time since which the connection has been idle, or None while a request is in progress.

        A new connection is never idle, as its first request is on the way: this returns the current time.
        """
        if self._current is not None or self._request_started_at is not None:
            return None
        return self._idle_since if self._served_any else self._loop.time()

    def has_unread(self) -> bool:
        """Return whether the socket's receive buffer holds bytes that the event loop has not read."""
        sock = self.transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return False
        try:
            unread = fcntl.ioctl(sock.fileno(), termios.FIONREAD, b"\0\0\0\0")
        except OSError:
            return False
        return bool(struct.unpack("i", unread)[0])

    def shutdown(self) -> None:
        """Close, after the current response if there is one; uvicorn calls this on shutdown."""
        if self._current is None:
            self._close()
        else:
            self._current.keep_alive = False

    def _close(self) -> None:
        """Flush held-back responses, then close the transport."""
        self._batcher.flush()
        self.transport.close()

    def _check_timeouts(self) -> None:
        """Close an idle connection, or one whose request takes too long to arrive."""
        now = self._loop.time()
        if self._request_started_at is not None:
            deadline = self._request_started_at + REQUEST_TIMEOUT_SECONDS
        elif self._current is not None:
            deadline = now + self._keep_alive
        else:
            deadline = self._idle_since + (self._keep_alive if self._served_any else REQUEST_TIMEOUT_SECONDS)
        if deadline <= now:
            self._close()
        else:
            self._timer = self._loop.call_later(min(deadline - now, self._keep_alive), self._check_timeouts)

    def _reject(self, status: int, body: bytes) -> None:
        """Send an error after the responses still owed, ignore further input, and close."""
        self._ignoring_input = True
        if self._receiving is not None and not self._receiving.response_complete:
            self._receiving.disconnect()  # its own response reports the broken body
        elif self._current is not None:
            (self._queued[-1] if self._queued else self._current).keep_alive = False
        else:
            self.send(STATUS_LINES[status] + _ERROR_RESPONSE % (len(body), body))
            self._close()
