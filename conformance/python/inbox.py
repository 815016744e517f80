"""A webhook receiver of the programs' own, on loopback, and the endpoint that sends to it."""

import json
import queue
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final, NamedTuple

import steps

PATIENCE: Final = 20


class Letter(NamedTuple):
    """One delivery as it came in: body and signature, untouched."""

    body: bytes
    signature: str


class Inbox(NamedTuple):
    """Where deliveries wait, and the secret that they are signed with."""

    letters: "queue.Queue[Letter]"
    secret: str

    def next(self) -> Letter:
        return self.letters.get(timeout=PATIENCE)


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
        endpoint = _call("POST", "/webhook_endpoints", {"endpoint_url": url, "events": events})
        try:
            yield Inbox(letters, str(endpoint["secret"]))
        finally:
            _call("DELETE", f"/webhook_endpoints/{endpoint['id']}", None)
            receiver.shutdown()


def _call(method: str, path: str, body: object) -> dict[str, object]:
    request = urllib.request.Request(
        steps.BASE_URL.rstrip("/") + path,
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {steps.API_KEY}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        text = answer.read()
    return dict(json.loads(text)) if text else {}
