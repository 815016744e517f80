"""The ASGI application: opens the installation, runs background tasks, and closes it.

Written on bare ASGI because a framework's request and routing layers cost more than all handler code
(decision 0001).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.crypto.keyring import KeyRingUnusable, source_of
from authfactor.crypto.vault import UnsealError
from authfactor.http.api import deferred_routes, health
from authfactor.http.api.routes import PREFLIGHTS, ROUTES, documented
from authfactor.http.dispatcher import Dispatcher
from authfactor.http.pages import deferred_pages, templating
from authfactor.http.pages.routes import ROUTES as PAGES
from authfactor.http.routing import Route
from authfactor.http.telemetry.metrics import MetricsCollector
from authfactor.http.telemetry.shared_counters import CounterLayout, CounterWriter, SharedCounters
from authfactor.http1.request_cycle import Message, Receive, RespondDirectly, Send
from authfactor.http1.response_batching import ResponseBatcher
from authfactor.webhook_dispatcher import deliver_forever

if TYPE_CHECKING:
    from authfactor.http.telemetry.tracing import TracingDispatcher

OpenInstallation = Callable[[], Awaitable[Authfactor]]
HOUSEKEEPING_SECONDS: Final = 60
PUBLISH_SECONDS: Final = 1
# API requests have priority right after a start.
SEND_MESSAGES_AFTER_SECONDS: Final = 1.0
PREPARE_PAGES_AFTER_SECONDS: Final = 2

log = logging.getLogger("authfactor.http")


def all_routes(server_state: health.ServerState | None = None) -> list[Route]:
    """Return every route that the server handles, the documented ones first."""
    return [*ROUTES, *PREFLIGHTS, *health.routes(documented, server_state), *PAGES]


def make_counters(processes: int) -> SharedCounters:
    """Allocate the shared memory for the counters of up to `processes` processes."""
    return SharedCounters(CounterLayout([route.name for route in all_routes()]), processes)


class App:
    """The application. `open_installation` runs at start-up, in the server's event loop."""

    def __init__(
        self, open_installation: OpenInstallation, counters: SharedCounters | None = None, region: int = 1
    ) -> None:
        """Prepare the application.

        A server with several workers passes their shared `counters` and the number of this worker's `region`.
        """
        self._open_installation = open_installation
        self._counters = counters or make_counters(1)
        self._region = region
        self.server_state: Final = health.ServerState()
        self.dispatcher: Dispatcher | None = None
        self._traced: TracingDispatcher | None = None
        self._writer: CounterWriter | None = None
        # `http1.connection` calls this directly; other servers call the ASGI application.
        self.respond: RespondDirectly | None = None
        # Whether GET handlers rarely suspend, so that starting them without a task pays (`http1.eager_task`).
        self.reads_never_suspend = False
        # Shared by all connections of this process; holds responses back until a commit's requests resume.
        self.batcher: Final = ResponseBatcher()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle ASGI 3 `lifespan` and `http` scopes."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http" and self.respond is not None:
            response = await self.respond(scope, receive)
            await send(
                {"type": "http.response.start", "status": response.status, "headers": response.headers()}
            )
            await send({"type": "http.response.body", "body": response.body})

    def count_closed_connection(self, reason: str) -> None:
        """Count a connection that the server refused or closed (`http1.connection_limits.REASONS`)."""
        if self._writer is not None:
            self._writer.add("authfactor_connections_closed_total", reason)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            af = await self._open_installation()
        except Exception as error:  # noqa: BLE001 - the server prints the message and exits
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        self._writer = writer = CounterWriter(self._counters.layout, self._counters.region(self._region))
        collector = MetricsCollector(af, self._counters, writer)
        self.dispatcher = Dispatcher(
            af, all_routes(self.server_state), self.server_state, writer, self._region
        )
        if af.settings.trace_endpoint:
            from authfactor.http.telemetry.tracing import traced  # noqa: PLC0415 - few servers trace

            self._traced = traced(self.dispatcher, af.settings.trace_endpoint)
        self.respond = (self._traced or self.dispatcher).respond
        self.reads_never_suspend = af.store.reads_never_suspend
        af.store.on_batch_committed(self.batcher.hold_until_resumed)
        self.server_state.metrics = collector.text
        self.server_state.may_see_metrics = self.dispatcher.may_see_metrics
        tasks = [asyncio.create_task(task(af)) for task in BACKGROUND_TASKS]
        tasks.append(asyncio.create_task(_publish(collector)))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        collector.publish()
        self.dispatcher.flush()
        if self._traced is not None:
            await asyncio.to_thread(self._traced.close)
        await af.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _publish(collector: MetricsCollector) -> None:
    """Publish this process's statistics to the shared counters every `PUBLISH_SECONDS`."""
    while True:
        collector.publish()
        await asyncio.sleep(PUBLISH_SECONDS)


async def _housekeeping(af: Authfactor) -> None:
    """Write last-used times and delete expired rows, every `HOUSEKEEPING_SECONDS`."""
    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        try:
            await af.flush_last_used()
            await af.retention.run(af.store)
        except (errors.AuthfactorError, UnsealError) as error:
            log.warning("housekeeping failed and will be retried: %s", error)


async def _seal_events(af: Authfactor) -> None:
    """Append a digest of recent events to the audit log."""
    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        try:
            await af.event_sealing.run(af.store)
        except (errors.AuthfactorError, UnsealError) as error:
            log.warning("sealing of events failed and will be retried: %s", error)
        except Exception:
            log.exception("unexpected failure while sealing events")


async def _reload_key_ring(af: Authfactor) -> None:
    """Load new keys from the key ring, so that a rotation reaches every process before they are used."""
    while True:
        await asyncio.sleep(source_of(af.settings).recheck_seconds)
        try:
            await af.reload_key_ring()
        except (errors.AuthfactorError, KeyRingUnusable) as error:
            log.warning("the key ring could not be reloaded: %s", error)
        except Exception:
            log.exception("unexpected failure while reloading the key ring")


async def _send_messages(af: Authfactor) -> None:
    """Send messages; begins a little later, so that a start does not import what few servers need."""
    await asyncio.sleep(SEND_MESSAGES_AFTER_SECONDS)
    from authfactor.message_dispatcher import send_messages_forever  # noqa: PLC0415 - see above

    await send_messages_forever(af)


async def _prepare_pages(af: Authfactor) -> None:
    """Compile the templates in advance: the first page would otherwise take a quarter of a second."""
    await asyncio.sleep(PREPARE_PAGES_AFTER_SECONDS)
    await asyncio.to_thread(deferred_routes.load_all)
    await asyncio.to_thread(deferred_pages.load_all)
    await templating.prepare()
    if af.settings.docs:
        from authfactor import reference  # noqa: PLC0415 - keep start-up fast

        await asyncio.to_thread(reference.endpoints)
        await asyncio.to_thread(reference.objects)


BACKGROUND_TASKS: Final = (
    deliver_forever,
    _send_messages,
    _housekeeping,
    _seal_events,
    _reload_key_ring,
    _prepare_pages,
)
