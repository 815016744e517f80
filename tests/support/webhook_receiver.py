"""A webhook receiver on loopback that records requests and sends configured responses."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Received(NamedTuple):
    """A received request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event = json.loads(self.body)
        assert isinstance(event, dict)
        return event

    @property
    def user_id(self) -> str:
        data = self.event["data"]
        return str(data["id"] if data["object"] == "user" else data["user_id"])


class Receiver:
    """Responds with `status` and `headers`, while `gate` is set; otherwise requests wait."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hooks?from=authfactor"
        self.port = port
        self.status = 200
        self.headers: dict[str, str] = {}
        self.answer = b""
        self.gate = threading.Event()
        self.gate.set()
        self.received: list[Received] = []
        self.waiting = 0

    @property
    def names(self) -> list[str]:
        return [item.event["event"] for item in self.received]

    @property
    def ids(self) -> list[str]:
        return [item.event["id"] for item in self.received]

    def ids_by_user(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for item in self.received:
            found.setdefault(item.user_id, []).append(item.event["id"])
        return found


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Listen during the block, on a free port or, to restart an earlier receiver, on its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.status
            receiver.received.append(Received(self.path, headers, body))
            receiver.waiting += 1
            receiver.gate.wait(30)
            receiver.waiting -= 1
            try:
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


def verified_time(received: Received, secret: str) -> int:
    """Check the signature like SDKs, implemented independently; return its time in milliseconds."""
    stamp, signature = received.headers["workos-signature"].split(", ")
    assert stamp.startswith("t=")
    assert signature.startswith("v1=")
    signed = stamp.removeprefix("t=") + "." + received.body.decode()
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signature.removeprefix("v1="), expected)
    return int(stamp.removeprefix("t="))
