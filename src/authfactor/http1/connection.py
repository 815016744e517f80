"""One connection: HTTP/1.1 (RFC 9112) between a socket and the application.

httptools parses; uvicorn starts and shuts down. The protocol between them is ours because uvicorn's costs
more than most handlers: here a response is one write instead of two, headers are not searched one by one, and
a connection has one lazy timer instead of one per request (decision 0025). What a client may make the server
hold, in bytes and in time, is bounded (decision 0033).
"""

import asyncio
from collections import deque
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from authfactor.http1 import connection_limits, eager_task
from authfactor.http1.connection_limits import ConnectionLimits
from authfactor.http1.request_cycle import Application, Headers, RequestCycle, RespondDirectly
from authfactor.http1.request_parser import (
    Refusal,
    RequestParser,
    has_one_head,
    piece_end,
    refusal_of,
)
from authfactor.http1.response_batching import ResponseBatcher
from authfactor.http1.sending import SendingProtocol

# For a request to arrive completely, and for the first request on a new connection to start.
REQUEST_TIMEOUT_SECONDS: Final = 60.0
# For the rest of a body that no handler reads, after its response.
DISCARD_SECONDS: Final = 5.0
# Pipelined requests that may wait for the current response, and their bytes; parsing stops there.
MAX_PIPELINED: Final = 8
MAX_PIPELINED_BYTES: Final = 65_536
_BUSY: Final = Refusal(
    503, "unavailable", "All connections of this server are in use.", b"retry-after: 1\r\n"
)


class Connection(SendingProtocol):
    """The protocol that uvicorn creates for each client connection."""

    def __init__(
        self,
        batcher: ResponseBatcher,
        limits: ConnectionLimits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn passes it
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Take uvicorn's arguments, and the `batcher` and `limits` that all connections of a server share."""
        super().__init__(batcher, limits, _loop or asyncio.get_running_loop())
        self._application: Application = config.loaded_app
        self._respond_directly: RespondDirectly | None = getattr(config.loaded_app, "respond", None)
        self._reads_never_suspend: bool = getattr(config.loaded_app, "reads_never_suspend", False)
        self._keep_alive = float(config.timeout_keep_alive)
        self._period = min(self._keep_alive, limits.write_timeout)
        self._state = server_state
        # uvicorn types the set for its own protocols.
        self._connections = cast("set[Connection]", server_state.connections)
        self._default_headers: Headers = []
        self._default_header_bytes = b""
        # The request being handled, and the pipelined ones after it, with their bytes.
        self._current: RequestCycle | None = None
        self._queued: deque[RequestCycle] = deque()
        self._queued_bytes = 0
        # Input to parse when there is room for another request.
        self._held = b""
        # Loop times: when the request now arriving started, and when the last response was sent.
        self._request_started_at: float | None = None
        self._idle_since = self._loop.time()
        self.last_response_number = server_state.total_requests
        self.served_any = False
        self._reading_paused = False
        # Refused connections may linger, within a limit of their own.
        self._refused = False
        self._parser = RequestParser(self)

    # --- asyncio callbacks ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection and start its timer, or refuse it."""
        self.transport = cast("asyncio.Transport", transport)
        self._parser.client = transport.get_extra_info("peername")
        if self._limits.admits(self._connections, self._loop.time()):
            self._connections.add(self)
            self._set_timer(self._period, self._check_timeouts)
        else:
            self._refuse()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        """Disconnect the current requests and wake writers waiting for the client."""
        self._connections.discard(self)
        self._set_timer(0, None)
        for cycle in (self._parser.receiving, self._current):
            if cycle is not None:
                cycle.disconnect()
        self._queued.clear()
        self.resume_writing()
        self._parser.close()
        if self._refused:
            self._limits.refused_closed()

    def data_received(self, data: bytes) -> None:
        """Parse input as far as there is room for requests. Invalid input is refused."""
        if self._ignoring_input:
            self._ignore(len(data))
            return
        if self._request_started_at is None:
            self._request_started_at = self._loop.time()
        if self._current is None and has_one_head(data):
            try:
                self._parser.feed(data)
            except httptools.HttpParserError as error:
                self._reject(refusal_of(error))
        else:
            self._held += data
            self._parse_held()

    def eof_received(self) -> bool:
        """Answer the requests that have arrived completely, and then close (RFC 9112 section 9.6).

        TLS has no half-closed connections in asyncio.
        """
        if self._current is None or not self.transport.can_write_eof():
            return False
        self._ignoring_input = self._input_ended = True
        if self._parser.receiving is not None:
            self._parser.receiving.disconnect()
        self._last_request(self._current).keep_alive = False
        return True

    # --- input ---

    def _parse_held(self) -> None:
        """Parse held input in pieces, until there is no room for another request; keep the rest."""
        held, start = self._held, 0
        try:
            while start < len(held) and not self._reading_paused:
                piece = held[start : piece_end(held, start)]
                start += len(piece)
                if self._current is not None and self._current is not self._parser.receiving:
                    self._queued_bytes += len(piece)
                self._parser.feed(piece)
                self.update_read_flow()
        except httptools.HttpParserError as error:
            self._reject(refusal_of(error))
            return
        self._held = held[start:]
        if self._request_started_at is None and self._parser.is_receiving:
            self._request_started_at = self._loop.time()
        if len(self._held) > MAX_PIPELINED_BYTES and self._queued:
            # The client sends the others again on a new connection (RFC 9112 section 9.3.2).
            self._ignore_input()
            self._queued[-1].keep_alive = False

    def _parse_again(self) -> None:
        """Parse the input held back; once there is none, read on."""
        if not (self._ignoring_input or self.transport.is_closing()):
            self._parse_held()
            if not (self._held or self._reading_paused):
                self.transport.resume_reading()

    def update_read_flow(self) -> None:
        """Pause reading while a body is backlogged or enough requests are queued; otherwise resume."""
        receiving = self._parser.receiving
        pause = (
            len(self._queued) >= MAX_PIPELINED
            or self._queued_bytes > MAX_PIPELINED_BYTES
            or (receiving is not None and receiving.backlogged)
        )
        if pause == self._reading_paused or self.transport.is_closing():
            return
        self._reading_paused = pause
        if pause:
            self.transport.pause_reading()
            return
        if self._request_started_at is not None:
            self._request_started_at = self._loop.time()
        if self._held:
            self._loop.call_soon(self._parse_again)
        else:
            self.transport.resume_reading()

    def request_started(self, cycle: RequestCycle) -> None:
        """Handle a request whose head has arrived, after those before it."""
        if self._current is None:
            self._current = cycle
            self._batcher.enqueue(self)
        else:
            self._queued.append(cycle)
            self.update_read_flow()

    def request_received(self) -> None:
        """Note that no request is partly received."""
        self._request_started_at = None

    def _last_request(self, current: RequestCycle) -> RequestCycle:
        """Return the last request to be answered; `current` if none is queued."""
        return self._queued[-1] if self._queued else current

    # --- called by request cycles ---

    def default_headers(self) -> bytes:
        """Return uvicorn's default headers (`Date`), serialized. uvicorn replaces their list every second."""
        headers = self._state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_header_bytes = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return self._default_header_bytes

    def response_sent(self, cycle: RequestCycle) -> None:
        """Close the connection if it is not kept alive; otherwise start the next queued request."""
        self._state.total_requests += 1
        self.last_response_number = self._state.total_requests
        self._current = None
        self.served_any = True
        self._idle_since = self._loop.time()
        if not cycle.keep_alive:
            (self._close if cycle.body_complete and not self._ignoring_input else self._linger)()
        elif self._queued:
            self._current = self._queued.popleft()
            if not self._queued:
                self._queued_bytes = 0
            self._batcher.enqueue(self)
        if self._reading_paused:
            self.update_read_flow()

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
        return self._idle_since if self.served_any else self._loop.time()

    @property
    def waiting_since(self) -> float | None:
        """Loop time since which the client has had to read or to send something; None while it waits."""
        if self.unsent_bytes:
            return self._idle_since
        if self._current is not None and self._current.body_complete:
            return None
        return self._idle_since if self._request_started_at is None else self._request_started_at

    def shutdown(self) -> None:
        """Close, after the current response if there is one; uvicorn calls this on shutdown."""
        if self._current is None:
            self._close()
        else:
            self._current.keep_alive = False

    def abort(self) -> None:
        """Close at once; what the client has not read is lost."""
        self._connections.discard(self)
        super().abort()

    def _check_timeouts(self) -> None:
        """Close an idle connection, or one whose client is too slow with a request or a response."""
        now = self._loop.time()
        if self._idle_since + self._limits.write_timeout <= now and self.unsent_bytes:
            self._abort_slow_reader()
            return
        if self._request_started_at is not None:
            deadline = self._request_started_at + REQUEST_TIMEOUT_SECONDS
            if self._current is None and self._parser.receiving is not None:
                deadline = self._idle_since + DISCARD_SECONDS
        elif self._current is not None:
            deadline = now + self._period
        else:
            deadline = self._idle_since + (self._keep_alive if self.served_any else REQUEST_TIMEOUT_SECONDS)
        if deadline > now:
            self._set_timer(min(deadline - now, self._period), self._check_timeouts)
            return
        if self._request_started_at is not None or not self.served_any:
            self._limits.count(connection_limits.SLOW_REQUEST)
        self._close()

    def _ignore_input(self) -> None:
        self._ignoring_input = True
        self._held = b""

    def _reject(self, refusal: Refusal) -> None:
        """Ignore further input, and close with an error, or with the last of the responses still owed."""
        self._ignore_input()
        self._limits.count(connection_limits.INVALID)
        receiving = self._parser.receiving
        if receiving is not None and not receiving.response_complete:
            receiving.disconnect(refusal.message)  # its own response reports the broken body
        elif self._current is not None:
            self._last_request(self._current).keep_alive = False
        else:
            self.send(refusal.response())
            self._linger()

    def _refuse(self) -> None:
        """Send a 503 without reading a request; a few such connections may linger."""
        self._ignoring_input = True
        self.send(_BUSY.response())
        if self._limits.may_linger():
            self._refused = True
            self._linger()
        else:
            self._close()
