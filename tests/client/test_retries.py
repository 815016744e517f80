"""Retries against a real server that fails, hangs up and stalls: as often and as late as promised."""

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
from authfactor.client.http_transport import HttpTransport, Identity
from authfactor.client.operations import ApiCall, decoder
from authfactor.client.requester import Requester
from authfactor.client.types import User
from tests.support import http_fault_proxy
from tests.support.server_process import API_KEY, CLIENT_ID, Server, free_port

USER: Final = (
    b'{"object":"user","id":"user_1","email":"kim@example.org","email_verified":true,'
    b'"created_at":"2026-02-03T04:05:06.789Z","updated_at":"2026-02-03T04:05:06.789Z"}'
)
HANG_UP: Final = 0
Answers = list[tuple[int, dict[str, str], bytes]]


@contextmanager
def answering(answers: Answers) -> Iterator[tuple[str, list[Any]]]:
    """Give these answers, one a request; status 0 hangs up. Collects the headers that came."""
    came: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            came.append(self.headers)
            status, headers, body = answers.pop(0)
            if status == HANG_UP:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - the base class looks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Waits:
    """Remembers how long somebody wanted to sleep, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def perform(
    url: str, method: str = "POST", *, patience: float = 5, chance: bytes = b"\x80"
) -> tuple[Any, Waits]:
    """Perform one call; `chance` 0x00 is the shortest wait, 0xff the longest."""
    waits = Waits()
    transport = HttpTransport(Identity(url, "sk_x", "client_x"), timeout=patience, http_client=None)
    performing = Requester(
        transport,
        max_retries=3,
        sleep=waits,
        entropy=lambda size: chance * size if size == 1 else uuid.uuid4().bytes,
    )
    call = ApiCall(method, "/user_management/users", decoder(User), {} if method == "POST" else None)
    try:
        return await performing.perform(call), waits
    except Exception as error:  # noqa: BLE001 - returned for a look
        return error, waits
    finally:
        await performing.close()


@pytest.mark.parametrize("status", [HANG_UP, 408, 429, 500, 502, 503, 504])
async def test_a_failure_that_may_pass_is_tried_again_with_the_same_key(status: int) -> None:
    with answering([(status, {}, b"{}"), (status, {}, b"{}"), (201, {}, USER)]) as (url, came):
        user, waits = await perform(url)

    assert user.id == "user_1"
    keys = {headers["idempotency-key"] for headers in came}
    assert len(came) == 3
    assert len(keys) == 1
    assert uuid.UUID(keys.pop()).version == 4
    assert len(waits.seconds) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 501])
async def test_a_refusal_is_final(status: int) -> None:
    with answering([(status, {}, b'{"message":"no"}')]) as (url, came):
        _, waits = await perform(url)

    assert len(came) == 1
    assert waits.seconds == []


async def test_after_three_retries_the_failure_is_raised() -> None:
    with answering(
        [(503, {"x-request-id": "r-1"}, b'{"message":"busy","code":"service_unavailable"}')] * 5
    ) as (
        url,
        came,
    ):
        error, waits = await perform(url)

    assert isinstance(error, ServerError)
    assert (error.status, error.code, error.request_id) == (503, "service_unavailable", "r-1")
    assert len(came) == 4
    assert len(waits.seconds) == 3


@pytest.mark.parametrize(("chance", "expected"), [(b"\x00", [0.25, 0.5, 1.0]), (b"\xff", [0.75, 1.5, 3.0])])
async def test_waits_double_and_are_spread(chance: bytes, expected: list[float]) -> None:
    with answering([(503, {}, b"{}")] * 4) as (url, _):
        _, waits = await perform(url, chance=chance)

    assert waits.seconds == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "expected"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:12 GMT", 12.0), ("soon", 0.5)]
)
async def test_retry_after_is_waited_for(
    value: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def now(*_: object) -> str:
        return "Wed, 21 Oct 2026 07:28:00 GMT"

    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", now)
    answers = [(429, {"retry-after": value}, b"{}"), (201, {}, USER)]
    with answering(answers) as (url, _):
        _, waits = await perform(url)

    assert waits.seconds == pytest.approx([expected], rel=0.01)


async def test_a_retry_after_of_more_than_a_minute_is_the_callers_business() -> None:
    with answering([(429, {"retry-after": "900"}, b'{"message":"slow down"}')]) as (url, came):
        error, waits = await perform(url)

    assert isinstance(error, RateLimitExceededError)
    assert error.retry_after == 900
    assert (len(came), waits.seconds) == (1, [])


async def test_nobody_there_is_a_connection_error() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    error, waits = await perform(url)

    assert type(error) is APIConnectionError
    assert url in str(error)
    assert len(waits.seconds) == 3


async def test_no_answer_in_time_is_a_timeout() -> None:
    event = threading.Event()

    class Stalling(list[Any]):
        def pop(self, _at: object = 0) -> tuple[int, dict[str, str], bytes]:
            event.wait(5)
            return (201, {}, USER)

    with answering(Stalling()) as (url, _):
        began = time.monotonic()
        error, _ = await perform(url, "GET", patience=0.1)
        event.set()

    assert isinstance(error, APITimeoutError)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"id": 7}', b""])
async def test_an_answer_of_somebody_else_is_unreadable(body: bytes) -> None:
    with answering([(200, {"x-request-id": "r-2"}, body)]) as (url, _):
        error, _ = await perform(url)

    assert isinstance(error, AnswerUnreadableError)
    assert (error.status, error.request_id) == (200, "r-2")


async def test_a_page_instead_of_an_error_is_still_an_error_of_its_status() -> None:
    with answering([(404, {}, b"<html>no</html>")]) as (url, _):
        error, _ = await perform(url)

    assert isinstance(error, NotFoundError)
    assert (error.status, error.code, error.errors) == (404, None, ())


def test_a_delete_whose_answer_was_lost_has_deleted(server: Server, email: str) -> None:
    lost: list[str] = []

    def fault(exchange: http_fault_proxy.Exchange) -> None:
        if exchange.method == "DELETE" and not lost:
            lost.append(exchange.path)
            exchange.lost = True

    with (
        http_fault_proxy.spoiling(server.url, fault) as url,
        Client(base_url=url, api_key=API_KEY, client_id=CLIENT_ID) as client,
    ):
        user = client.user_management.create_user(email=email)
        client.user_management.delete_user(user.id)

        assert len(lost) == 1
        with pytest.raises(NotFoundError):
            client.user_management.delete_user(user.id)
