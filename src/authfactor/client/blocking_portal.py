"""The event loop on a background thread on which a blocking client performs its calls."""

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
    """An event loop on its own thread."""

    def __init__(self) -> None:
        """Start the thread, as a daemon, so that a program can exit without closing the client."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="authfactor-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for its result; an exception in the waiting thread cancels it.

        Raises `RuntimeError` when called on the loop's own thread, which would deadlock.
        """
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
        """Stop the loop and wait for the thread to end."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cancel_and_stop(self) -> None:
        """Cancel all tasks, then stop."""

        async def cancel() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(cancel())
        self.stop()

    def is_current_thread(self) -> bool:
        """Return whether the caller runs on the loop's thread."""
        return threading.current_thread() is self._thread


@dataclass(frozen=True, slots=True)
class _Runtime:
    """The thread and the requester of a started client, and the function that closes both."""

    thread: LoopThread
    requester: Requester
    close: Callable[[], object]


class BlockingPortal:
    """Performs calls on its own event loop. Thread-safe."""

    def __init__(self, make: Callable[[], Requester], *, forks: bool) -> None:
        """Prepare; the thread starts with the first call.

        Args:
            make: Makes the requester, on the loop's thread.
            forks: Whether a forked process may start its own thread and requester.
        """
        self._make = make
        self._forks = forks
        self._lock = threading.Lock()
        self._pid = 0
        self._runtime: _Runtime | None = None

    @property
    def credentials(self) -> LazyCredentials:
        """The base URL and the client id, once known."""
        return self.ensure_started().requester.credentials

    def perform(self, call: ApiCall[T]) -> T:
        """Perform a call on the loop and wait for its result. Raises `ClientError`."""
        runtime = self.ensure_started()
        return runtime.thread.run(runtime.requester.perform(call))

    def ensure_started(self) -> _Runtime:
        """Start unless this process has started already: threads and connections do not survive a fork.

        Raises `RuntimeError` in a forked process if a database is open, which SQLite does not allow.
        """
        runtime = self._runtime
        if runtime is not None and self._pid == os.getpid():
            return runtime
        with self._lock:
            if self._runtime is not None and self._pid != os.getpid() and not self._forks:
                raise RuntimeError(
                    "This client had opened its database before the process forked."
                    " Create the client, or use it for the first time, after the fork."
                )
            if self._runtime is None or self._pid != os.getpid():
                self._runtime, self._pid = self._start(), os.getpid()
            return self._runtime

    def _start(self) -> _Runtime:
        thread = LoopThread()
        try:
            requester = thread.run(_open(self._make))
        except BaseException:
            thread.stop()
            raise
        return _Runtime(thread, requester, weakref.finalize(self, _close, thread, requester, os.getpid()))

    def close(self) -> None:
        """Close the connections and the database, and end the thread. The next call starts again."""
        with self._lock:
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()


async def _open(make: Callable[[], Requester]) -> Requester:
    requester = make()
    try:
        await requester.open()
    except BaseException:
        await requester.close()
        raise
    return requester


def _close(thread: LoopThread, requester: Requester, pid: int) -> None:
    if pid != os.getpid():
        return
    if thread.is_current_thread():
        # The garbage collector can finalize a client on the loop's thread, which cannot wait for itself.
        threading.Thread(target=_close, args=(thread, requester, pid)).start()
        return
    if not threading.main_thread().is_alive():
        # The interpreter is exiting and has stopped the threads that closing needs. Nothing is lost: every
        # response that was returned is durable.
        thread.cancel_and_stop()
        return
    try:
        thread.run(requester.close())
    finally:
        thread.stop()
