"""One process that answers requests: uvicorn, leaving without hanging up on anybody.

Told to stop, it takes no new connection, answers what is asked on those that stand, and closes each with
its answer (`Connection: close`). A connection on which nobody asks anything for a second is closed as it
would be at any other time. uvicorn itself would close idle connections at once, while a request may
already be on its way to them.
"""

import asyncio
import contextlib
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
from authfactor.server import tls
from authfactor.server.listening_sockets import configured
from authfactor.server.metrics_server import MetricsPort
from authfactor.settings import InvalidSetting, Settings

IDLE_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.02
# Objects that may be made, and not be gone, before Python looks for cycles.
GC_THRESHOLDS: Final = 20_000
SWITCH_SECONDS: Final = 0.0005

Reread = Callable[[], Settings]

log = logging.getLogger("authfactor.http")


class Worker(uvicorn.Server):
    """A server that drains, reloads on SIGHUP, and watches its certificate."""

    def __init__(self, app: App, settings: Settings, reread: Reread, *, alone: bool) -> None:
        """Serve `app`; `alone` when no supervisor tells this process what to do."""
        self._certificate = tls.certificate(settings)
        certificate = self._certificate
        super().__init__(
            configured(
                app,
                app.batcher,
                lifespan="on",
                timeout_graceful_shutdown=settings.drain_time,
                ssl_context_factory=(lambda _config, _default: certificate.context) if certificate else None,
            )
        )
        self._app = app
        self._settings = settings
        self._reread = reread
        self._alone = alone
        self._parent = os.getppid()
        # Called once this process answers, and once it has begun to leave.
        self.on_ready: Callable[[], None] = _nothing
        self.on_leaving: Callable[[], None] = _nothing
        self.metrics: MetricsPort | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def begin_drain(self) -> None:
        """Tell everybody (readyz, every answer) that this process is about to go."""
        self._app.server_state.draining = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application and start to answer."""
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        loop.add_signal_handler(signal.SIGUSR1, self.begin_drain)
        if self._certificate is not None:
            self._tasks.add(loop.create_task(self._watch_certificate(self._certificate)))
        if self.metrics is not None:
            await self.metrics.start()
        _tune_python()
        self.on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Look, ten times a second, whether to stop: also when the supervisor is gone."""
        return await super().on_tick(counter) or (not self._alone and os.getppid() != self._parent)

    def reload(self) -> None:
        """Take up what may change while running; anything wrong leaves everything as it is."""
        try:
            fresh, waiting = setting.reloaded(self._settings, self._reread())
        except InvalidSetting as error:
            log.error("the settings stay as they are: %s", error)  # noqa: TRY400 - the sentence says it all
            return
        self._settings = fresh
        log_setup.set_up(fresh)
        if self._app.dispatcher is not None:
            self._app.dispatcher.apply(fresh)
        if self._certificate is not None:
            self._certificate.refresh()
        if waiting:
            names = {"settings": ", ".join(waiting)}
            log.warning("settings that changed hold from the next start: %s", names["settings"], extra=names)
        log.info("the settings were read again")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let everybody finish, then close."""
        self.begin_drain()
        self.on_leaving()
        if self._alone and self._settings.drain_wait:
            await asyncio.sleep(self._settings.drain_wait)
        for server in self.servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_time):
                await self._drain()
        if self.metrics is not None:
            await self.metrics.stop()
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        """Wait until nobody is connected any more."""
        loop = asyncio.get_running_loop()
        quiet: dict[Connection, float] = {}
        while self.server_state.connections:
            now = loop.time()
            for connection in cast("list[Connection]", list(self.server_state.connections)):
                since = connection.idle_since
                if since is None or connection.has_unread():
                    quiet.pop(connection, None)
                elif now - quiet.setdefault(connection, since) > IDLE_SECONDS:
                    connection.shutdown()
            await asyncio.sleep(_POLL_SECONDS)

    async def _watch_certificate(self, certificate: tls.Certificate) -> None:
        while True:
            await asyncio.sleep(tls.WATCH_SECONDS)
            certificate.refresh()


def _nothing() -> None:
    pass


def _tune_python() -> None:
    """Look for cycles of garbage less often, never among what is there for good; let threads wait less.

    Requests leave next to no cycles: what they make goes with its last reference. With Python's own limits
    one in twenty-five paid for a look, and now and then one for a look through everything. And while a
    thread computes (a commit that returns, a page that is compiled) the others wait five milliseconds for
    each step, unless told otherwise.
    """
    gc.freeze()
    gc.set_threshold(GC_THRESHOLDS, 20, 20)
    sys.setswitchinterval(SWITCH_SECONDS)
