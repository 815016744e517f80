"""Listening sockets, opened here or inherited from systemd or an upgrade, and the uvicorn configuration."""

import functools
import os
import socket
from collections.abc import Mapping
from typing import Any, Final, cast

import uvicorn

from authfactor.http1.connection import Connection
from authfactor.http1.request_cycle import Application
from authfactor.http1.response_batching import ResponseBatcher

BACKLOG: Final = 2048
# systemd's socket activation protocol, sd_listen_fds(3).
SD_LISTEN_FDS_START: Final = 3
LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"
API, METRICS = "api", "metrics"


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 picks a free port. Raises `OSError` that names the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error
    sock.listen(BACKLOG)
    return sock


def inherited_sockets(environ: Mapping[str, str]) -> dict[str, socket.socket]:
    """Return the sockets passed to this process (sd_listen_fds), by name; an unnamed one is `api`."""
    if environ.get(LISTEN_PID) != str(os.getpid()):
        return {}
    count = int(environ.get(LISTEN_FDS, "0"))
    names = environ.get(LISTEN_FDNAMES, "").split(":") if environ.get(LISTEN_FDNAMES) else [API]
    sockets = {}
    for index in range(count):
        sock = socket.socket(fileno=SD_LISTEN_FDS_START + index)
        sock.set_inheritable(False)
        name = names[index] if index < len(names) else API
        # Without FileDescriptorName= systemd names a socket after its unit.
        sockets[name if name in (API, METRICS) else API] = sock
    return sockets


def uvicorn_config(
    app: Application,
    batcher: ResponseBatcher,
    **options: Any,  # noqa: ANN401 - any uvicorn option
) -> uvicorn.Config:
    """Configure uvicorn: our HTTP protocol, no WebSockets, and no access log or headers of its own."""
    return uvicorn.Config(
        app,
        http=cast("type[Connection]", functools.partial(Connection, batcher)),
        interface="asgi3",
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        log_level="warning",
        backlog=BACKLOG,
        **options,
    )


def pass_to_exec(sockets: Mapping[str, socket.socket]) -> dict[str, str]:
    """Duplicate the sockets to the descriptors that sd_listen_fds expects, inheritable across `exec`.

    Returns the environment variables that `inherited_sockets` reads.
    """
    # Via high descriptors, so that no target overwrites a socket still to be duplicated.
    copies = [os.dup(sock.fileno()) for sock in sockets.values()]
    high = [os.dup2(copy, 200 + index) for index, copy in enumerate(copies)]
    for index, descriptor in enumerate(high):
        os.dup2(descriptor, SD_LISTEN_FDS_START + index, inheritable=True)
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional-only in os
    return {
        LISTEN_PID: str(os.getpid()),
        LISTEN_FDS: str(len(sockets)),
        LISTEN_FDNAMES: ":".join(sockets),
    }
