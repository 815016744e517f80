"""A proxy between an SDK and authfactor that corrupts or loses responses."""

import http.client
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

Json: TypeAlias = Any  # a value out of a JSON document

HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(slots=True)
class Exchange:
    """One request and its response; a fault changes the response."""

    method: str
    path: str
    sent: bytes
    status: int
    headers: dict[str, str]
    body: bytes
    lost: bool = False

    @property
    def answer(self) -> Json:
        """The JSON document in the body, or nothing."""
        return json.loads(self.body) if self.body else None

    @answer.setter
    def answer(self, found: object) -> None:
        self.body = json.dumps(found).encode()


Fault = Callable[[Exchange], None]


def without_fault(exchange: Exchange) -> None:
    """Change nothing."""


def without_expiry(exchange: Exchange) -> None:
    """Drop `expires_at` from every challenge."""

    def stripped(found: Json) -> Json:
        if isinstance(found, dict):
            removed = "expires_at" if found.get("object") == "authentication_challenge" else ""
            return {name: stripped(value) for name, value in found.items() if name != removed}
        return found

    if exchange.body:
        exchange.answer = stripped(exchange.answer)


def bare_factor(exchange: Exchange) -> None:
    """Reduce the response to an enrollment to the factor."""
    if exchange.method == "POST" and exchange.path.endswith("/auth_factors") and exchange.status == 201:
        exchange.answer = exchange.answer["authentication_factor"]


def errors_as_strings(exchange: Exchange) -> None:
    """Replace the items of `errors` by strings."""
    found = exchange.answer
    if exchange.status == 422 and "errors" in found:
        exchange.answer = {**found, "errors": [item["message"] for item in found["errors"]]}


def empty_body_labeled_json(exchange: Exchange) -> None:
    """Label an empty body as JSON."""
    if not exchange.body:
        exchange.headers["content-type"] = "application/json; charset=utf-8"


def replay_allowed() -> Fault:
    """Accept a code again that was accepted before."""
    accepted: set[str] = set()

    def fault(exchange: Exchange) -> None:
        if not exchange.path.endswith("/verify") or exchange.status != 201:
            return
        code = json.loads(exchange.sent)["code"]
        if exchange.answer["valid"]:
            accepted.add(code)
        elif code in accepted:
            exchange.answer = {**exchange.answer, "valid": True}

    return fault


class LostResponses:
    """Close the connection instead of responding to one POST in ten of each kind, after it was processed.

    Which one of each ten is random; the seed makes a run repeatable.
    """

    OF: Final = 10

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._seen: dict[str, int] = {}
        self._chosen: dict[str, int] = {}
        self.lost: Counter[str] = Counter()

    def __call__(self, exchange: Exchange) -> None:
        if exchange.method != "POST":
            return
        kind = re.sub(r"/[a-z_]+_[0-9A-Z]{26}", "/…", exchange.path)
        with self._lock:
            number = self._seen.get(kind, 0)
            self._seen[kind] = number + 1
            if number % self.OF == 0:
                self._chosen[kind] = number + self._random.randrange(self.OF)
            exchange.lost = number == self._chosen[kind]
            self.lost[kind] += exchange.lost


@contextmanager
def spoiling(url: str, fault: Fault) -> Iterator[str]:
    """Listen on a free port, forward every request to `url`, and apply the fault to its response."""
    upstream = urlsplit(url).netloc

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            connection = http.client.HTTPConnection(upstream, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            connection.request(self.command, self.path, sent, headers)
            answer = connection.getresponse()
            exchange = Exchange(
                self.command,
                self.path.partition("?")[0],
                sent,
                answer.status,
                {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP},
                answer.read(),
            )
            connection.close()
            fault(exchange)
            if exchange.lost:
                self.close_connection = True
                return
            self.send_response(exchange.status)
            for name, value in exchange.headers.items():
                self.send_header(name, value)
            if exchange.status != 204:
                self.send_header("content-length", str(len(exchange.body)))
            self.end_headers()
            self.wfile.write(exchange.body)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - the base class looks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
