"""Running the application under uvicorn, in this process or in several workers."""

import functools
import signal
import socket
from types import FrameType

import uvicorn
from uvicorn.supervisors import Multiprocess

from authfactor.core import Authfactor
from authfactor.http.app import App
from authfactor.settings import Settings

BACKLOG = 2048
DRAIN_SECONDS = 20


def serve(settings: Settings, listening: socket.socket) -> int:
    """Serve until SIGTERM or SIGINT, finish what is under way, and return the exit code."""
    config = uvicorn.Config(
        App(functools.partial(Authfactor.open, settings)),
        workers=settings.workers,
        lifespan="on",
        access_log=False,
        server_header=False,
        log_level="warning",
        backlog=BACKLOG,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    # uvicorn raises the signal again once it has drained; stopping when told to is success, not a death.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _already_stopping)
    try:
        if settings.workers == 1:
            server = uvicorn.Server(config)
            server.run(sockets=[listening])
            return 0 if server.started else 1
        Multiprocess(config, sockets=[listening]).run()
        return 0
    finally:
        listening.close()


def prepared(app: App) -> uvicorn.Server:
    """Make a server for an event loop that somebody else runs: await its `serve(sockets=[...])`."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        access_log=False,
        server_header=False,
        log_config=None,
        backlog=BACKLOG,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def _already_stopping(_signal: int, _frame: FrameType | None) -> None:
    pass


def listen(host: str, port: int) -> socket.socket:
    """Take the address (port 0: any free one). Raises `OSError` that names it when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error
    listening.listen(BACKLOG)
    listening.set_inheritable(True)
    return listening
