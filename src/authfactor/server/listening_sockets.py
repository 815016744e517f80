"""Sockets to listen on: our own, or handed over by systemd or the program before us; and how uvicorn does."""

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
# The protocol of systemd's socket activation (sd_listen_fds): the first descriptor, and three variables.
FIRST: Final = 3
FOR_WHOM, HOW_MANY, NAMES = "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"
API, METRICS = "api", "metrics"


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
    return listening


def handed_over(environ: Mapping[str, str]) -> dict[str, socket.socket]:
    """Return the sockets that were handed to this process, by name; a single one without a name is `api`."""
    if environ.get(FOR_WHOM) != str(os.getpid()):
        return {}
    count = int(environ.get(HOW_MANY, "0"))
    names = environ.get(NAMES, "").split(":") if environ.get(NAMES) else [API]
    found = {}
    for number in range(count):
        sock = socket.socket(fileno=FIRST + number)
        sock.set_inheritable(False)
        name = names[number] if number < len(names) else API
        # systemd calls a socket without a name after its unit.
        found[name if name in (API, METRICS) else API] = sock
    return found


def configured(
    app: Application,
    turns: ResponseBatcher,
    **more: Any,  # noqa: ANN401 - whatever uvicorn takes
) -> uvicorn.Config:
    """Tell uvicorn how we serve: our own protocol, no web sockets, no word of its own in log or answers."""
    return uvicorn.Config(
        app,
        http=cast("type[Connection]", functools.partial(Connection, turns)),
        interface="asgi3",
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        log_level="warning",
        backlog=BACKLOG,
        **more,
    )


def hand_over(sockets: Mapping[str, socket.socket]) -> dict[str, str]:
    """Put the sockets where the next program in this process finds them; return the variables it needs."""
    copies = [os.dup(sock.fileno()) for sock in sockets.values()]
    high = [os.dup2(copy, 200 + place) for place, copy in enumerate(copies)]
    for place, descriptor in enumerate(high):
        os.dup2(descriptor, FIRST + place, inheritable=True)
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - os takes it by place
    return {
        FOR_WHOM: str(os.getpid()),
        HOW_MANY: str(len(sockets)),
        NAMES: ":".join(sockets),
    }
