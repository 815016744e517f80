"""Several workers on one listening socket, replaced one at a time without losing a request.

The supervisor holds the listening socket; the workers it forks accept. A worker that starts draining reports
it, and its successor starts at once. SIGHUP is forwarded to the workers. SIGUSR2 upgrades: the supervisor
executes the installed program in its own process, on the same socket, and the old workers are stopped once
the new ones are ready.
"""

import contextlib
import gc
import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from authfactor.http.telemetry import log_stream
from authfactor.http.telemetry.shared_counters import SharedCounters

# What a worker writes to its status pipe.
READY, DRAINING = b"r", b"l"
STARTUP_FAILURE: Final = 3
PAUSE_SECONDS: Final = 1.0
# Environment variable of an upgrade: process ids of the old workers, separated by commas.
PREDECESSORS: Final = "PREDECESSORS_OF_AUTHFACTOR"
SIGNALS: Final = (*(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD),)

log = logging.getLogger("authfactor.supervisor")


@dataclass(slots=True)
class Child:
    """A worker process: its region of the shared counters, its status pipe, and its last reported status."""

    pid: int
    region: int
    status_fd: int
    ready: bool = False
    draining: bool = False
    # A SIGHUP arrived before the worker had installed its handler.
    reload_when_ready: bool = False


class Supervisor:
    """Keeps `worker_count` workers running. `work` runs in a forked child and returns its exit code."""

    def __init__(
        self, worker_count: int, counters: SharedCounters, work: Callable[[int, Callable[[bytes], None]], int]
    ) -> None:
        """`work` gets its region's number and a function that writes to its status pipe."""
        self._worker_count = worker_count
        self._counters = counters
        self._work = work
        self._children: dict[int, Child] = {}
        self._predecessors = {int(pid) for pid in os.environ.pop(PREDECESSORS, "").split(",") if pid}
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._stopping = False
        self._restart_not_before = 0.0
        self._any_ready = False
        self._code = 0
        # Raises if the installed program could not start; its message is logged.
        self.check: Callable[[], None] = lambda: None
        self.on_ready: Callable[[], None] = lambda: None
        self.on_reload: Callable[[], None] = lambda: None
        self.before_stop: Callable[[], None] = lambda: None
        self.before_exec: Callable[[], None] = lambda: None
        self.drain_wait = 0

    def run(self) -> int:
        """Run until SIGTERM or SIGINT and until every worker has exited; return the exit code."""
        wakeup_fd, write_fd = os.pipe()
        os.set_blocking(wakeup_fd, False)
        os.set_blocking(write_fd, False)
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda received, _frame: self._signals.append(received))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        self._selector.register(wakeup_fd, selectors.EVENT_READ)
        gc.freeze()
        while self._children or self._predecessors or not self._stopping:
            self._start_missing_workers()
            for key, _ in self._selector.select(PAUSE_SECONDS):
                self._read_status(int(key.fd), wakeup_fd)
            while self._signals:
                self._handle(self._signals.pop(0))
            self._reap()
        return self._code

    def _start_missing_workers(self) -> None:
        serving = sum(not child.draining for child in self._children.values())
        if self._stopping or serving >= self._worker_count or time.monotonic() < self._restart_not_before:
            return
        for _ in range(self._worker_count - serving):
            if not self._counters.has_free_region():
                return
            self._fork_worker()

    def _fork_worker(self) -> None:
        region = self._counters.claim_region()
        status_fd, write_fd = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._run_worker(region, status_fd, write_fd)
        os.close(write_fd)
        self._children[pid] = Child(pid, region, status_fd)
        self._selector.register(status_fd, selectors.EVENT_READ)

    def _run_worker(self, region: int, status_fd: int, write_fd: int) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                signal.signal(number, signal.SIG_IGN)  # until the worker installs its handlers
            os.close(status_fd)
            self._selector.close()
            for child in self._children.values():
                os.close(child.status_fd)
            code = self._work(region, lambda status: _write_status(write_fd, status))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            log.exception("unexpected failure of a worker")
        finally:
            with contextlib.suppress(Exception):
                log_stream.drain()
            os._exit(code)

    def _read_status(self, status_fd: int, wakeup_fd: int) -> None:
        try:
            status = os.read(status_fd, 64)
        except BlockingIOError:
            return
        if status_fd == wakeup_fd:
            return
        child = next(child for child in self._children.values() if child.status_fd == status_fd)
        if READY in status:
            child.ready = self._any_ready = True
            if child.reload_when_ready:
                _send_signal(child.pid, signal.SIGHUP)
            self._check_all_ready()
        child.draining |= DRAINING in status
        if not status:
            self._selector.unregister(status_fd)

    def _check_all_ready(self) -> None:
        if sum(child.ready and not child.draining for child in self._children.values()) < self._worker_count:
            return
        self.on_ready()
        for pid in self._predecessors:
            _send_signal(pid, signal.SIGTERM)

    def _handle(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop()
        elif number == signal.SIGHUP:
            self.on_reload()
            for child in self._children.values():
                if child.ready:
                    _send_signal(child.pid, signal.SIGHUP)
                else:
                    child.reload_when_ready = True
        elif number == signal.SIGUSR2:
            self._upgrade()

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            self.before_stop()
            for pid in [*self._children, *self._predecessors]:
                _send_signal(pid, signal.SIGUSR1)
            time.sleep(self.drain_wait)
        for pid in [*self._children, *self._predecessors]:
            _send_signal(pid, signal.SIGTERM)

    def _upgrade(self) -> None:
        """Execute the installed program in this process; its workers replace the current ones."""
        if self._stopping or self._predecessors:
            return
        try:
            self.check()
        except Exception as error:  # noqa: BLE001 - any failure cancels the upgrade
            log.error("the upgrade was canceled: %s", error)  # noqa: TRY400 - the message suffices
            return
        os.environ[PREDECESSORS] = ",".join(map(str, self._children))
        # Blocked signals stay pending until the new program has installed its handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.before_exec()
        log_stream.drain()
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the same program again

    def _reap(self) -> None:
        while self._children or self._predecessors:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._predecessors.discard(pid)
            child = self._children.pop(pid, None)
            if child is None:
                continue
            with contextlib.suppress(KeyError):
                self._selector.unregister(child.status_fd)
            os.close(child.status_fd)
            self._counters.absorb_exited_worker(child.region)
            self._handle_exit(child, os.waitstatus_to_exitcode(status))

    def _handle_exit(self, child: Child, code: int) -> None:
        """Log an unexpected exit, and stop if the first workers cannot start."""
        if self._stopping or child.draining:
            return
        if child.ready:
            log.error("a worker exited unexpectedly (%s); starting another", _describe_exit(code))
            return
        self._restart_not_before = time.monotonic() + PAUSE_SECONDS
        if not self._any_ready:
            # No worker has ever started, so another would fail too. The workers log the reason.
            self._code = STARTUP_FAILURE
            self._stop()
        else:
            log.error("a worker failed to start (%s); starting another", _describe_exit(code))


def _describe_exit(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _write_status(write_fd: int, status: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(write_fd, status)


def _send_signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
