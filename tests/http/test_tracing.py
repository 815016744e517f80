"""Traces as an OTLP collector receives them: the expected attributes, and no secrets."""

from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.otlp_collector import collecting
from tests.support.server_process import Server

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_request_span_joins_the_callers_trace(tmp_path: Path) -> None:
    with collecting() as (environment, bodies):
        server = Server(tmp_path / "data", environment)
        server.start()
        with server.client() as client:
            client.get(
                "/auth/factors/auth_factor_unknown?token=hunter2",
                headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"},
            )
        assert server.stop() == 0, server.output()
    spans: dict[str, Span] = {}
    for body in bodies:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                spans |= {span.name: span for span in scope.spans}
    span = spans["GET /auth/factors/{factor_id}"]
    attributes = {
        attribute.key: attribute.value.string_value or attribute.value.int_value
        for attribute in span.attributes
    }

    assert span.trace_id.hex() == TRACE_ID
    assert attributes == {
        "http.request.method": "GET",
        "http.route": "/auth/factors/{factor_id}",
        "http.response.status_code": 404,
        "authfactor.outcome": "entity_not_found",
    }
    assert b"hunter2" not in b"".join(bodies)
    assert b"auth_factor_unknown" not in b"".join(bodies)


def test_opentelemetrys_own_variables_configure_the_traces(tmp_path: Path) -> None:
    with collecting() as (environment, bodies):
        endpoint = environment.pop("AUTHFACTOR_TRACE_ENDPOINT").removesuffix("/v1/traces")
        standard = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "mfa"}
        server = Server(tmp_path / "data", environment | standard)
        server.start()
        with server.client() as client:
            client.get("/auth/factors/auth_factor_unknown")
        assert server.stop() == 0, server.output()
    names = {
        attribute.value.string_value
        for body in bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for attribute in resource.resource.attributes
        if attribute.key == "service.name"
    }
    assert names == {"mfa"}
