"""Units of one kind that wait share the next transaction (decision 0040).

A unit that finds few others of its kind in flight runs alone, as it is. Units that arrive while more are in
flight wait, and all that wait run together when those have ended, or after two milliseconds: no unit waits
for company.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from authfactor.store.protocol import Unit

MAX_TOGETHER: Final = 64
# How many units of a kind may be in flight side by side, each alone, while few arrive. With one transaction
# at a time, two requests at once would take turns.
IN_FLIGHT: Final = 4
# While more units than that share a transaction on average, one transaction at a time gathers the most.
FEW: Final = 2.0
# The longest wait for a transaction in flight, in seconds: a distant database, a lock, or a busy machine must
# not make requests take turns.
LONGEST_WAIT: Final = 0.002


class Waiting:
    """A unit that waits, and who waits for it. `deadline` is in seconds of the event loop's clock."""

    __slots__ = ("deadline", "future", "unit")

    def __init__(self, unit: Unit[Any], future: "asyncio.Future[Any]", deadline: float) -> None:
        self.unit = unit
        self.future = future
        self.deadline = deadline


class WaitingUnits:
    """The units of one kind. Belongs to the event loop that created it."""

    def __init__(
        self,
        run_alone: Callable[[Unit[Any], float], Awaitable[Any]],
        run_together: Callable[[list[Waiting]], Awaitable[None]],
    ) -> None:
        """`run_alone` runs one unit until a deadline; `run_together` resolves the futures of several."""
        self._run_alone = run_alone
        self._run_together = run_together
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Waiting] = deque()
        self._started: dict[object, tuple[float, int]] = {}
        self._average = 1.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering = self._closing = False
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return how many units wait."""
        return len(self._waiting)

    async def write(self, unit: Unit[Any], deadline: float) -> Any:  # noqa: ANN401 - the result of any unit
        """Run a unit alone or with others, and return its result once it is durable."""
        if self._gathering or self._waiting or self._is_full():
            future: asyncio.Future[Any] = self._loop.create_future()
            self._waiting.append(Waiting(unit, future, deadline))
            return await future
        self._gathering = True
        try:
            # Requests read from their sockets in this iteration of the event loop have begun when it ends.
            await asyncio.sleep(0)
        finally:
            self._gathering = False
            if self._waiting:
                self._loop.call_soon(self._start)
        if self._waiting:
            future = self._loop.create_future()
            self._waiting.appendleft(Waiting(unit, future, deadline))
            return await future
        started = self._begin(1)
        try:
            return await self._run_alone(unit, deadline)
        finally:
            self._end(started)

    async def close(self) -> None:
        """Wait until no unit waits and no transaction with several units is in flight."""
        self._closing = True
        while self._tasks or self._waiting:
            self._start()
            await (asyncio.wait(self._tasks) if self._tasks else asyncio.sleep(0))
        if self._timer is not None:
            self._timer.cancel()

    def _is_full(self) -> bool:
        """Whether a unit must wait; then a timer is set that ends the wait."""
        earliest = self._loop.time() - LONGEST_WAIT
        units = sum(count for began, count in self._started.values() if began > earliest)
        if self._closing or not units or (units < IN_FLIGHT and self._average <= FEW):
            return False
        if self._timer is None:
            self._timer = self._loop.call_later(LONGEST_WAIT, self._start_after_wait)
        return True

    def _start_after_wait(self) -> None:
        self._timer = None
        self._start()

    def _start(self) -> None:
        """Start a transaction with the units that wait, if there may be another one."""
        while self._waiting and not self._gathering and not self._is_full():
            count = min(len(self._waiting), MAX_TOGETHER)
            units = [
                each for each in (self._waiting.popleft() for _ in range(count)) if not each.future.done()
            ]
            if units:
                task = self._loop.create_task(self._run(units, self._begin(len(units))))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _run(self, units: list[Waiting], started: object) -> None:
        try:
            await self._run_together(units)
        finally:
            self._end(started)

    def _begin(self, units: int) -> object:
        self._average += (units - self._average) / 4
        started = object()
        self._started[started] = self._loop.time(), units
        return started

    def _end(self, started: object) -> None:
        del self._started[started]
        # After the callers of these units have been resumed, and with the requests that arrive meanwhile.
        if self._waiting:
            self._loop.call_soon(self._start)
