"""Retries against a real server that fails, disconnects and stalls: how many, and how long between them."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest

from authfactor import Client
from authfactor.client import (
    AnswerUnreadableError,
    APIConnectionError,
    APITimeoutError,
    NotFoundError,
    RateLimitExceededError,
    ServerError,
)
from authfactor.client.http_transport import ClientIdentity, HttpTransport
from authfactor.client.operations import ApiCall, decoder
from authfactor.client.requester import Requester
from authfactor.client.types import User
from tests.support import http_fault_proxy
from tests.support.server_process import API_KEY, CLIENT_ID, Server, free_port

USER: Final = (
    b'{"object":"user","id":"user_1","email":"kim@example.org","email_verified":true,'
    b'"created_at":"2026-02-03T04:05:06.789Z","updated_at":"2026-02-03T04:05:06.789Z"}'
)
DISCONNECT: Final = 0
Responses = list[tuple[int, dict[str, str], bytes]]


@contextmanager
def answering(responses: Responses) -> Iterator[tuple[str, list[Any]]]:
    """Serve these responses, one per request (status 0 disconnects), and collect the request headers."""
    received: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            received.append(self.headers)
            status, headers, body = responses.pop(0)
            if status == DISCONNECT:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - the base class calls these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's parameter name
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class RecordedSleeps:
    """Records the requested delays without sleeping."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def perform(
    url: str, method: str = "POST", *, timeout_seconds: float = 5, jitter: bytes = b"\x80"
) -> tuple[Any, RecordedSleeps]:
    """Perform one call; `jitter` 0x00 gives the shortest delay, 0xff the longest."""
    sleeps = RecordedSleeps()
    transport = HttpTransport(
        ClientIdentity(url, "sk_x", "client_x"), timeout=timeout_seconds, http_client=None
    )
    requester = Requester(
        transport,
        max_retries=3,
        sleep=sleeps,
        entropy=lambda size: jitter * size if size == 1 else uuid.uuid4().bytes,
    )
    call = ApiCall(method, "/user_management/users", decoder(User), {} if method == "POST" else None)
    try:
        return await requester.perform(call), sleeps
    except Exception as error:  # noqa: BLE001 - returned for inspection
        return error, sleeps
    finally:
        await requester.close()


@pytest.mark.parametrize("status", [DISCONNECT, 408, 429, 500, 502, 503, 504])
async def test_transient_failures_are_retried_with_the_same_idempotency_key(status: int) -> None:
    with answering([(status, {}, b"{}"), (status, {}, b"{}"), (201, {}, USER)]) as (url, received):
        user, sleeps = await perform(url)

    assert user.id == "user_1"
    keys = {headers["idempotency-key"] for headers in received}
    assert len(received) == 3
    assert len(keys) == 1
    assert uuid.UUID(keys.pop()).version == 4
    assert len(sleeps.seconds) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 501])
async def test_permanent_errors_are_not_retried(status: int) -> None:
    with answering([(status, {}, b'{"message":"no"}')]) as (url, received):
        _, sleeps = await perform(url)

    assert len(received) == 1
    assert sleeps.seconds == []


async def test_error_is_raised_after_three_retries() -> None:
    busy = (503, {"x-request-id": "r-1"}, b'{"message":"busy","code":"service_unavailable"}')
    with answering([busy] * 5) as (url, received):
        error, sleeps = await perform(url)

    assert isinstance(error, ServerError)
    assert (error.status, error.code, error.request_id) == (503, "service_unavailable", "r-1")
    assert len(received) == 4
    assert len(sleeps.seconds) == 3


@pytest.mark.parametrize(("jitter", "expected"), [(b"\x00", [0.25, 0.5, 1.0]), (b"\xff", [0.75, 1.5, 3.0])])
async def test_retry_delays_double_with_jitter(jitter: bytes, expected: list[float]) -> None:
    with answering([(503, {}, b"{}")] * 4) as (url, _):
        _, sleeps = await perform(url, jitter=jitter)

    assert sleeps.seconds == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "expected"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:12 GMT", 12.0), ("soon", 0.5)]
)
async def test_retry_after_header_sets_the_delay(
    value: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def now(*_: object) -> str:
        return "Wed, 21 Oct 2026 07:28:00 GMT"

    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", now)
    responses = [(429, {"retry-after": value}, b"{}"), (201, {}, USER)]
    with answering(responses) as (url, _):
        _, sleeps = await perform(url)

    assert sleeps.seconds == pytest.approx([expected], rel=0.01)


async def test_retry_after_over_a_minute_raises_without_a_retry() -> None:
    with answering([(429, {"retry-after": "900"}, b'{"message":"slow down"}')]) as (url, received):
        error, sleeps = await perform(url)

    assert isinstance(error, RateLimitExceededError)
    assert error.retry_after == 900
    assert (len(received), sleeps.seconds) == (1, [])


async def test_refused_connection_raises_a_connection_error() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    error, sleeps = await perform(url)

    assert type(error) is APIConnectionError
    assert url in str(error)
    assert len(sleeps.seconds) == 3


async def test_slow_response_raises_a_timeout_error() -> None:
    released = threading.Event()

    class StallingResponses(list[Any]):
        def pop(self, _index: object = 0) -> tuple[int, dict[str, str], bytes]:
            released.wait(5)
            return (201, {}, USER)

    with answering(StallingResponses()) as (url, _):
        started_at = time.monotonic()
        error, _ = await perform(url, "GET", timeout_seconds=0.1)
        released.set()

    assert isinstance(error, APITimeoutError)
    assert time.monotonic() - started_at < 4


@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"id": 7}', b""])
async def test_unexpected_response_body_raises_an_unreadable_error(body: bytes) -> None:
    with answering([(200, {"x-request-id": "r-2"}, body)]) as (url, _):
        error, _ = await perform(url)

    assert isinstance(error, AnswerUnreadableError)
    assert (error.status, error.request_id) == (200, "r-2")


async def test_html_error_page_raises_the_error_of_its_status() -> None:
    with answering([(404, {}, b"<html>no</html>")]) as (url, _):
        error, _ = await perform(url)

    assert isinstance(error, NotFoundError)
    assert (error.status, error.code, error.errors) == (404, None, ())


def test_delete_with_a_lost_response_succeeds_on_retry(server: Server, email: str) -> None:
    lost_paths: list[str] = []

    def fault(exchange: http_fault_proxy.Exchange) -> None:
        if exchange.method == "DELETE" and not lost_paths:
            lost_paths.append(exchange.path)
            exchange.lost = True

    with (
        http_fault_proxy.spoiling(server.url, fault) as url,
        Client(base_url=url, api_key=API_KEY, client_id=CLIENT_ID) as client,
    ):
        user = client.user_management.create_user(email=email)
        client.user_management.delete_user(user.id)

        assert len(lost_paths) == 1
        with pytest.raises(NotFoundError):
            client.user_management.delete_user(user.id)
