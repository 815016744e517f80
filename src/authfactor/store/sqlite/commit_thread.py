"""One thread for what would make the event loop wait: the disk, and other processes.

An executor of the standard library makes two futures for each call and locks both, which costs as much
processor time as a commit does; here a call is one future, one queue and one wake-up.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Callbacks = Sequence[Callable[[], object]]
_Callback = Callable[[], object]
_Job = tuple[Callable[[], Any], "asyncio.Future[Any]", _Callbacks, _Callback]


class CommitThread:
    """Does one call after the other on a thread of its own. Belongs to the event loop that is running."""

    def __init__(self, name: str) -> None:
        """Start the thread."""
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(
        self, call: Callable[[], T], during: _Callbacks = (), on_done: _Callback = lambda: None
    ) -> T:
        """Make the call there, and return or raise what it does; `meanwhile` and `then` are called here.

        The former from the thread, when it has begun: until then it may have to wait for the interpreter,
        which a loop that computes does not let go of. The latter when it has not failed, a turn of the loop
        before the caller goes on.
        """
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((call, done, during, on_done))
        return await done

    def close(self, *, wait: bool = True) -> None:
        """End the thread after what is under way, and wait for that unless it may take for ever."""
        self._jobs.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            call, done, during, on_done = job
            if during:
                self._call_on_loop(_one_per_iteration, self._loop, iter(during))
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                self._call_on_loop(_reject, done, error)
            else:
                self._call_on_loop(_resolve, done, result, on_done)

    def _call_on_loop(self, call: Callable[..., object], *given: object) -> None:
        # Nobody may be left to hear it: see `close`.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *given)


def _one_per_iteration(loop: asyncio.AbstractEventLoop, calls: Iterator[Callable[[], object]]) -> None:
    """Make the calls, and let whatever is ready go before each."""
    for call in calls:
        loop.call_soon(_one_per_iteration, loop, calls)
        call()
        return


def _resolve(done: "asyncio.Future[Any]", result: object, on_done: _Callback) -> None:
    try:
        on_done()
    finally:
        if not done.done():
            done.set_result(result)


def _reject(done: "asyncio.Future[Any]", error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
