"""HTTP/1.1 on a socket: whole, partial, pipelined and invalid requests, limits and timeouts."""

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Final

import httpx
import pytest
from uvicorn.server import ServerState

from authfactor.http1 import connection
from authfactor.http1.connection import MAX_PIPELINED, Connection
from authfactor.http1.connection_limits import ConnectionLimits
from authfactor.http1.request_cycle import Message, Receive, RequestCycle, Send
from authfactor.http1.request_parser import MAX_HEADER_BYTES
from authfactor.http1.response_batching import ResponseBatcher
from tests.support.server_process import API_KEY, Server

TIMEOUT_SECONDS: Final = 10
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Stream]]


class Echo:
    """Respond with method, path and body; `/slow` waits for `release`, `/unread` never reads the body."""

    def __init__(self, *, reads_never_suspend: bool) -> None:
        self.reads_never_suspend = reads_never_suspend
        self.release = asyncio.Event()
        self.requested_paths: list[str] = []
        self.disconnected: list[str] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        self.requested_paths.append(path)
        if path == "/slow":
            await self.release.wait()
        if path == "/fails":
            raise RuntimeError("on purpose")
        if path == "/silent":
            return
        body, more_body = bytearray(), path != "/unread"
        while more_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected.append(path)
                break
            body += message["body"]
            more_body = message["more_body"]
        request_summary = f"{scope['method']} {scope['raw_path'].decode()}?{scope['query_string'].decode()} "
        text = request_summary.encode() + body
        if path == "/large":
            text = b"x" * 50_000_000
        headers = [(b"content-length", str(len(text)).encode())]
        if path == "/injected":
            headers.append((b"x-name", b"value\r\nset-cookie: a=b"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else text})


@pytest.fixture(params=[False, True], ids=["tasks", "eager"])
def echo(request: pytest.FixtureRequest) -> Echo:
    return Echo(reads_never_suspend=request.param)


@pytest.fixture
def keep_alive() -> float:
    return 30


@pytest.fixture
async def connect(echo: Echo, keep_alive: float) -> AsyncIterator[Connect]:
    config = SimpleNamespace(loaded_app=echo, timeout_keep_alive=keep_alive)
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    loop, batcher = asyncio.get_running_loop(), ResponseBatcher()
    limits = ConnectionLimits(max_connections=100, write_timeout=30)
    server = await loop.create_server(lambda: Connection(batcher, limits, config, state, {}), "127.0.0.1", 0)  # type: ignore[arg-type]  # a partial Config
    host, port = server.sockets[0].getsockname()[:2]
    writers: list[asyncio.StreamWriter] = []

    async def open_connection() -> Stream:
        reader, writer = await asyncio.open_connection(host, port)
        writers.append(writer)
        return reader, writer

    yield open_connection
    for writer in writers:
        writer.close()
    server.close()
    await asyncio.sleep(0.05)
    assert state.connections == set()
    assert state.tasks == set()


async def read_response(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:-2])
    body = await asyncio.wait_for(
        reader.readexactly(int(headers.get("content-length", "0"))), TIMEOUT_SECONDS
    )
    return int(head[0].split()[1]), headers, body


async def at_end(reader: asyncio.StreamReader) -> bool:
    return await asyncio.wait_for(reader.read(1), TIMEOUT_SECONDS) == b""


async def test_keep_alive_connection_serves_consecutive_requests(connect: Connect) -> None:
    reader, writer = await connect()
    for number in range(3):
        writer.write(b"GET /a%%20b/%d?q=%d HTTP/1.1\r\nhost: x\r\n\r\n" % (number, number))
        status, headers, body = await read_response(reader)
        assert (status, headers) == (200, {"date": "today", "content-length": str(len(body))})
        assert body == b"GET /a%%20b/%d?q=%d " % (number, number)


async def test_simultaneous_requests_start_least_recently_served_first(connect: Connect, echo: Echo) -> None:
    streams = [await connect() for _ in range(5)]
    order = (2, 0, 4, 1, 3)
    for number in order:
        streams[number][1].write(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % number)
        await read_response(streams[number][0])
    for number, (_, writer) in enumerate(streams):
        writer.write(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % number)
    for reader, _ in streams:
        await read_response(reader)
    assert echo.requested_paths == [f"/{number}" for number in order] * 2


async def test_request_sent_byte_by_byte_is_parsed(connect: Connect) -> None:
    reader, writer = await connect()
    for byte in b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    assert (await read_response(reader))[2] == b"POST /p? hello"


async def test_chunked_body_is_joined_and_its_trailers_are_dropped(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"POST /p HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    writer.write(
        b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-trailer: y\r\n\r\nGET /next HTTP/1.1\r\nhost: x\r\n\r\n"
    )
    assert (await read_response(reader))[2] == b"POST /p? hello world"
    assert (await read_response(reader))[2] == b"GET /next? "


async def test_pipelined_requests_are_answered_in_order(connect: Connect, echo: Echo) -> None:
    reader, writer = await connect()
    count = MAX_PIPELINED * 3
    writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
    for number in range(count):
        writer.write(b"POST /%d HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n%02d" % (number, number))
    await asyncio.sleep(0.1)
    assert echo.requested_paths == ["/slow"]
    echo.release.set()
    assert (await read_response(reader))[2] == b"GET /slow? "
    for number in range(count):
        assert (await read_response(reader))[2] == b"POST /%d? %02d" % (number, number)


async def test_requests_beyond_eight_waiting_are_not_parsed(connect: Connect, echo: Echo) -> None:
    reader, writer = await connect()
    writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n" + b"GET /p HTTP/1.1\r\nhost: x\r\n\r\n" * 100)
    await asyncio.sleep(0.1)
    unanswered = [
        each for each in gc.get_objects() if isinstance(each, RequestCycle) and not each.response_complete
    ]
    assert len(unanswered) == 1 + MAX_PIPELINED
    del unanswered
    echo.release.set()
    for _ in range(101):
        assert (await read_response(reader))[0] == 200


async def test_pipelined_input_beyond_64_kib_is_neither_held_nor_answered(
    connect: Connect, echo: Echo
) -> None:
    reader, writer = await connect()
    writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n" + b"GET /p HTTP/1.1\r\nhost: x\r\n\r\n" * 5000)
    await asyncio.sleep(0.1)
    echo.release.set()
    responses = [await read_response(reader) for _ in range(1 + MAX_PIPELINED)]
    assert [headers.get("connection") for _, headers, _ in responses] == [None] * MAX_PIPELINED + ["close"]
    assert await at_end(reader)


async def test_pipelined_bodies_are_not_parsed_beyond_64_kib(connect: Connect, echo: Echo) -> None:
    reader, writer = await connect()
    writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
    await asyncio.sleep(0.05)
    request = b"POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 30000\r\n\r\n" + b"x" * 30_000
    writer.write(request * 4)
    await asyncio.sleep(0.1)
    waiting = [
        each for each in gc.get_objects() if isinstance(each, RequestCycle) and not each.response_complete
    ]
    assert len(waiting) < 1 + 4
    del waiting
    echo.release.set()
    for _ in range(5):
        assert (await read_response(reader))[0] == 200


async def test_unread_request_body_applies_backpressure(connect: Connect, echo: Echo) -> None:
    reader, writer = await connect()
    writer.write(b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 20000000\r\n\r\n")
    sending = asyncio.ensure_future(_send(writer, b"x" * 20_000_000))
    await asyncio.sleep(0.3)
    assert not sending.done(), "the whole body was read before the application asked for it"
    echo.release.set()
    assert (await read_response(reader))[1]["content-length"] == str(20_000_000 + len("POST /slow? "))
    await sending


async def _send(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(content)
    await writer.drain()


async def test_client_that_does_not_read_blocks_only_its_own_connection(connect: Connect, echo: Echo) -> None:
    reader, writer = await connect()
    for _ in range(3):
        writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
    await asyncio.sleep(0.3)
    assert echo.requested_paths.count("/large") < 3, (
        "a request starts only when the previous response has been written"
    )
    other_reader, other_writer = await connect()
    other_writer.write(b"GET /other HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await read_response(other_reader))[2] == b"GET /other? "
    for _ in range(3):
        assert len((await read_response(reader))[2]) == 50_000_000


async def test_100_continue_is_sent_only_if_the_body_is_read(connect: Connect) -> None:
    reader, writer = await connect()
    head = b"POST %s HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"
    writer.write(head % b"/p")
    assert (
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)
        == b"HTTP/1.1 100 Continue\r\n\r\n"
    )
    writer.write(b"hello")
    assert (await read_response(reader))[2] == b"POST /p? hello"
    writer.write(head % b"/unread")
    assert (await read_response(reader))[2] == b"POST /unread? "


async def test_unread_body_is_not_parsed_as_the_next_request(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 36\r\n\r\n")
    assert (await read_response(reader))[2] == b"POST /unread? "
    writer.write(b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n ")
    writer.write(b"GET /honest HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await read_response(reader))[2] == b"GET /honest? "


async def test_head_response_has_a_length_and_no_body(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"HEAD /p HTTP/1.1\r\nhost: x\r\n\r\nGET /q HTTP/1.1\r\nhost: x\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)
    assert b"content-length: 9\r\n" in head
    assert (await read_response(reader))[2] == b"GET /q? "


@pytest.mark.parametrize(
    "request_line",
    [b"GET /p HTTP/1.0\r\nhost: x\r\n\r\n", b"GET /p HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
)
async def test_response_to_a_non_persistent_request_closes_the_connection(
    connect: Connect, request_line: bytes
) -> None:
    reader, writer = await connect()
    writer.write(request_line)
    _, headers, body = await read_response(reader)
    assert (headers["connection"], body) == ("close", b"GET /p? ")
    assert await at_end(reader)


async def test_protocol_upgrade_is_ignored(connect: Connect) -> None:
    reader, writer = await connect()
    upgrade = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"
    writer.write(b"POST /p HTTP/1.1\r\nhost: x\r\n" + upgrade + b"content-length: 5\r\n\r\nhello")
    assert (await read_response(reader))[2] == b"POST /p? hello"
    writer.write(b"GET /q HTTP/1.1\r\nhost: x\r\n" + upgrade + b"\r\nGET /r HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await read_response(reader))[2] == b"GET /q? "
    assert (await read_response(reader))[2] == b"GET /r? "
    writer.write(
        b"POST /s HTTP/1.1\r\nhost: x\r\n" + upgrade + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    assert (await read_response(reader))[0] == 400
    assert await at_end(reader)


@pytest.mark.parametrize(
    "invalid",
    [
        b"nonsense\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET /p HTTP/1.1\r\nhost : x\r\n\r\n",
        b"GET /p HTTP/1.1\r\nhost: x\r\n folded\r\n\r\n",
        b"POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: +5\r\n\r\nhello",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_invalid_http_gets_400_and_closes_the_connection(
    connect: Connect, echo: Echo, invalid: bytes
) -> None:
    reader, writer = await connect()
    writer.write(invalid + b"GET /after HTTP/1.1\r\nhost: x\r\n\r\n")
    status, headers, body = await read_response(reader)
    assert (status, headers["connection"]) == (400, "close")
    assert b'"code":"bad_request"' in body
    assert await at_end(reader)
    assert echo.requested_paths == []


async def test_pipelined_requests_before_invalid_data_are_answered(connect: Connect, echo: Echo) -> None:
    reader, writer = await connect()
    writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\nGET /b HTTP/1.1\r\nhost: x\r\n\r\n")
    await asyncio.sleep(0.1)
    writer.write(b"nonsense\r\n\r\n")
    await asyncio.sleep(0.1)
    echo.release.set()
    assert (await read_response(reader))[2] == b"GET /slow? "
    _, headers, body = await read_response(reader)
    assert (headers["connection"], body) == ("close", b"GET /b? ")
    assert await at_end(reader)


async def test_truncated_body_is_reported_as_a_disconnect(connect: Connect, echo: Echo) -> None:
    reader, writer = await connect()
    writer.write(b"POST /chunks HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    await asyncio.sleep(0.05)
    writer.write(b"nonsense\r\n")
    assert (await read_response(reader))[1]["connection"] == "close"
    _, writer = await connect()
    writer.write(b"POST /closed HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n")
    await asyncio.sleep(0.05)
    writer.close()
    await asyncio.sleep(0.1)
    assert echo.disconnected == ["/chunks", "/closed"]


@pytest.mark.parametrize("size", [1000, 60_000])
async def test_oversized_headers_are_refused(connect: Connect, echo: Echo, size: int) -> None:
    reader, writer = await connect()
    writer.write(b"GET /p HTTP/1.1\r\nhost: x\r\n")
    sent = 0
    while sent <= MAX_HEADER_BYTES:
        writer.write(b"x-%d: %s\r\n" % (sent, b"y" * size))
        sent += size
        await asyncio.sleep(0.001)
    status, headers, body = await read_response(reader)
    assert (status, headers["connection"]) == (431, "close")
    assert b'"code":"headers_too_large"' in body
    assert await at_end(reader)
    assert echo.requested_paths == []


@pytest.mark.parametrize("path", [b"/fails", b"/silent", b"/injected"])
async def test_application_error_responds_500_and_disconnects(connect: Connect, path: bytes) -> None:
    reader, writer = await connect()
    writer.write(b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % path)
    status, headers, _ = await read_response(reader)
    assert (status, headers) == (500, {"date": "today", "content-length": "0", "connection": "close"})
    assert await at_end(reader)


class TestTimeouts:
    """Timeouts of idle and slow connections."""

    @pytest.fixture
    def keep_alive(self, monkeypatch: pytest.MonkeyPatch) -> float:
        monkeypatch.setattr(connection, "REQUEST_TIMEOUT_SECONDS", 0.6)
        return 0.2

    async def test_idle_connection_is_closed_after_the_keep_alive_timeout(
        self, connect: Connect, echo: Echo
    ) -> None:
        reader, writer = await connect()
        writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0.5)
        echo.release.set()  # a response may take longer than the keep-alive timeout
        assert (await read_response(reader))[2] == b"GET /slow? "
        started_at = asyncio.get_running_loop().time()
        assert await at_end(reader)
        assert asyncio.get_running_loop().time() - started_at > 0.1

    @pytest.mark.parametrize(
        "start", [b"", b"GET /p", b"POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhell"]
    )
    async def test_request_that_arrives_too_slowly_is_dropped(self, connect: Connect, start: bytes) -> None:
        reader, writer = await connect()
        writer.write(start)
        for _ in range(3):
            await asyncio.sleep(0.1)
            writer.write(b"x" if start else b"")
        await asyncio.sleep(0.2)
        assert not reader.at_eof()
        assert await at_end(reader)


def test_broken_chunked_body_is_not_taken_for_an_empty_one(server: Server, api: httpx.Client) -> None:
    user_id = api.post("/user_management/users", json={"email": "early@example.org"}).json()["id"]
    enrolled = api.post(f"/user_management/users/{user_id}/auth_factors", json={"type": "totp"}).json()
    path = f"/auth/factors/{enrolled['authentication_factor']['id']}/challenge"
    lines = (
        f"POST {path} HTTP/1.1",
        "host: x",
        f"authorization: Bearer {API_KEY}",
        "transfer-encoding: chunked",
        "",
        "",
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_SECONDS) as client:
        client.sendall("\r\n".join(lines).encode())
        time.sleep(0.2)
        client.sendall(b"no chunk\r\n")
        received = b"".join(iter(lambda: client.recv(4096), b""))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"invalid_json"' in received
