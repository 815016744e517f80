"""An OpenTelemetry collector that records the bodies it receives."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


@contextmanager
def collecting() -> Iterator[tuple[dict[str, str], list[bytes]]]:
    """Yield environment variables that make a server send its traces here, and the received bodies."""
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    collector = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=collector.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{collector.server_port}/v1/traces"
    try:
        yield {"AUTHFACTOR_TRACE_ENDPOINT": url, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}, bodies
    finally:
        collector.shutdown()
        thread.join()
        collector.server_close()
