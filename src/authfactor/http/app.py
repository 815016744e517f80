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


def all_routes(desk: health.ServerState | None = None) -> list[Route]:
    """Every route that is answered, those of the reference first."""
    return [*ROUTES, *health.routes(ROUTES, desk), *PAGES]


def make_board(processes: int) -> SharedCounters:
    """Make the memory in which so many processes count."""
    return SharedCounters(CounterLayout([route.name for route in all_routes()]), processes)


class App:
    """The application. `opener` opens the installation at start-up, inside the server's event loop."""

    def __init__(self, opener: Opener, board: SharedCounters | None = None, region: int = 1) -> None:
        """Open nothing yet; a server of several processes gives the memory they share and a place in it."""
        self._opener = opener
        self._board = board or make_board(1)
        self._region = region
        self.desk: Final = health.ServerState()
        self.door: Dispatcher | None = None
        self._traced: TracingDispatcher | None = None
        # Our own protocol (`http1.connection`) asks for answers here; other servers call the application.
        self.answer: RespondDirectly | None = None
        # Whether handlers of a GET mostly wait for nothing; they begin without a task (`http1.eager_task`).
        self.reads_at_once = False
        # What all connections of this process share; a batch of writes has an end that they are to know of.
        self.turns: Final = ResponseBatcher()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Speak ASGI 3."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http" and self.answer is not None:
            reply = await self.answer(scope, receive)
            await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers()})
            await send({"type": "http.response.body", "body": reply.body})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            af = await self._opener()
        except Exception as error:  # noqa: BLE001 - the server prints the message and exits
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        meter = CounterWriter(self._board.layout, self._board.region(self._region))
        observatory = MetricsCollector(af, self._board, meter)
        self.door = Dispatcher(af, all_routes(self.desk), self.desk, meter, self._region)
        if af.settings.trace_endpoint:
            self._traced = traced(self.door, af.settings.trace_endpoint)
        self.answer = (self._traced or self.door).answer
        self.reads_at_once = af.store.reads_at_once
        af.store.when_told(self.turns.hold)
        self.desk.metrics = observatory.text
        self.desk.may_see_metrics = self.door.may_see_metrics
        at_work = [asyncio.create_task(work(af)) for work in BACKGROUND]
        at_work.append(asyncio.create_task(_publish(observatory)))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)
        observatory.publish()
        self.door.flush()
        if self._traced is not None:
            await asyncio.to_thread(self._traced.close)
        await af.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _publish(observatory: MetricsCollector) -> None:
    """Keep this process's figures where the others find them."""
    while True:
        observatory.publish()
        await asyncio.sleep(PUBLISH_SECONDS)


async def _keep_house(af: Authfactor) -> None:
    """Do now and then what no request should wait for."""
    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        try:
            await af.note_used_keys()
            await af.cleaning.run(af.store)
        except (errors.AuthfactorError, UnsealError) as error:
            log.warning("housekeeping was put off: %s", error)


async def _seal_events(af: Authfactor) -> None:
    """Put a digest of the events of late into the audit list."""
    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        try:
            await af.event_seals.run(af.store)
        except (errors.AuthfactorError, UnsealError) as error:
            log.warning("the sealing of events was put off: %s", error)
        except Exception:
            log.exception("unexpected failure while sealing events")


async def _take_up_keys(af: Authfactor) -> None:
    """Look for a new key, so that a rotation reaches every process before anything needs it."""
    while True:
        await asyncio.sleep(source_of(af.settings).look_again)
        try:
            await af.take_up_keys()
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


BACKGROUND: Final = (deliver_forever, _keep_house, _seal_events, _take_up_keys, _prepare_pages)
