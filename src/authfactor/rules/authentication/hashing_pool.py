"""A few threads behind a bounded queue that is shared fairly (decision 0034).

Whose turn it is: first environments take turns, then within an environment the networks of its clients, each
charged with the cost of its jobs (start-time fair queueing). When the queue is full, the newest job of the
environment and network with the most waiting work is refused: no client can keep others out by filling it.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from authfactor import errors

T = TypeVar("T")
NICENESS: Final = 10


class HashingCaller(NamedTuple):
    """Who asks for a hash: the environment's number and the network of the client (empty: unknown)."""

    environment: int
    network: str


class _Job:
    """A job that waits for its turn."""

    __slots__ = ("requester", "turn", "weight")

    def __init__(self, requester: HashingCaller, weight: int, turn: "asyncio.Future[None]") -> None:
        self.requester = requester
        self.weight = weight
        self.turn = turn


class _VirtualTime:
    """Virtual start and finish times of one level of start-time fair queueing."""

    def __init__(self) -> None:
        self._now = 0
        self._finished: dict[Hashable, int] = {}

    def start_of(self, name: Hashable) -> int:
        return max(self._now, self._finished.get(name, 0))

    def serve(self, name: Hashable, weight: int) -> None:
        self._now = self.start_of(name)
        self._finished[name] = self._now + weight
        # A name that has caught up with the others needs no memory.
        self._finished = {each: at for each, at in self._finished.items() if at > self._now}


class FairQueue:
    """The waiting jobs, at most `limit`. Each operation looks at all of them: far below the cost of a job."""

    def __init__(self, limit: int) -> None:
        """Start empty."""
        self._limit = limit
        self._jobs: list[_Job] = []
        self._environments = _VirtualTime()
        self._networks: dict[int, _VirtualTime] = {}

    def push(self, job: _Job) -> _Job | None:
        """Add a job; return the one that leaves for it, perhaps itself, or None while there is room."""
        self._jobs.append(job)
        if len(self._jobs) <= self._limit:
            return None
        waiting: Counter[int] = Counter()
        of_network: Counter[HashingCaller] = Counter()
        for each in self._jobs:
            waiting[each.requester.environment] += each.weight
            of_network[each.requester] += each.weight
        # The newest of the heaviest: `max` returns the first of equals.
        victim = max(
            reversed(self._jobs),
            key=lambda each: (waiting[each.requester.environment], of_network[each.requester]),
        )
        self._jobs.remove(victim)
        return victim

    def pop(self) -> _Job | None:
        """Remove and return the job whose turn it is; None when nothing waits."""
        if not self._jobs:
            return None
        job = min(self._jobs, key=self._start_of)
        self._jobs.remove(job)
        self.charge(job.requester, job.weight)
        return job

    def charge(self, requester: HashingCaller, weight: int) -> None:
        """Count a job that starts now."""
        environment = requester.environment
        self._environments.serve(environment, weight)
        self._networks.setdefault(environment, _VirtualTime()).serve(requester.network, weight)
        busy = {each.requester.environment for each in self._jobs} | {environment}
        self._networks = {number: times for number, times in self._networks.items() if number in busy}

    def discard(self, job: _Job) -> None:
        """Remove a job whose caller no longer waits."""
        if job in self._jobs:
            self._jobs.remove(job)

    def _start_of(self, job: _Job) -> tuple[int, int]:
        environment = job.requester.environment
        networks = self._networks.get(environment)
        within = 0 if networks is None else networks.start_of(job.requester.network)
        return self._environments.start_of(environment), within


class HashingPool:
    """Runs jobs on `threads` threads, which start with the first job; `queue` further jobs may wait."""

    def __init__(self, name: str, threads: int, queue: int) -> None:
        """`name` is for the threads' names."""
        self._threads = ThreadPoolExecutor(
            threads, thread_name_prefix=f"authfactor-{name}", initializer=_lower_priority
        )
        self._free = threads
        self._queue = FairQueue(queue)

    async def run(self, requester: HashingCaller, weight: int, work: Callable[[], T]) -> T:
        """Run a job on a thread. `weight` is its cost in hashes of our own profile.

        Raises `Unavailable` when the queue is full and no other requester uses more of it.
        """
        await self._take_turn(requester, weight)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._next_turn()

    async def _take_turn(self, requester: HashingCaller, weight: int) -> None:
        if self._free:
            self._free -= 1
            self._queue.charge(requester, weight)
            return
        job = _Job(requester, weight, asyncio.get_running_loop().create_future())
        victim = self._queue.push(job)
        if victim is not None and not victim.turn.done():
            refusal = errors.Unavailable("Too many sign-ins are waiting. Try again in a moment.")
            victim.turn.set_exception(refusal)
        try:
            await job.turn
        except asyncio.CancelledError:
            self._queue.discard(job)
            if job.turn.done() and not job.turn.cancelled() and job.turn.exception() is None:
                # Its turn came at the same moment: pass it on.
                self._next_turn()
            raise

    def _next_turn(self) -> None:
        """Give the thread to the next job, or count it as free."""
        job = self._queue.pop()
        while job is not None and job.turn.done():
            job = self._queue.pop()
        if job is None:
            self._free += 1
        else:
            job.turn.set_result(None)

    def close(self) -> None:
        """Stop the threads; waiting jobs are canceled."""
        while (job := self._queue.pop()) is not None:
            job.turn.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _lower_priority() -> None:
    """Lower this thread's priority, so that hashing on every core does not delay code verification."""
    # Outside Linux niceness applies to the whole process.
    if sys.platform == "linux":
        os.nice(NICENESS)
