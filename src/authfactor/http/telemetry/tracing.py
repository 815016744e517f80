"""OpenTelemetry traces, with the extra `otel`: a span for each request, in the trace of its caller.

A span has the method, route, status and outcome; never a path with ids, a query, a header or a body.
"""

from typing import TYPE_CHECKING, Final

from authfactor.http.dispatcher import Dispatcher
from authfactor.http.response import OutgoingResponse
from authfactor.http1.request_cycle import Message, Receive
from authfactor.settings import PREFIX, InvalidSetting

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_TRACE_HEADERS: Final = frozenset({b"traceparent", b"tracestate"})


class TracingDispatcher:
    """A dispatcher that records a span for each request."""

    def __init__(self, dispatcher: Dispatcher, provider: "TracerProvider") -> None:
        """Get the provider's tracer; `provider` exports the spans."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - an optional extra
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - the same
            TraceContextTextMapPropagator,
        )

        self._dispatcher = dispatcher
        self._provider = provider
        self._tracer = provider.get_tracer("authfactor")
        self._extract = TraceContextTextMapPropagator().extract
        self._kind = SpanKind.SERVER

    async def respond(self, scope: Message, receive: Receive) -> OutgoingResponse:
        """Handle a request within a span."""
        carrier = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _TRACE_HEADERS
        }
        with self._tracer.start_as_current_span(
            "request", context=self._extract(carrier), kind=self._kind
        ) as span:
            response = await self._dispatcher.respond(scope, receive)
            name = response.route
            span.update_name(name)
            span.set_attribute("http.request.method", scope["method"])
            span.set_attribute("http.route", name.partition(" ")[2] or name)
            span.set_attribute("http.response.status_code", response.status)
            span.set_attribute("authfactor.outcome", response.outcome)
            return response

    def close(self) -> None:
        """Export the buffered spans; blocks."""
        self._provider.shutdown()


def traced(dispatcher: Dispatcher, endpoint: str) -> TracingDispatcher:
    """Trace to an OTLP endpoint over HTTP. Raises `InvalidSetting` if the extra is not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - the same
    except ModuleNotFoundError as error:
        raise InvalidSetting(f"{PREFIX}TRACE_ENDPOINT needs: pip install 'authfactor[otel]'") from error
    # `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` take precedence.
    resource = Resource({"service.name": "authfactor"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=Resource.create().merge(resource))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return TracingDispatcher(dispatcher, provider)
