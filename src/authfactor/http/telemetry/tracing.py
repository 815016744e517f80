"""OpenTelemetry traces, from the extra `otel`: a span for each request, in the trace that its caller named.

A span says method, route, status and outcome, never a path with ids, a query, a header or a body.
"""

from typing import TYPE_CHECKING, Final

from authfactor.http.dispatcher import Dispatcher
from authfactor.http.response import OutgoingResponse
from authfactor.http1.request_cycle import Message, Receive
from authfactor.settings import PREFIX, InvalidSetting

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_CARRIED: Final = frozenset({b"traceparent", b"tracestate"})


class TracingDispatcher:
    """A door whose requests are spans."""

    def __init__(self, door: Dispatcher, provider: "TracerProvider") -> None:
        """Look up once what every request needs."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - the extra is there only if it is wanted
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - the same
            TraceContextTextMapPropagator,
        )

        self._door = door
        self._provider = provider
        self._tracer = provider.get_tracer("authfactor")
        self._extract = TraceContextTextMapPropagator().extract
        self._kind = SpanKind.SERVER

    async def respond(self, scope: Message, receive: Receive) -> OutgoingResponse:
        """Answer within a span."""
        carried = {
            name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _CARRIED
        }
        with self._tracer.start_as_current_span(
            "request", context=self._extract(carried), kind=self._kind
        ) as span:
            reply = await self._door.respond(scope, receive)
            name = reply.route
            span.update_name(name)
            span.set_attribute("http.request.method", scope["method"])
            span.set_attribute("http.route", name.partition(" ")[2] or name)
            span.set_attribute("http.response.status_code", reply.status)
            span.set_attribute("authfactor.outcome", reply.outcome)
            return reply

    def close(self) -> None:
        """Send what has gathered; may take a moment."""
        self._provider.shutdown()


def traced(door: Dispatcher, endpoint: str) -> TracingDispatcher:
    """Trace a door's requests to an endpoint (OTLP over HTTP). Raises `BadSetting` without the extra."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - the same
    except ModuleNotFoundError as error:
        raise InvalidSetting(f"{PREFIX}TRACE_ENDPOINT needs: pip install 'authfactor[otel]'") from error
    provider = TracerProvider(resource=Resource.create({"service.name": "authfactor"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return TracingDispatcher(door, provider)
