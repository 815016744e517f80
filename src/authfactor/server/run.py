"""Running the application: in this process, or in several under a supervisor."""

import contextlib
import functools
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from typing import Final

import uvicorn

from authfactor import settings as setting
from authfactor.core import Authfactor
from authfactor.http.app import App, make_counters
from authfactor.http.telemetry import log_setup
from authfactor.http.telemetry.shared_counters import SharedCounters
from authfactor.server import listening_sockets
from authfactor.server.metrics_server import MetricsPort
from authfactor.server.supervisor import LEAVING, READY, Supervisor
from authfactor.server.worker import Reread, Worker
from authfactor.settings import InvalidSetting, Settings

CHECK_SECONDS: Final = 60

Sockets = Mapping[str, socket.socket]
Say = Callable[[bytes], None]


def take_sockets(settings: Settings) -> dict[str, socket.socket]:
    """Listen on what the settings name, or take over what was handed to this process. Raises `OSError`."""
    sockets = listening_sockets.handed_over(os.environ)
    for name, host, port, wanted in (
        (listening_sockets.API, settings.host, settings.port, True),
        (listening_sockets.METRICS, settings.metrics_host, settings.metrics_port, settings.metrics_port > 0),
    ):
        if wanted and name not in sockets:
            sockets[name] = listening_sockets.listen(host, port)
    return sockets


def serve(settings: Settings, sockets: Sockets, reread: Reread, check: list[str]) -> int:
    """Serve until SIGTERM or SIGINT, finish what is under way, and return the exit code.

    `reread` reads the settings again; `check` is a command that succeeds if this program could start anew.
    """
    log_setup.set_up(settings)
    try:
        if settings.workers == 1:
            return _serve_alone(settings, sockets, reread)
        return _serve_with_others(settings, sockets, reread, check)
    finally:
        for one in sockets.values():
            one.close()


def _serve_alone(settings: Settings, sockets: Sockets, reread: Reread) -> int:
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    server = _worker(settings, sockets, reread, make_counters(1), 1, alone=True)
    server.on_ready = lambda: _notify("READY=1")
    server.on_leaving = lambda: _notify("STOPPING=1")
    return _run(server, sockets)


def _run(server: Worker, sockets: Sockets) -> int:
    # From here on a signal counts, also one that comes while the application opens: uvicorn listens later.
    # It raises the signal again once it has drained: stopping when told to is success, not a death.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, server.handle_exit)
    server.run(sockets=[sockets[listening_sockets.API]])
    return 0 if server.started else 1


def _serve_with_others(settings: Settings, sockets: Sockets, reread: Reread, check: list[str]) -> int:
    # A process that leaves keeps its place until it has gone, while its successor has one too.
    board = make_counters(settings.workers * 2 + 2)
    current = [settings]

    def reload() -> None:
        # For successors. What cannot be used is said by the processes that run.
        with contextlib.suppress(InvalidSetting):
            current[0], _ = setting.reloaded(current[0], reread())
            log_setup.set_up(current[0])

    def work(region: int, say: Say) -> int:
        server = _worker(current[0], sockets, reread, board, region, alone=False)
        server.on_ready = lambda: say(READY)
        server.on_leaving = lambda: say(LEAVING)
        return _run(server, sockets)

    supervisor = Supervisor(settings.workers, board, work)
    supervisor.check = functools.partial(_check, check)
    supervisor.on_reload = reload
    supervisor.on_ready = lambda: _notify("READY=1")
    supervisor.before_stop = lambda: _notify("STOPPING=1")
    supervisor.before_exec = lambda: os.environ.update(listening_sockets.hand_over(sockets))
    supervisor.drain_wait = settings.drain_wait
    return supervisor.run()


def _worker(
    settings: Settings, sockets: Sockets, reread: Reread, board: SharedCounters, region: int, *, alone: bool
) -> Worker:
    app = App(functools.partial(Authfactor.open, settings), board, region)
    server = Worker(app, settings, reread, alone=alone)
    if listening_sockets.METRICS in sockets:
        server.metrics = MetricsPort(app.server_state, sockets[listening_sockets.METRICS])
    return server


def _check(command: list[str]) -> None:
    """Run the program that is installed now far enough to know that it would start. Raises `BadSetting`."""
    done = subprocess.run(  # noqa: S603 - our own command line
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise InvalidSetting(said.removeprefix("authfactor: "))


def _notify(state: str) -> None:
    """Tell systemd, where it asked to be told (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        sender.sendall(state.encode())


def prepared(app: App) -> uvicorn.Server:
    """Make a server for an event loop that somebody else runs: await its `serve(sockets=[...])`."""
    return uvicorn.Server(
        listening_sockets.configured(app, app.batcher, lifespan="on", timeout_graceful_shutdown=1)
    )
