"""Run the application in this process, or in several workers under a supervisor."""

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Final

import uvicorn

from authfactor import settings as setting
from authfactor.core import Authfactor
from authfactor.http.app import App, make_counters
from authfactor.http.telemetry import log_setup
from authfactor.http.telemetry.shared_counters import SharedCounters
from authfactor.server import listening_sockets
from authfactor.server.metrics_server import MetricsServer
from authfactor.server.supervisor import DRAINING, READY, Supervisor
from authfactor.server.worker import ReadSettings, Worker
from authfactor.settings import InvalidSetting, Settings

CHECK_SECONDS: Final = 60

Sockets = Mapping[str, socket.socket]
SendStatus = Callable[[bytes], None]


def open_sockets(settings: Settings) -> dict[str, socket.socket]:
    """Return the sockets to listen on: inherited ones, or new ones from the settings. Raises `OSError`."""
    sockets = listening_sockets.inherited_sockets(os.environ)
    for name, host, port, enabled in (
        (listening_sockets.API, settings.host, settings.port, True),
        (listening_sockets.METRICS, settings.metrics_host, settings.metrics_port, settings.metrics_port > 0),
    ):
        if enabled and name not in sockets:
            sockets[name] = listening_sockets.listen(host, port)
    return sockets


def serve(settings: Settings, sockets: Sockets, read_settings: ReadSettings, check_command: list[str]) -> int:
    """Serve until SIGTERM or SIGINT, finish the requests in progress, and return the exit code.

    `read_settings` reads the settings again for a reload. `check_command` exits with 0 if the installed
    program could start; it runs before an upgrade.
    """
    log_setup.set_up(settings)
    try:
        if settings.workers == 1:
            return _serve_single(settings, sockets, read_settings)
        return _serve_supervised(settings, sockets, read_settings, check_command)
    finally:
        for sock in sockets.values():
            sock.close()


def _serve_single(settings: Settings, sockets: Sockets, read_settings: ReadSettings) -> int:
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    worker = _make_worker(settings, sockets, read_settings, make_counters(1), 1, standalone=True)
    worker.on_ready = lambda: _notify_systemd("READY=1")
    worker.on_draining = lambda: _notify_systemd("STOPPING=1")
    return _run(worker, sockets)


def _run(worker: Worker, sockets: Sockets) -> int:
    # uvicorn installs its signal handlers only once the application is open, and re-raises the signal after
    # draining. With these handlers an early signal is not lost, and a requested stop exits with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, worker.handle_exit)
    worker.run(sockets=[sockets[listening_sockets.API]])
    return 0 if worker.started else 1


def _serve_supervised(
    settings: Settings, sockets: Sockets, read_settings: ReadSettings, check_command: list[str]
) -> int:
    # A draining worker keeps its region until it has exited, while its successor has one too.
    counters = make_counters(settings.workers * 2 + 2)
    current = [settings]

    def reload() -> None:
        # For workers started from now on. The running workers log settings that are invalid.
        with contextlib.suppress(InvalidSetting):
            current[0], _ = setting.reloaded(current[0], read_settings())
            log_setup.set_up(current[0])

    def work(region: int, send_status: SendStatus) -> int:
        worker = _make_worker(current[0], sockets, read_settings, counters, region, standalone=False)
        worker.on_ready = lambda: send_status(READY)
        worker.on_draining = lambda: send_status(DRAINING)
        return _run(worker, sockets)

    supervisor = Supervisor(settings.workers, counters, work)
    supervisor.check = functools.partial(_check_upgrade, check_command)
    supervisor.on_reload = reload
    supervisor.on_ready = lambda: _notify_systemd("READY=1")
    supervisor.before_stop = lambda: _notify_systemd("STOPPING=1")
    supervisor.before_exec = lambda: os.environ.update(listening_sockets.pass_to_exec(sockets))
    supervisor.drain_wait = settings.drain_wait
    return supervisor.run()


def _make_worker(
    settings: Settings,
    sockets: Sockets,
    read_settings: ReadSettings,
    counters: SharedCounters,
    region: int,
    *,
    standalone: bool,
) -> Worker:
    app = App(functools.partial(Authfactor.open, settings), counters, region)
    limits = listening_sockets.limits(settings, app.count_closed_connection)
    worker = Worker(app, settings, limits, read_settings, standalone=standalone)
    if listening_sockets.METRICS in sockets:
        worker.metrics = MetricsServer(app.server_state, sockets[listening_sockets.METRICS], settings)
    return worker


def _check_upgrade(command: list[str]) -> None:
    """Check that the installed program could start. Raises `InvalidSetting` with its error message.

    A single-file executable always raises: its supervisor is a child of the program that unpacked it, and so
    cannot take over that process.
    """
    if getattr(sys, "frozen", False):
        raise InvalidSetting(
            "a single-file executable cannot be replaced while it runs; stop it and start the new one"
        )
    result = subprocess.run(  # noqa: S603 - our own command line
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False
    )
    if result.returncode != 0:
        reason = (result.stderr.strip() or "no reason given").splitlines()[-1]
        raise InvalidSetting(reason.removeprefix("authfactor: "))


def _notify_systemd(state: str) -> None:
    """Send a state to systemd if it started this process with Type=notify (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        sender.sendall(state.encode())


def embedded_server(app: App) -> uvicorn.Server:
    """Make a server for an event loop that the caller runs: await its `serve(sockets=[...])`."""
    return uvicorn.Server(
        listening_sockets.uvicorn_config(
            app,
            app.batcher,
            listening_sockets.limits(Settings()),
            lifespan="on",
            timeout_graceful_shutdown=1,
        )
    )
