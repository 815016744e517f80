"""A webhook receiver of the programs' own, on loopback, and the endpoint that sends to it."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import NamedTuple

import steps


class Letter(NamedTuple):
    """One delivery as it came in: body and signature, untouched."""

    body: bytes
    signature: str


class Inbox(NamedTuple):
    """Where deliveries wait, and the secret that they are signed with."""

    letters: "queue.Queue[Letter]"
    secret: str

    def next(self) -> Letter:
        return self.letters.get(timeout=steps.PATIENCE)


@contextmanager
def subscribed(*events: str) -> Iterator[Inbox]:
    """Subscribe to events for the length of the block."""
    letters: queue.Queue[Letter] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            letters.put(Letter(body, self.headers["WorkOS-Signature"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{receiver.server_port}/"
        endpoint = steps.call("POST", "/webhook_endpoints", {"endpoint_url": url, "events": events})
        try:
            yield Inbox(letters, str(endpoint["secret"]))
        finally:
            steps.call("DELETE", f"/webhook_endpoints/{endpoint['id']}")
            receiver.shutdown()
