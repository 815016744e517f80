"""A single-thread executor for calls that would block the event loop: commits, and waits for locks.

`concurrent.futures` makes two futures per call and locks both, which costs as much CPU time as a commit;
here a call costs one future, one queue entry and one wake-up of the loop.
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
    """Runs calls one at a time on its own thread. Belongs to the event loop that created it."""

    def __init__(self, name: str) -> None:
        """Start the thread, called `name`. Must run inside the event loop."""
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(
        self, call: Callable[[], T], during: _Callbacks = (), on_done: _Callback = lambda: None
    ) -> T:
        """Run `call` on the thread and return or raise its outcome; the callbacks run on the event loop.

        `during` is scheduled once the thread holds the GIL, so that these callbacks do not delay the start of
        `call`. `on_done` runs if `call` succeeds, one event-loop iteration before the caller resumes.
        """
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((call, done, during, on_done))
        return await done

    def close(self, *, wait: bool = True) -> None:
        """End the thread after the queued calls; with `wait=False`, without waiting for them."""
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
            except BaseException as error:  # noqa: BLE001 - raised in `run`
                self._call_on_loop(_reject, done, error)
            else:
                self._call_on_loop(_resolve, done, result, on_done)

    def _call_on_loop(self, call: Callable[..., object], *arguments: object) -> None:
        # The loop may be closed: `close(wait=False)` leaves the thread running.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)


def _one_per_iteration(loop: asyncio.AbstractEventLoop, calls: Iterator[Callable[[], object]]) -> None:
    """Run the first of `calls` and schedule the rest, one per iteration, after what is already ready."""
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
