"""What stands between a sample and the server: passes everything on and keeps it."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

# A sample's program says whose requests follow by asking for this path and the sample's name.
BEGIN: Final = "/-/begin/"
HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer."""

    method: str
    target: str
    sent: bytes
    status: int
    body: bytes


@dataclass(slots=True)
class Recorder:
    """The exchanges of each sample, by its name."""

    url: str
    exchanges: dict[str, list[Exchange]] = field(default_factory=dict)
    current: str = ""

    def begin(self, name: str) -> None:
        """Say whose requests follow."""
        self.current = name
        self.exchanges[name] = []


@contextmanager
def recording(upstream_url: str) -> Iterator[Recorder]:
    """Listen on a free port, pass every request on to the server, and keep it."""
    upstream = urlsplit(upstream_url).netloc

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            if self.path.startswith(BEGIN):
                recorder.begin(self.path.removeprefix(BEGIN))
                self.answer(204, {}, b"")
                return
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            connection = http.client.HTTPConnection(upstream, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            connection.request(self.command, self.path, sent, headers)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            if recorder.current:
                kept = Exchange(self.command, self.path, sent, answer.status, body)
                recorder.exchanges[recorder.current].append(kept)
            told = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
            self.answer(answer.status, told, body)

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the base class looks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Keep the output for what counts."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder = Recorder(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
