"""One connection: HTTP/1.1 (RFC 9112) between a socket and the application.

httptools parses, uvicorn listens and stops. What is in between is ours, because uvicorn's own protocol
cost more than most handlers: an answer leaves in one write instead of two, its headers are not searched
one by one, and one lazy timer does for a connection what was set anew for each request (decision 0025).
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

# Far above what clients and proxies send; the parser alone would take any number of headers.
MAX_HEADER_BYTES: Final = 65_536
# For a request to arrive, and for the first one on a new connection to begin.
ARRIVAL_SECONDS: Final = 60.0
# Requests that a client may send before it has read an answer; it is not read from meanwhile.
MAX_PIPELINED: Final = 8
_REFUSAL: Final = (
    b"content-type: application/json; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
)
_NOT_HTTP: Final = b'{"message":"This is not HTTP/1.1.","code":"bad_request"}'
_TOO_LARGE: Final = b'{"message":"The headers are larger than 65536 bytes.","code":"headers_too_large"}'


class Connection(asyncio.Protocol):
    """What uvicorn's server makes for each client that connects."""

    def __init__(
        self,
        batcher: ResponseBatcher,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn passes it
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Wait for the transport. uvicorn gives all but the turns, which all connections share."""
        self._batcher = batcher
        self._application: Application = config.loaded_app
        self._respond_directly: RespondDirectly | None = getattr(config.loaded_app, "respond", None)
        self._reads_never_suspend: bool = getattr(config.loaded_app, "reads_never_suspend", False)
        self._keep_alive = float(config.timeout_keep_alive)
        self._state = server_state
        # uvicorn's type knows its own protocols only.
        self._connections = cast("set[Connection]", server_state.connections)
        self._loop = _loop or asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: Headers = []
        self._head_bytes = 0
        self._defaults: Headers = []
        self._default_header_bytes = b""
        self._expects = False
        # Bytes of a body that the parser will not hand out.
        self._upgrade_body_left = 0
        # The request whose body arrives, the one that is being answered, and those that wait for their turn.
        self._arriving: RequestCycle | None = None
        self._current: RequestCycle | None = None
        self._queued: deque[RequestCycle] = deque()
        # Since when a request has been arriving, and since when nobody has wanted anything.
        self._request_started_at: float | None = None
        self._idle_since = self._loop.time()
        self.answered_at = server_state.total_requests
        self._served_any = False
        self._ignoring_input = False
        self._paused = False
        self._writable: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._client: tuple[str, int] | None = None
        self.transport: asyncio.Transport

    # --- what the event loop says ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self.transport = cast("asyncio.Transport", transport)
        self._client = transport.get_extra_info("peername")
        self._connections.add(self)
        self._timer = self._loop.call_later(self._keep_alive, self._check_timeouts)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        """Let whoever waits for the client know."""
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        for exchange in (self._arriving, self._current):
            if exchange is not None:
                exchange.disconnect()
        self._queued.clear()
        self.resume_writing()
        self._parser = None

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        if self._ignoring_input:
            return
        if self._request_started_at is None:
            self._request_started_at = self._loop.time()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(400, _NOT_HTTP)
            return
        self._limit_head(len(data))

    def _limit_head(self, received: int) -> None:
        """Refuse a request whose headers go on and on."""
        if self._request_started_at is not None and self._arriving is None:
            self._head_bytes += received
            if self._head_bytes > MAX_HEADER_BYTES:
                self._refuse(431, _TOO_LARGE)

    def _parse(self, data: bytes) -> None:
        while data:
            if self._upgrade_body_left:
                part, data = data[: self._upgrade_body_left], data[self._upgrade_body_left :]
                self._upgrade_body_left -= len(part)
                self.on_body(part)
                if not self._upgrade_body_left:
                    self.on_message_complete()
                continue
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # An offer that is not taken: what follows is HTTP/1.1 still (RFC 9110 section 7.8).
                data = data[upgrade.args[0] :]
            else:
                return

    def pause_writing(self) -> None:
        """Take note that the client does not read."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """Take note that it reads again, or that it never will."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # --- what the parser says ---

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._headers = []
        self._expects = False

    def on_url(self, url: bytes) -> None:
        """Keep the target, or the next part of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; one that follows the body (a trailer) is nobody's business."""
        if self._arriving is None:
            name = name.lower()
            if name == b"expect":
                self._expects = value.lower() == b"100-continue"
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Let the request be answered: who may not ask is told so before the body is read."""
        parser, url = self._parser, self._url
        version = parser.get_http_version()
        if parser.should_upgrade():
            # The parser then takes what follows for the other protocol, the body too.
            self._upgrade_body_left = self._length()
        if url.startswith(b"/"):
            path, _, query = url.partition(b"#")[0].partition(b"?")
        else:
            parsed = httptools.parse_url(url)
            path, query = parsed.path or b"/", parsed.query or b""
        text = path.decode("latin-1")
        scope = {
            "type": "http",
            "method": parser.get_method().decode("ascii"),
            "http_version": version,
            "raw_path": path,
            "path": unquote(text) if "%" in text else text,
            "query_string": query,
            "headers": self._headers,
            "client": self._client,
        }
        keep = version == "1.1" and parser.should_keep_alive()
        exchange = self._arriving = RequestCycle(self, scope, keep=keep, expects=self._expects)
        self._head_bytes = 0
        if self._current is None:
            self._current = exchange
            self._batcher.enqueue(self)
        else:
            self._queued.append(exchange)
            self.update_read_flow(backlogged=False)

    def on_body(self, chunk: bytes) -> None:
        """Hand a part of the body on."""
        if self._arriving is not None:
            self._arriving.feed_body(chunk)

    def on_message_complete(self) -> None:
        """The request is there."""
        if self._upgrade_body_left:
            return
        if self._arriving is not None:
            self._arriving.end_body()
        self._arriving = self._request_started_at = None

    def _length(self) -> int:
        """Read how long the body of an offer to upgrade is. Raises `ValueError` where that is not said."""
        names = dict(self._headers)
        if b"transfer-encoding" in names:
            raise ValueError("an upgrade with a body in chunks")
        return int(names.get(b"content-length", b"0"))

    # --- what exchanges need ---

    def default_headers(self) -> bytes:
        """Return the headers that uvicorn renews every second, by putting another list in their place."""
        listed = self._state.default_headers
        if listed is not self._defaults:
            self._defaults = listed
            self._default_header_bytes = b"".join(name + b": " + value + b"\r\n" for name, value in listed)
        return self._default_header_bytes

    def update_read_flow(self, *, backlogged: bool) -> None:
        """Read from the socket, or not while there is much that nobody has taken."""
        pause = backlogged or len(self._queued) >= MAX_PIPELINED
        if pause != self._paused and not self.transport.is_closing():
            self._paused = pause
            (self.transport.pause_reading if pause else self.transport.resume_reading)()

    def send(self, content: bytes) -> None:
        """Send to the client, unless it is gone."""
        self._batcher.send(self.transport, content)

    async def writable(self) -> None:
        """Wait until the client has read most of what was written."""
        if self._writable is not None:
            await self._writable

    def response_sent(self, cycle: RequestCycle) -> None:
        """Close, or turn to the next request."""
        self._state.total_requests += 1
        self.answered_at = self._state.total_requests
        self._current = None
        self._served_any = True
        self._idle_since = self._loop.time()
        if not cycle.keep:
            self._close()
        elif self._queued:
            self._current = self._queued.popleft()
            self._batcher.enqueue(self)
        if self._paused:
            self.update_read_flow(backlogged=False)

    def begin(self) -> None:
        """Begin to answer the request whose turn it is."""
        if self._current is None:
            return
        # Held by uvicorn until it is done: the event loop itself holds tasks only weakly.
        running = self._current.run(self._application, self._respond_directly)
        if self._current.only_reads and self._reads_never_suspend:
            # A task would cost a tenth of the request.
            task = eager_task.start(self._loop, running)
            if task is None:
                return
        else:
            task = self._loop.create_task(running)
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    # --- the end ---

    @property
    def idle_since(self) -> float | None:
        """Since when nobody has wanted anything, by the loop's clock; None while somebody does.

        On a new connection that is now, whenever it is asked: its first request is on its way.
        """
        if self._current is not None or self._request_started_at is not None:
            return None
        return self._idle_since if self._served_any else self._loop.time()

    def has_unread(self) -> bool:
        """Tell whether bytes have arrived that the loop has not read yet."""
        found = self.transport.get_extra_info("socket")
        if found is None or found.fileno() < 0:
            return False
        try:
            waiting = fcntl.ioctl(found.fileno(), termios.FIONREAD, b"\0\0\0\0")
        except OSError:
            return False
        return bool(struct.unpack("i", waiting)[0])

    def shutdown(self) -> None:
        """Close, after the answer that is under way; uvicorn calls this when it stops."""
        if self._current is None:
            self._close()
        else:
            self._current.keep = False

    def _close(self) -> None:
        """Close, once what is to be sent is on its way."""
        self._batcher.flush()
        self.transport.close()

    def _check_timeouts(self) -> None:
        """Close when nobody asks any more, or when a request takes too long to arrive."""
        now = self._loop.time()
        if self._request_started_at is not None:
            ends = self._request_started_at + ARRIVAL_SECONDS
        elif self._current is not None:
            ends = now + self._keep_alive
        else:
            ends = self._idle_since + (self._keep_alive if self._served_any else ARRIVAL_SECONDS)
        if ends <= now:
            self._close()
        else:
            self._timer = self._loop.call_later(min(ends - now, self._keep_alive), self._check_timeouts)

    def _refuse(self, status: int, body: bytes) -> None:
        """Say what is wrong with what has arrived, in its turn, and hear no more."""
        self._ignoring_input = True
        if self._arriving is not None and not self._arriving.response_complete:
            self._arriving.disconnect()  # its own answer will say so
        elif self._current is not None:
            (self._queued[-1] if self._queued else self._current).keep = False
        else:
            self.send(STATUS_LINES[status] + _REFUSAL % (len(body), body))
            self._close()
