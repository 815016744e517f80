"""Standard output and error of a server, written by a thread, so that a stalled reader cannot stop it.

A pipe whose reader has stopped, a terminal that is paused and a hanging journal all block the process that
writes to them. Here such a write blocks a thread; what does not fit into the queue is dropped and counted
(decision 0038). The descriptors stay in blocking mode, because other processes share them.
"""

import _thread  # `threading.Thread.start` waits for the new thread: 2 ms on a busy machine, 17 µs here
import atexit
import contextlib
import io
import logging
import os
import select
import stat
import sys
import threading
import time
from typing import Final, TextIO

# Characters that may wait for the thread, about 4,000 request lines.
MAX_QUEUED: Final = 1024 * 1024
# How long an exit waits for a reader.
DRAIN_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 0.05

log = logging.getLogger("authfactor.http")


class LogStream(io.TextIOBase):
    """A text stream whose `write` never blocks and never fails. Its thread runs only while text waits."""

    def __init__(self, stream: TextIO) -> None:
        """Write to the descriptor of `stream`. Raises `OSError` if it has none."""
        super().__init__()
        self._stream = stream  # would close its descriptor when it is garbage-collected
        self._descriptor = stream.fileno()
        # A file takes any length atomically; what other processes write to a pipe may come between pieces.
        is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._piece_bytes = MAX_QUEUED if is_file else select.PIPE_BUF
        self._start_empty()
        # A forked process has neither the thread nor a reason to write what its parent had queued.
        os.register_at_fork(after_in_child=self._start_empty)

    def _start_empty(self) -> None:
        self._queue: list[str] = []
        self._queued = 0
        self._changed = threading.Condition()
        self._writer: int | None = None  # id of the thread that writes
        self._reported = 0
        self.dropped = 0

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether the descriptor is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Queue text for the thread; if too much is waiting, drop it and count its lines."""
        with self._changed:
            # The thread itself may always queue: it reports what was dropped.
            if self._queued >= MAX_QUEUED and self._writer != threading.get_ident():
                self.dropped += text.count("\n")
                return len(text)
            self._queue.append(text)
            self._queued += len(text)
            if self._writer is None:
                # Without a new thread (a limit of the system) the text waits for the next write.
                with contextlib.suppress(RuntimeError):
                    self._writer = _thread.start_new_thread(self._write_queue, ())
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread writes at once. The logging module flushes after each record."""

    def drain(self, seconds: float) -> None:
        """Wait until everything is written, at most for some seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._writer is None, seconds)

    def _write_queue(self) -> None:
        """Write until nothing is waiting; the body of the thread."""
        while True:
            with self._changed:
                if not self._queue:
                    self._writer = None
                    self._changed.notify_all()
                    return
                text = "".join(self._queue)
                self._queue.clear()
                self._queued = 0
            if self._write_lines(text.encode(self._stream.encoding, "backslashreplace")):
                self._report_dropped()

    def _write_lines(self, data: bytes) -> bool:
        """Write whole lines in pieces that a pipe takes atomically, so that processes do not mix their lines.

        Returns False after a failure (full disk, closed pipe), whose lines are counted.
        """
        failed, start = 0, 0
        while start < len(data):
            end = data.rfind(b"\n", start, start + self._piece_bytes) + 1 or data.find(b"\n", start) + 1
            piece = data[start : end or len(data)]
            start += len(piece)
            try:
                self._write_piece(piece)
            except OSError:
                failed += piece.count(b"\n")
        with self._changed:
            self.dropped += failed
        return not failed

    def _write_piece(self, piece: bytes) -> None:
        """Block until the descriptor has taken all of it. Raises `OSError`."""
        while piece:
            try:
                piece = piece[os.write(self._descriptor, piece) :]
            except BlockingIOError:
                # Another process that shares the descriptor has made it non-blocking.
                time.sleep(_RETRY_SECONDS)

    def _report_dropped(self) -> None:
        """Log how many lines are missing before the next one."""
        with self._changed:
            count, self._reported = self.dropped - self._reported, self.dropped
        if count:
            log.warning("the log could not be written: %d lines were dropped", count)


def install() -> None:
    """Replace standard output and error for the rest of this process; an exit drains them."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None:  # closed by the parent process
            stream.flush()
            setattr(sys, name, LogStream(stream))
    atexit.register(drain)


def drain() -> None:
    """Wait for both streams, each at most for `DRAIN_SECONDS`. Needed before `os._exit` and `exec`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LogStream):
            stream.drain(DRAIN_SECONDS)


def dropped_lines() -> int:
    """Return how many lines this process could not write."""
    return sum(stream.dropped for stream in (sys.stdout, sys.stderr) if isinstance(stream, LogStream))
