"""Running the application under uvicorn, in this process or in several workers."""

import asyncio
import functools
import socket

import uvicorn
from uvicorn.supervisors import Multiprocess

from authfactor.core import Authfactor
from authfactor.http.app import App
from authfactor.settings import Settings

BACKLOG = 2048
DRAIN_SECONDS = 20


def serve(settings: Settings, *, host: str, port: int, workers: int) -> int:
    """Serve until SIGTERM or SIGINT, finish what is under way, and return the exit code.

    Raises `OSError` when the address cannot be had.
    """
    config = uvicorn.Config(
        App(functools.partial(Authfactor.open, settings)),
        host=host,
        port=port,
        workers=workers,
        lifespan="on",
        access_log=False,
        server_header=False,
        log_level="warning",
        backlog=BACKLOG,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    listening = _listen(host, port)
    try:
        if workers == 1:
            server = uvicorn.Server(config)
            asyncio.run(server.serve(sockets=[listening]), loop_factory=config.get_loop_factory())
            return 0 if server.started else 1
        # Schema and key ring are made once, here: workers that did it all at once would be in each other's way.
        asyncio.run(_prepare(settings))
        Multiprocess(config, target=uvicorn.Server(config).run, sockets=[listening]).run()
        return 0
    finally:
        listening.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(BACKLOG)
    listening.set_inheritable(True)
    return listening


async def _prepare(settings: Settings) -> None:
    await (await Authfactor.open(settings)).close()
