"""Listening sockets, opened here or inherited from systemd or an upgrade, and the uvicorn configuration."""

import functools
import logging
import os
import resource
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import uvicorn

from authfactor.http1.connection import Connection
from authfactor.http1.connection_limits import ConnectionLimits
from authfactor.http1.request_cycle import Application
from authfactor.http1.response_batching import ResponseBatcher
from authfactor.settings import Settings

BACKLOG: Final = 2048
# systemd's socket activation protocol, sd_listen_fds(3).
SD_LISTEN_FDS_START: Final = 3
LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"
API, METRICS = "api", "metrics"
# Connections of a process when the settings name no number and it may open enough files.
DEFAULT_CONNECTIONS: Final = 4096
# Files that a process opens besides its connections: database, log, webhooks, refused connections.
RESERVED_DESCRIPTORS: Final = 96

# Linux lets an unlimited send buffer grow to 4 MiB.
SEND_BUFFER_BYTES: Final = 131_072

log = logging.getLogger("authfactor.http")


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 picks a free port. Raises `OSError` that names the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _limit_send_buffer(sock)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error
    sock.listen(BACKLOG)
    return sock


def _limit_send_buffer(sock: socket.socket) -> None:
    """Limit what the kernel keeps for a client that does not read; accepted sockets inherit it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


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
        _limit_send_buffer(sock)
        name = names[index] if index < len(names) else API
        # Without FileDescriptorName= systemd names a socket after its unit.
        sockets[name if name in (API, METRICS) else API] = sock
    return sockets


def limits(settings: Settings, count: Callable[[str], None] | None = None) -> ConnectionLimits:
    """Return the limits on this process's connections; `count` counts those closed, by reason.

    A setting of more connections than the process has descriptors for is lowered, with a warning.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptors = soft if soft != resource.RLIM_INFINITY else DEFAULT_CONNECTIONS + RESERVED_DESCRIPTORS
    available = max(descriptors - RESERVED_DESCRIPTORS - settings.pool_size, descriptors // 4)
    wanted = settings.max_connections or min(available, DEFAULT_CONNECTIONS)
    if wanted > available:
        log.warning(
            "max_connections is lowered from %d to %d: this process may open only %d files",
            *(wanted, available, descriptors),
        )
    return ConnectionLimits(min(wanted, available), settings.write_timeout, count)


def uvicorn_config(
    app: Application,
    batcher: ResponseBatcher,
    connection_limits: ConnectionLimits,
    **options: Any,  # noqa: ANN401 - any uvicorn option
) -> uvicorn.Config:
    """Configure uvicorn: our HTTP protocol, no WebSockets, and no access log or headers of its own."""
    return uvicorn.Config(
        app,
        http=cast("type[Connection]", functools.partial(Connection, batcher, connection_limits)),
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
