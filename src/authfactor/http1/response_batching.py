"""What a turn of the event loop does together: requests begin in a fair order, answers leave in one go.

An event loop hands connections over in the order in which the kernel names them, which is the same each
time. Whoever is answered last has the next request arrive just after the kernel was asked again, and waits
behind everybody once more: a few in a hundred requests took twice as long as the others (decision 0026).

And whoever waits for an answer sleeps: to wake somebody costs the sender more than to send. Of answers that
leave right after each other only the first wakes a proxy, or a client with many connections; sent one by
one as they are ready, every one does (decision 0028). That goes for reads, which are answered where they
begin, and for writes that shared a commit.
"""

import asyncio
from typing import Protocol


class PendingConnection(Protocol):
    """A connection on which a request has arrived."""

    answered_at: int
    """How many requests the server had answered when it answered here last."""

    def begin(self) -> None:
        """Begin to answer."""


class ResponseBatcher:
    """Requests that have arrived in this turn, and answers that leave together."""

    def __init__(self) -> None:
        """Belong to the loop that is running when the first one comes."""
        self._pending: list[PendingConnection] = []
        self._writes: list[tuple[asyncio.Transport, bytes]] = []
        self._starting = self._holding = False

    def enqueue(self, connection: PendingConnection) -> None:
        """Let the connection begin once all are there that arrived together."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._start_pending)
        self._pending.append(connection)

    def send(self, transport: asyncio.Transport, content: bytes) -> None:
        """Send now, or together what is ready while requests begin or go on; always in the order of calls."""
        if self._starting or self._holding:
            if not (self._writes or self._holding):
                asyncio.get_running_loop().call_soon(self.flush)
            self._writes.append((transport, content))
        else:
            self.flush()
            _write(transport, content)

    def hold_until_resumed(self) -> None:
        """Send together what those answer who were told of a commit just now: each goes on a step before."""
        self._holding = True
        asyncio.get_running_loop().call_soon(self._release)

    def _release(self) -> None:
        self._holding = False
        self.flush()

    def flush(self) -> None:
        """Send what is held back."""
        answers, self._writes = iter(self._writes), []
        try:
            for transport, content in answers:
                _write(transport, content)
        finally:
            # One that cannot be written to keeps nobody else from an answer.
            if rest := list(answers):
                self._writes += rest
                asyncio.get_running_loop().call_soon(self.flush)

    def _start_pending(self) -> None:
        waiting, self._pending = self._pending, []
        waiting.sort(key=_answered)
        waiting.reverse()
        self._starting = True
        try:
            while waiting:
                waiting.pop().begin()
        finally:
            self._starting = False
            # One that cannot begin keeps nobody else from it.
            for connection in waiting:
                self.enqueue(connection)


def _answered(connection: PendingConnection) -> float:
    return connection.answered_at


def _write(transport: asyncio.Transport, content: bytes) -> None:
    if not transport.is_closing():
        transport.write(content)
