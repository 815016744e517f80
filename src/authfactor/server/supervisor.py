"""Several processes on one listening socket, replaced one at a time without a lost request.

The supervisor listens and never accepts; the processes it forks accept. A process that begins to leave
says so, and its successor starts at once. SIGHUP is handed on; SIGUSR2 starts the program anew in the same
process id, on the same socket: an upgrade whose old processes leave when the new ones answer.
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

from authfactor.http.telemetry.shared_counters import SharedCounters

READY, LEAVING = b"r", b"l"
STARTUP_FAILURE: Final = 3
PAUSE_SECONDS: Final = 1.0
# In the environment of the program that a SIGUSR2 starts: processes to send away, divided by commas.
PREDECESSORS: Final = "PREDECESSORS_OF_AUTHFACTOR"
SIGNALS: Final = (*(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD),)

log = logging.getLogger("authfactor.supervisor")


@dataclass(slots=True)
class Child:
    """A process, its place in the shared memory, and what it has said."""

    pid: int
    region: int
    ear: int
    ready: bool = False
    leaving: bool = False
    # A SIGHUP came before it could listen to one.
    reload_when_ready: bool = False


class Supervisor:
    """Keeps `count` processes at work. `work` runs in the child and returns its exit code."""

    def __init__(
        self, count: int, board: SharedCounters, work: Callable[[int, Callable[[bytes], None]], int]
    ) -> None:
        """Start nothing yet."""
        self._count = count
        self._board = board
        self._work = work
        self._children: dict[int, Child] = {}
        self._predecessors = {int(pid) for pid in os.environ.pop(PREDECESSORS, "").split(",") if pid}
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._stopping = False
        self._not_before = 0.0
        self._ever_ready = False
        self._code = 0
        # Whether a new program could start in our place; raises with a sentence when it could not.
        self.check: Callable[[], None] = lambda: None
        self.on_ready: Callable[[], None] = lambda: None
        self.on_reload: Callable[[], None] = lambda: None
        self.before_stop: Callable[[], None] = lambda: None
        self.before_exec: Callable[[], None] = lambda: None
        self.drain_wait = 0

    def run(self) -> int:
        """Run until SIGTERM or SIGINT and until every process has ended; return the exit code."""
        here, there = os.pipe()
        os.set_blocking(here, False)
        os.set_blocking(there, False)
        signal.set_wakeup_fd(there, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda got, _frame: self._signals.append(got))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        self._selector.register(here, selectors.EVENT_READ)
        gc.freeze()
        while self._children or self._predecessors or not self._stopping:
            self._fill_up()
            for key, _ in self._selector.select(PAUSE_SECONDS):
                self._listen(int(key.fd), here)
            while self._signals:
                self._handle(self._signals.pop(0))
            self._reap()
        return self._code

    def _fill_up(self) -> None:
        staying = sum(not child.leaving for child in self._children.values())
        if self._stopping or staying >= self._count or time.monotonic() < self._not_before:
            return
        for _ in range(self._count - staying):
            if not self._board.has_free_region():
                return
            self._start()

    def _start(self) -> None:
        region = self._board.claim_region()
        ear, mouth = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._be_child(region, mouth, ear)
        os.close(mouth)
        self._children[pid] = Child(pid, region, ear)
        self._selector.register(ear, selectors.EVENT_READ)

    def _be_child(self, region: int, mouth: int, ear: int) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                signal.signal(number, signal.SIG_IGN)  # until the child can tell what they mean
            os.close(ear)
            self._selector.close()
            for child in self._children.values():
                os.close(child.ear)
            code = self._work(region, lambda said: _say(mouth, said))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            log.exception("unexpected failure of a worker")
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _listen(self, ear: int, wakeup: int) -> None:
        try:
            said = os.read(ear, 64)
        except BlockingIOError:
            return
        if ear == wakeup:
            return
        child = next(child for child in self._children.values() if child.ear == ear)
        if READY in said:
            child.ready = self._ever_ready = True
            if child.reload_when_ready:
                _send(child.pid, signal.SIGHUP)
            self._all_ready()
        child.leaving |= LEAVING in said
        if not said:
            self._selector.unregister(ear)

    def _all_ready(self) -> None:
        if sum(child.ready and not child.leaving for child in self._children.values()) < self._count:
            return
        self.on_ready()
        for pid in self._predecessors:
            _send(pid, signal.SIGTERM)

    def _handle(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop()
        elif number == signal.SIGHUP:
            self.on_reload()
            for child in self._children.values():
                if child.ready:
                    _send(child.pid, signal.SIGHUP)
                else:
                    child.reload_when_ready = True
        elif number == signal.SIGUSR2:
            self._start_anew()

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            self.before_stop()
            for pid in [*self._children, *self._predecessors]:
                _send(pid, signal.SIGUSR1)
            time.sleep(self.drain_wait)
        for pid in [*self._children, *self._predecessors]:
            _send(pid, signal.SIGTERM)

    def _start_anew(self) -> None:
        """Become the program as it is installed now; its processes take over from ours."""
        if self._stopping or self._predecessors:
            return
        try:
            self.check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the old program goes on
            log.error("the processes stay as they are: %s", error)  # noqa: TRY400 - the sentence says it all
            return
        os.environ[PREDECESSORS] = ",".join(map(str, self._children))
        # A signal that comes before the new program listens for it waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.before_exec()
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
                self._selector.unregister(child.ear)
            os.close(child.ear)
            self._board.absorb_exited_worker(child.region)
            self._judge(child, os.waitstatus_to_exitcode(status))

    def _judge(self, child: Child, code: int) -> None:
        """See whether an ended process ended as it should, and whether another one makes sense."""
        if self._stopping or child.leaving:
            return
        if child.ready:
            log.error("a worker ended unexpectedly (%s); another one starts", _how(code))
            return
        self._not_before = time.monotonic() + PAUSE_SECONDS
        if not self._ever_ready:
            # The first ones fail: so would all others. They have said why.
            self._code = STARTUP_FAILURE
            self._stop()
        else:
            log.error("a worker could not start (%s); another try follows", _how(code))


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _say(mouth: int, said: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(mouth, said)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
