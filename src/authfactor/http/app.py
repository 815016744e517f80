"""The ASGI application: opens the installation, keeps it in order while requests are answered, closes it.

Written on bare ASGI because a framework's request and route layer costs more than everything the
handlers do (decision 0001); pages and lifespan may use one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.crypto.keyring import KeyRingUnusable, source_of
from authfactor.crypto.vault import UnsealError
from authfactor.http.api import health
from authfactor.http.api.routes import ROUTES
from authfactor.http.dispatcher import Dispatcher
from authfactor.http.pages import templating
from authfactor.http.pages.routes import ROUTES as PAGES
from authfactor.http.routing import Route
from authfactor.http.telemetry.metrics import MetricsCollector
from authfactor.http.telemetry.shared_counters import CounterLayout, CounterWriter, SharedCounters
from authfactor.http.telemetry.tracing import TracingDispatcher, traced
from authfactor.http1.request_cycle import Message, Receive, RespondDirectly, Send
from authfactor.http1.response_batching import ResponseBatcher
from authfactor.webhook_dispatcher import deliver_forever

Opener = Callable[[], Awaitable[Authfactor]]
HOUSEKEEPING_SECONDS: Final = 60
PUBLISH_SECONDS: Final = 1
# Past the rush of a start: requests of the API come first.
PAGES_AFTER_SECONDS: Final = 2

log = logging.getLogger("authfactor.http")


def all_routes(server_state: health.ServerState | None = None) -> list[Route]:
    """Every route that is answered, those of the reference first."""
    return [*ROUTES, *health.routes(ROUTES, server_state), *PAGES]


def make_counters(processes: int) -> SharedCounters:
    """Make the memory in which so many processes count."""
    return SharedCounters(CounterLayout([route.name for route in all_routes()]), processes)


class App:
    """The application. `opener` opens the installation at start-up, inside the server's event loop."""

    def __init__(self, opener: Opener, counters: SharedCounters | None = None, region: int = 1) -> None:
        """Open nothing yet; a server of several processes gives the memory they share and a place in it."""
        self._opener = opener
        self._counters = counters or make_counters(1)
        self._region = region
        self.server_state: Final = health.ServerState()
        self.dispatcher: Dispatcher | None = None
        self._traced: TracingDispatcher | None = None
        # Our own protocol (`http1.connection`) asks for answers here; other servers call the application.
        self.respond: RespondDirectly | None = None
        # Whether handlers of a GET mostly wait for nothing; they begin without a task (`http1.eager_task`).
        self.reads_never_suspend = False
        # What all connections of this process share; a batch of writes has an end that they are to know of.
        self.batcher: Final = ResponseBatcher()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Speak ASGI 3."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http" and self.respond is not None:
            reply = await self.respond(scope, receive)
            await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers()})
            await send({"type": "http.response.body", "body": reply.body})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            af = await self._opener()
        except Exception as error:  # noqa: BLE001 - the server prints the message and exits
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        meter = CounterWriter(self._counters.layout, self._counters.region(self._region))
        observatory = MetricsCollector(af, self._counters, meter)
        self.dispatcher = Dispatcher(
            af, all_routes(self.server_state), self.server_state, meter, self._region
        )
        if af.settings.trace_endpoint:
            self._traced = traced(self.dispatcher, af.settings.trace_endpoint)
        self.respond = (self._traced or self.dispatcher).respond
        self.reads_never_suspend = af.store.reads_never_suspend
        af.store.on_batch_committed(self.batcher.hold_until_resumed)
        self.server_state.metrics = observatory.text
        self.server_state.may_see_metrics = self.dispatcher.may_see_metrics
        at_work = [asyncio.create_task(work(af)) for work in BACKGROUND]
        at_work.append(asyncio.create_task(_publish(observatory)))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)
        observatory.publish()
        self.dispatcher.flush()
        if self._traced is not None:
            await asyncio.to_thread(self._traced.close)
        await af.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _publish(observatory: MetricsCollector) -> None:
    """Keep this process's figures where the others find them."""
    while True:
        observatory.publish()
        await asyncio.sleep(PUBLISH_SECONDS)


async def _housekeeping(af: Authfactor) -> None:
    """Do now and then what no request should wait for."""
    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        try:
            await af.flush_last_used()
            await af.retention.run(af.store)
        except (errors.AuthfactorError, UnsealError) as error:
            log.warning("housekeeping was put off: %s", error)


async def _seal_events(af: Authfactor) -> None:
    """Put a digest of the events of late into the audit list."""
    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        try:
            await af.event_sealing.run(af.store)
        except (errors.AuthfactorError, UnsealError) as error:
            log.warning("the sealing of events was put off: %s", error)
        except Exception:
            log.exception("unexpected failure while sealing events")


async def _reload_key_ring(af: Authfactor) -> None:
    """Look for a new key, so that a rotation reaches every process before anything needs it."""
    while True:
        await asyncio.sleep(source_of(af.settings).recheck_seconds)
        try:
            await af.reload_key_ring()
        except (errors.AuthfactorError, KeyRingUnusable) as error:
            log.warning("the key ring could not be read again: %s", error)
        except Exception:
            log.exception("unexpected failure while looking for new keys")


async def _prepare_pages(af: Authfactor) -> None:
    """Compile the pages before somebody asks for one: the first would take a quarter of a second."""
    await asyncio.sleep(PAGES_AFTER_SECONDS)
    await templating.prepare()
    if af.settings.docs:
        from authfactor import reference  # noqa: PLC0415 - a start must not wait for it

        await asyncio.to_thread(reference.endpoints)
        await asyncio.to_thread(reference.objects)


BACKGROUND: Final = (deliver_forever, _housekeeping, _seal_events, _reload_key_ring, _prepare_pages)
