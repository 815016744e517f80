"""Batching per event-loop iteration: requests start in a fair order, and responses are written together.

An event loop processes connections in the order the kernel reports them, which is the same every time. The
connection served last then has its next request arrive just after the next poll, and is last again: a few
percent of requests took twice as long as the others (decision 0026).

Waking a sleeping receiver costs the sender more than the write itself. When responses are written back to
back, only the first wakes a proxy or a client with many connections; written as each is ready, every one
does (decision 0028). Batched are reads, which finish where they start, and writes that shared a commit.
"""

import asyncio
from typing import Protocol


class PendingConnection(Protocol):
    """A connection on which a request has arrived."""

    last_response_number: int
    """The server's count of requests when it last responded on this connection."""

    def start_request(self) -> None:
        """Run the application for the current request."""


class ResponseBatcher:
    """The requests to start and the responses to write in one event-loop iteration."""

    def __init__(self) -> None:
        """Create an empty batch. Methods must be called from the event loop's thread."""
        self._pending: list[PendingConnection] = []
        self._writes: list[tuple[asyncio.Transport, bytes]] = []
        self._starting = self._holding = False

    def enqueue(self, connection: PendingConnection) -> None:
        """Start the connection's request once all connections of this iteration have been read."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._start_pending)
        self._pending.append(connection)

    def send(self, transport: asyncio.Transport, content: bytes) -> None:
        """Write now, or with the batch while requests are being started or resumed; always in call order."""
        if self._starting or self._holding:
            if not (self._writes or self._holding):
                asyncio.get_running_loop().call_soon(self.flush)
            self._writes.append((transport, content))
        else:
            self.flush()
            _write(transport, content)

    def hold_until_resumed(self) -> None:
        """Batch the responses of all requests whose commit just completed.

        Their coroutines resume in the next iteration, before `_release` runs.
        """
        self._holding = True
        asyncio.get_running_loop().call_soon(self._release)

    def _release(self) -> None:
        self._holding = False
        self.flush()

    def flush(self) -> None:
        """Write the responses held back. If a transport fails, the rest are written in the next iteration."""
        writes, self._writes = iter(self._writes), []
        try:
            for transport, content in writes:
                _write(transport, content)
        finally:
            if rest := list(writes):
                self._writes += rest
                asyncio.get_running_loop().call_soon(self.flush)

    def _start_pending(self) -> None:
        # Least recently served first.
        pending, self._pending = self._pending, []
        pending.sort(key=_last_response_number)
        pending.reverse()
        self._starting = True
        try:
            while pending:
                pending.pop().start_request()
        finally:
            self._starting = False
            # If one fails to start, the rest start in the next iteration.
            for connection in pending:
                self.enqueue(connection)


def _last_response_number(connection: PendingConnection) -> float:
    return connection.last_response_number


def _write(transport: asyncio.Transport, content: bytes) -> None:
    if not transport.is_closing():
        transport.write(content)
