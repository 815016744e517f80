"""In which order requests that have arrived together are answered: who was answered longest ago comes first.

An event loop hands connections over in the order in which the kernel names them, which is the same each
time. Whoever is answered last has the next request arrive just after the kernel was asked again, and waits
behind everybody once more: a few in a hundred requests took twice as long as the others (decision 0026).
"""

import asyncio
from typing import Protocol


class Waiting(Protocol):
    """A connection on which a request has arrived."""

    answered_at: int
    """How many requests the server had answered when it answered here last."""

    def begin(self) -> None:
        """Begin to answer."""


class Queue:
    """Those on which a request has arrived in this turn of the event loop."""

    def __init__(self) -> None:
        """Belong to the loop that is running when the first one comes."""
        self._waiting: list[Waiting] = []

    def add(self, connection: Waiting) -> None:
        """Let the connection begin once all are there that arrived together."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._begin)
        self._waiting.append(connection)

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        waiting.sort(key=_answered)
        waiting.reverse()
        try:
            while waiting:
                waiting.pop().begin()
        finally:
            # One that cannot begin keeps nobody else from it.
            for connection in waiting:
                self.add(connection)


def _answered(connection: Waiting) -> float:
    return connection.answered_at
