"""A few database sessions for many units: lent one at a time, replaced when they are no longer clean.

No driver in here: how to make a session is handed in. The driver's own pool costs 25 to 40 µs more per unit,
even without its reset of each session, and does not serve waiters in order (decision 0009).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar


class PooledSession(Protocol):
    """A session that knows whether the next unit may have it."""

    @property
    def clean(self) -> bool:
        """Whether it is connected, outside a transaction, and nothing is under way on it."""

    async def close(self) -> None:
        """Let go of the connection; bounded in time, raises nothing."""


S = TypeVar("S", bound=PooledSession)


class Pool(Generic[S]):
    """At most `size` sessions. Whoever waits gets the next one that is free, first come, first served."""

    def __init__(self, connect: Callable[[], Awaitable[S]], size: int) -> None:
        """Make an empty pool; sessions are made when they are needed."""
        self._connect = connect
        self._size = size
        self._open = 0
        # The one used last is lent first: its caches are warm, and a quiet server keeps few sessions busy.
        self._idle: list[S] = []
        # A session, or None: a place has become free, make a session for it.
        self._waiters: deque[asyncio.Future[S | None]] = deque()
        self._closing: set[asyncio.Task[None]] = set()

    def counts(self) -> tuple[int, int, int]:
        """Return how many sessions are lent, how many are free, and how many are waited for."""
        return self._open - len(self._idle), len(self._idle), len(self._waiters)

    def try_acquire(self) -> S | None:
        """Take a session if one is free this instant."""
        while self._idle:
            session = self._idle.pop()
            if session.clean:
                return session
            self._discard(session)
        return None

    async def acquire(self) -> S:
        """Take a session: a free one, a new one, or the next that comes back. Raises what `connect` does."""
        session = self.try_acquire()
        if session is not None:
            return session
        if self._open < self._size:
            self._open += 1
            return await self._open_session()
        future: asyncio.Future[S | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        try:
            session = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._hand_over(future.result())
            raise
        return session if session is not None else await self._open_session()

    def release(self, session: S) -> None:
        """Return a session; one that is not clean makes room for a new one."""
        if session.clean:
            self._hand_over(session)
        else:
            self._discard(session)

    def drop_idle(self) -> None:
        """Let go of every free session: the server behind them is gone, or somewhere else."""
        for session in self._idle:
            self._discard(session)
        self._idle.clear()

    async def close(self) -> None:
        """Let go of every session that is free, and wait for those that are leaving."""
        self.drop_idle()
        while self._closing:
            await asyncio.gather(*self._closing)

    async def _open_session(self) -> S:
        """Make a session for a place that is counted; if that fails, the next in line gets the place."""
        try:
            return await self._connect()
        except BaseException:
            self._hand_over(None)
            raise

    def _hand_over(self, session: S | None) -> None:
        """Give a session, or with None a place without one, to the next in line or keep it."""
        while self._waiters:
            future = self._waiters.popleft()
            if not future.done():
                future.set_result(session)
                return
        if session is None:
            self._open -= 1
        else:
            self._idle.append(session)

    def _discard(self, session: S) -> None:
        leaving = asyncio.get_running_loop().create_task(session.close())
        self._closing.add(leaving)
        leaving.add_done_callback(self._closing.discard)
        self._hand_over(None)
