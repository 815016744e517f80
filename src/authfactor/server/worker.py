"""One process that serves requests: uvicorn with a graceful shutdown that drops no request.

While draining, a worker accepts no new connections, serves requests on open ones, and closes each with its
response (`Connection: close`). A connection that stays idle for a second is closed as by a keep-alive
timeout. uvicorn would close idle connections at once, while a request may already be on its way.
"""

import asyncio
import contextlib
import functools
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final, cast

import uvicorn

from authfactor import settings as setting
from authfactor.http.app import App
from authfactor.http.telemetry import log_setup
from authfactor.http1.connection import Connection
from authfactor.http1.connection_limits import ConnectionLimits
from authfactor.server import tls
from authfactor.server.listening_sockets import uvicorn_config
from authfactor.server.metrics_server import MetricsServer
from authfactor.settings import InvalidSetting, Settings

IDLE_SECONDS: Final = 1.0
# While draining: how long a client may read nothing of its response.
SILENT_SECONDS: Final = 5.0
# For requests still in progress after the drain time, once their connections are closed.
CANCEL_SECONDS: Final = 1
_POLL_SECONDS: Final = 0.02
# Net allocations of container objects before the garbage collector runs.
GC_THRESHOLD: Final = 20_000
SWITCH_SECONDS: Final = 0.0005

ReadSettings = Callable[[], Settings]

log = logging.getLogger("authfactor.http")


class Worker(uvicorn.Server):
    """A server that drains, reloads on SIGHUP, and watches its certificate."""

    def __init__(
        self,
        app: App,
        settings: Settings,
        limits: ConnectionLimits,
        read_settings: ReadSettings,
        *,
        standalone: bool,
    ) -> None:
        """`standalone`: no supervisor has forked this process."""
        self._certificate = tls.certificate(settings)
        certificate = self._certificate
        super().__init__(
            uvicorn_config(
                app,
                app.batcher,
                limits,
                lifespan="on",
                timeout_graceful_shutdown=CANCEL_SECONDS,
                ssl_context_factory=(lambda _config, _default: certificate.context) if certificate else None,
            )
        )
        self._app = app
        self._limits = limits
        self._settings = settings
        self._read_settings = read_settings
        self._standalone = standalone
        self._parent = os.getppid()
        # Called when the worker is ready, and when it starts draining.
        self.on_ready: Callable[[], None] = _nothing
        self.on_draining: Callable[[], None] = _nothing
        self.metrics: MetricsServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def begin_drain(self) -> None:
        """Fail `GET /readyz` and add `Connection: close` to every response."""
        self._app.server_state.draining = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application and start serving."""
        # uvicorn opens no socket here: it cannot limit TLS handshakes, neither their time nor their number.
        await super().startup([])
        loop = asyncio.get_running_loop()
        for sock in sockets or []:
            self.servers.append(await self._listen(loop, sock))
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        loop.add_signal_handler(signal.SIGUSR1, self.begin_drain)
        if self._certificate is not None:
            self._tasks.add(loop.create_task(self._watch_certificate(self._certificate)))
        if self.metrics is not None:
            await self.metrics.start()
        _tune_python()
        self.on_ready()

    async def _listen(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> asyncio.Server:
        """Accept connections on a socket."""
        config = self.config
        make = cast("Callable[..., Connection]", config.http_protocol_class)
        make_protocol = functools.partial(make, config, self.server_state, self.lifespan.state)
        if config.ssl is None:
            return await loop.create_server(make_protocol, sock=sock, backlog=config.backlog)
        connections = self.server_state.connections
        server = tls.TlsServer(sock, config.ssl, make_protocol, connections, self._limits.max_connections)
        # uvicorn closes its servers and does nothing else with them.
        return cast("asyncio.Server", server)

    async def on_tick(self, counter: int) -> bool:
        """Return, ten times a second, whether to stop; also if the supervisor has died."""
        return await super().on_tick(counter) or (not self._standalone and os.getppid() != self._parent)

    def reload(self) -> None:
        """Apply the settings that may change at run time; an invalid one leaves all as they are."""
        try:
            new, restart_needed = setting.reloaded(self._settings, self._read_settings())
        except InvalidSetting as error:
            log.error("keeping the current settings: %s", error)  # noqa: TRY400 - the message suffices
            return
        self._settings = new
        log_setup.set_up(new)
        if self._app.dispatcher is not None:
            self._app.dispatcher.apply(new)
        if self._certificate is not None:
            self._certificate.refresh()
        if restart_needed:
            names = {"settings": ", ".join(restart_needed)}
            log.warning("these changed settings need a restart: %s", names["settings"], extra=names)
        log.info("settings reloaded")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain for at most the `drain_time` setting, then close."""
        self.begin_drain()
        self.on_draining()
        if self._standalone and self._settings.drain_wait:
            await asyncio.sleep(self._settings.drain_wait)
        for server in self.servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_time):
                await self._drain()
        for connection in self._connections():
            connection.abort()
        if self.metrics is not None:
            await self.metrics.stop()
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        """Wait until no connection is open; close those that are idle or whose clients do not read."""
        loop = asyncio.get_running_loop()
        idle: dict[Connection, float] = {}
        unread: dict[Connection, tuple[int, float]] = {}
        while connections := self._connections():
            now = loop.time()
            for connection in connections:
                size, since = connection.unsent_bytes, connection.idle_since
                if size:
                    last_size, unchanged_since = unread.get(connection, (0, now))
                    if size != last_size:
                        unread[connection] = (size, now)
                    elif now - unchanged_since > SILENT_SECONDS:
                        connection.abort()
                elif since is None or connection.has_unread():
                    idle.pop(connection, None)
                elif now - idle.setdefault(connection, since) > IDLE_SECONDS:
                    connection.shutdown()
            await asyncio.sleep(_POLL_SECONDS)

    def _connections(self) -> list[Connection]:
        # uvicorn types the set for its own protocols.
        return cast("list[Connection]", list(self.server_state.connections))

    async def _watch_certificate(self, certificate: tls.Certificate) -> None:
        while True:
            await asyncio.sleep(tls.POLL_SECONDS)
            certificate.refresh()


def _nothing() -> None:
    pass


def _tune_python() -> None:
    """Run the garbage collector less often, and shorten the interpreter's switch interval.

    Requests leave almost no reference cycles. With Python's default threshold one request in twenty-five paid
    for a collection, and some for a full one; freezing excludes the objects allocated at start-up. With the
    default switch interval a thread waits five milliseconds for the interpreter lock while another computes
    (a returning commit, a compiling template).
    """
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    sys.setswitchinterval(SWITCH_SECONDS)
