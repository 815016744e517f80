"""The event loop that a blocking client performs its calls on."""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from authfactor.client.operations import ApiCall
from authfactor.client.requester import LazyCredentials, Requester

T = TypeVar("T")


class LoopThread:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        """Start. A daemon: a program may end without closing."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="authfactor-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run there and wait; whatever interrupts the waiting cancels the work."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a blocking client was called from its own event loop")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def abandon(self) -> None:
        """End the thread without finishing what it does."""

        async def cancel() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(cancel())
        self.stop()

    def is_here(self) -> bool:
        """Tell whether this very thread is it."""
        return threading.current_thread() is self._thread


@dataclass(frozen=True, slots=True)
class _Runtime:
    """What a started client consists of, and how to end it."""

    thread: LoopThread
    performing: Requester
    end: Callable[[], object]


class BlockingPortal:
    """Performs calls on a loop of its own. Safe from many threads."""

    def __init__(self, make: Callable[[], Requester], *, forks: bool) -> None:
        """Start at the first call. `forks`: what is made may be made anew in a forked process."""
        self._make = make
        self._forks = forks
        self._lock = threading.Lock()
        self._process = 0
        self._running: _Runtime | None = None

    @property
    def credentials(self) -> LazyCredentials:
        """Who asks."""
        return self.started().performing.credentials

    def perform(self, call: ApiCall[T]) -> T:
        """Perform a call on the loop and wait."""
        running = self.started()
        return running.thread.run(running.performing.perform(call))

    def started(self) -> _Runtime:
        """Start, once for each process: neither the thread nor its connections survive a fork.

        Raises `RuntimeError` where starting again would harm: SQLite must not be carried over a fork.
        """
        running = self._running
        if running is not None and self._process == os.getpid():
            return running
        with self._lock:
            if self._running is not None and self._process != os.getpid() and not self._forks:
                raise RuntimeError(
                    "This client had opened its database before the process forked."
                    " Make the client after the fork, or use it there first."
                )
            if self._running is None or self._process != os.getpid():
                self._running, self._process = self._start(), os.getpid()
            return self._running

    def _start(self) -> _Runtime:
        thread = LoopThread()
        try:
            performing = thread.run(_opened(self._make))
        except BaseException:
            thread.stop()
            raise
        return _Runtime(thread, performing, weakref.finalize(self, _end, thread, performing, os.getpid()))

    def close(self) -> None:
        """Let go of everything; the next call starts again."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.end()


async def _opened(make: Callable[[], Requester]) -> Requester:
    performing = make()
    try:
        await performing.open()
    except BaseException:
        await performing.close()
        raise
    return performing


def _end(thread: LoopThread, performing: Requester, process: int) -> None:
    if process != os.getpid():
        return
    if thread.is_here():
        # The collector may forget a client on any thread, and the loop cannot wait for itself.
        threading.Thread(target=_end, args=(thread, performing, process)).start()
        return
    if not threading.main_thread().is_alive():
        # The program ends, and the threads that closing would need are gone. Nothing is lost by that:
        # what was answered is durable.
        thread.abandon()
        return
    try:
        thread.run(performing.close())
    finally:
        thread.stop()
