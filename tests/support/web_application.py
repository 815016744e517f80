"""An application that sends its users to hosted pages: a small HTTP server that records requests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Arrival(NamedTuple):
    """A request that a browser made."""

    path: str
    referer: str | None


class Application:
    """Serves `pages` by path and a greeting for every other path."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        # The same server under a host name that browsers treat as another site.
        self.elsewhere = f"http://localhost:{port}"
        self.pages: dict[str, str] = {}
        self.arrivals: list[Arrival] = []


@contextmanager
def application() -> Iterator[Application]:
    """Run an application on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            app.arrivals.append(Arrival(self.path, self.headers.get("referer")))
            body = app.pages.get(self.path, "<title>Shop</title><h1>Welcome back</h1>").encode()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    app = Application(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
