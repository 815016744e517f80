"""How many connections a process serves, and how long each may take to read its responses (decision 0033).

Imports nothing from the rest of the package: what happens is counted through a callback.
"""

import logging
from collections.abc import Callable, Collection
from typing import Final, Protocol

# Connections that have waited for their client for at least this long give way to new ones.
IDLE_SECONDS: Final = 1.0
# How often at most the connections are searched for idle ones, and refusals are logged.
SEARCH_SECONDS: Final = 0.1
LOG_SECONDS: Final = 60.0
# Refused connections that stay open for a moment, so that the client can read the refusal.
MAX_REFUSED: Final = 32
# Why connections are closed, in metrics.
LIMIT, EVICTED, SLOW_READER, SLOW_REQUEST, INVALID = (
    *("limit", "evicted", "slow_reader", "slow_request", "invalid_request"),
)
REASONS: Final = (LIMIT, EVICTED, SLOW_READER, SLOW_REQUEST, INVALID)

log = logging.getLogger("authfactor.http")


class Evictable(Protocol):
    """A connection, as the limit sees it."""

    @property
    def waiting_since(self) -> float | None:
        """Loop time since which it has waited for the client; None while it works on a request."""

    @property
    def served_any(self) -> bool:
        """Whether a request has been answered on it."""

    def has_unread(self) -> bool:
        """Return whether bytes of the client wait in the socket."""

    def abort(self) -> None:
        """Close at once."""


class ConnectionLimits:
    """The limits that all connections of a server share."""

    def __init__(
        self, max_connections: int, write_timeout: float, count: Callable[[str], None] | None = None
    ) -> None:
        """`write_timeout` in seconds; `count` is called with one of `REASONS`."""
        self.max_connections: Final = max_connections
        self.write_timeout: Final = write_timeout
        self.count: Final = count or _ignore
        # Refused connections that are still open.
        self._refused = 0
        self._search_not_before = self._log_not_before = 0.0

    def admits(self, connections: Collection[Evictable], now: float) -> bool:
        """Return whether a new connection may be served beside `connections`; idle ones may give way.

        `now` is the loop's time.
        """
        if len(connections) < self.max_connections or self._make_room(connections, now):
            return True
        self.count(LIMIT)
        if now >= self._log_not_before:
            self._log_not_before = now + LOG_SECONDS
            log.warning(
                "all %d connections are in use; new ones are refused (max_connections)", self.max_connections
            )
        return False

    def may_linger(self) -> bool:
        """Return whether a refused connection may stay open for a moment; `refused_closed` is due then."""
        if self._refused >= MAX_REFUSED:
            return False
        self._refused += 1
        return True

    def refused_closed(self) -> None:
        """Note the end of a refused connection."""
        self._refused -= 1

    def _make_room(self, connections: Collection[Evictable], now: float) -> bool:
        """Evict the connections that have waited longest for their clients, those never served first."""
        if now < self._search_not_before:
            return False
        self._search_not_before = now + SEARCH_SECONDS
        idle = sorted(
            (connection.served_any, since, number, connection)
            for number, connection in enumerate(connections)
            if (since := connection.waiting_since) is not None and now - since >= IDLE_SECONDS
        )
        evicted = 0
        for *_, connection in idle:
            if not connection.has_unread():
                self.count(EVICTED)
                connection.abort()
                evicted += 1
            # Several at once, because the search looks at every connection.
            if evicted > self.max_connections // 32:
                break
        return evicted > 0


def _ignore(_reason: str) -> None:
    pass
