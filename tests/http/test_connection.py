"""HTTP/1.1 on a socket: whole requests, pieces of them, several at once, and what is none."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Final

import httpx
import pytest
from uvicorn.server import ServerState

from authfactor.http1 import connection
from authfactor.http1.connection import MAX_HEADER_BYTES, MAX_PIPELINED, Connection
from authfactor.http1.request_cycle import Message, Receive, Send
from authfactor.http1.response_batching import ResponseBatcher
from tests.support.server_process import API_KEY, Server

PATIENCE: Final = 10
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Stream]]


class Echo:
    """Answers with method, path and body; `/slow` waits to be released, `/deaf` never reads the body."""

    def __init__(self, *, reads_never_suspend: bool) -> None:
        self.reads_never_suspend = reads_never_suspend
        self.release = asyncio.Event()
        self.seen: list[str] = []
        self.broken: list[str] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        self.seen.append(path)
        if path == "/slow":
            await self.release.wait()
        if path == "/fails":
            raise RuntimeError("on purpose")
        if path == "/silent":
            return
        body, more = bytearray(), path != "/deaf"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.broken.append(path)
                break
            body += message["body"]
            more = message["more_body"]
        asked = f"{scope['method']} {scope['raw_path'].decode()}?{scope['query_string'].decode()} "
        text = asked.encode() + body
        if path == "/large":
            text = b"x" * 50_000_000
        headers = [(b"content-length", str(len(text)).encode())]
        if path == "/injected":
            headers.append((b"x-name", b"value\r\nset-cookie: a=b"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else text})


@pytest.fixture(params=[False, True], ids=["tasks", "at once"])
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
    loop, turns = asyncio.get_running_loop(), ResponseBatcher()
    server = await loop.create_server(lambda: Connection(turns, config, state, {}), "127.0.0.1", 0)  # type: ignore[arg-type]  # uvicorn types its own
    host, port = server.sockets[0].getsockname()[:2]
    opened: list[asyncio.StreamWriter] = []

    async def opener() -> Stream:
        reader, writer = await asyncio.open_connection(host, port)
        opened.append(writer)
        return reader, writer

    yield opener
    for writer in opened:
        writer.close()
    server.close()
    await asyncio.sleep(0.05)
    assert state.connections == set()
    assert state.tasks == set()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:-2])
    body = await asyncio.wait_for(reader.readexactly(int(headers.get("content-length", "0"))), PATIENCE)
    return int(head[0].split()[1]), headers, body


async def ended(reader: asyncio.StreamReader) -> bool:
    return await asyncio.wait_for(reader.read(1), PATIENCE) == b""


async def test_requests_follow_each_other_on_one_connection(connect: Connect) -> None:
    reader, writer = await connect()
    for number in range(3):
        writer.write(b"GET /a%%20b/%d?q=%d HTTP/1.1\r\nhost: x\r\n\r\n" % (number, number))
        status, headers, body = await answer(reader)
        assert (status, headers) == (200, {"date": "today", "content-length": str(len(body))})
        assert body == b"GET /a%%20b/%d?q=%d " % (number, number)


async def test_of_requests_that_arrive_together_the_one_comes_first_that_was_answered_longest_ago(
    connect: Connect, echo: Echo
) -> None:
    streams = [await connect() for _ in range(5)]
    order = (2, 0, 4, 1, 3)
    for number in order:
        streams[number][1].write(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % number)
        await answer(streams[number][0])
    for number, (_, writer) in enumerate(streams):
        writer.write(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % number)
    for reader, _ in streams:
        await answer(reader)
    assert echo.seen == [f"/{number}" for number in order] * 2


async def test_a_request_may_come_byte_by_byte(connect: Connect) -> None:
    reader, writer = await connect()
    for byte in b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    assert (await answer(reader))[2] == b"POST /p? hello"


async def test_a_body_in_chunks_is_put_together_and_its_trailers_are_dropped(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"POST /p HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    writer.write(
        b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-trailer: y\r\n\r\nGET /next HTTP/1.1\r\nhost: x\r\n\r\n"
    )
    assert (await answer(reader))[2] == b"POST /p? hello world"
    assert (await answer(reader))[2] == b"GET /next? "


async def test_requests_sent_ahead_are_answered_in_their_order(connect: Connect, echo: Echo) -> None:
    reader, writer = await connect()
    count = MAX_PIPELINED * 3
    writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
    for number in range(count):
        writer.write(b"POST /%d HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n%02d" % (number, number))
    await asyncio.sleep(0.1)
    assert echo.seen == ["/slow"]
    echo.release.set()
    assert (await answer(reader))[2] == b"GET /slow? "
    for number in range(count):
        assert (await answer(reader))[2] == b"POST /%d? %02d" % (number, number)


async def test_a_large_body_waits_in_the_socket_while_nobody_reads_it(connect: Connect, echo: Echo) -> None:
    reader, writer = await connect()
    writer.write(b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 20000000\r\n\r\n")
    sending = asyncio.ensure_future(_send(writer, b"x" * 20_000_000))
    await asyncio.sleep(0.3)
    assert not sending.done(), "all of it was taken before anybody asked"
    echo.release.set()
    assert (await answer(reader))[1]["content-length"] == str(20_000_000 + len("POST /slow? "))
    await sending


async def _send(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(content)
    await writer.drain()


async def test_an_answer_that_the_client_does_not_read_holds_up_only_its_own_connection(
    connect: Connect, echo: Echo
) -> None:
    reader, writer = await connect()
    for _ in range(3):
        writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
    await asyncio.sleep(0.3)
    assert echo.seen.count("/large") < 3, "the next one is begun only when the one before has left"
    other, speaking = await connect()
    speaking.write(b"GET /other HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await answer(other))[2] == b"GET /other? "
    for _ in range(3):
        assert len((await answer(reader))[2]) == 50_000_000


async def test_who_waits_for_a_continue_gets_one_if_the_body_is_wanted(connect: Connect) -> None:
    reader, writer = await connect()
    head = b"POST %s HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"
    writer.write(head % b"/p")
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hello")
    assert (await answer(reader))[2] == b"POST /p? hello"
    writer.write(head % b"/deaf")
    assert (await answer(reader))[2] == b"POST /deaf? "


async def test_a_body_that_nobody_wanted_is_not_the_next_request(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"POST /deaf HTTP/1.1\r\nhost: x\r\ncontent-length: 36\r\n\r\n")
    assert (await answer(reader))[2] == b"POST /deaf? "
    writer.write(b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n ")
    writer.write(b"GET /honest HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await answer(reader))[2] == b"GET /honest? "


async def test_an_answer_to_head_has_the_length_and_no_body(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"HEAD /p HTTP/1.1\r\nhost: x\r\n\r\nGET /q HTTP/1.1\r\nhost: x\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    assert b"content-length: 9\r\n" in head
    assert (await answer(reader))[2] == b"GET /q? "


@pytest.mark.parametrize(
    "request_line",
    [b"GET /p HTTP/1.0\r\nhost: x\r\n\r\n", b"GET /p HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
)
async def test_who_wants_one_answer_only_is_hung_up_on_after_it(
    connect: Connect, request_line: bytes
) -> None:
    reader, writer = await connect()
    writer.write(request_line)
    _, headers, body = await answer(reader)
    assert (headers["connection"], body) == ("close", b"GET /p? ")
    assert await ended(reader)


async def test_an_offer_of_another_protocol_is_not_taken_and_http_goes_on(connect: Connect) -> None:
    reader, writer = await connect()
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"
    writer.write(b"POST /p HTTP/1.1\r\nhost: x\r\n" + offer + b"content-length: 5\r\n\r\nhello")
    assert (await answer(reader))[2] == b"POST /p? hello"
    writer.write(b"GET /q HTTP/1.1\r\nhost: x\r\n" + offer + b"\r\nGET /r HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await answer(reader))[2] == b"GET /q? "
    assert (await answer(reader))[2] == b"GET /r? "
    writer.write(b"POST /s HTTP/1.1\r\nhost: x\r\n" + offer + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n")
    assert (await answer(reader))[0] == 400
    assert await ended(reader)


@pytest.mark.parametrize(
    "nonsense",
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
async def test_what_is_no_http_is_refused_and_hung_up_on(
    connect: Connect, echo: Echo, nonsense: bytes
) -> None:
    reader, writer = await connect()
    writer.write(nonsense + b"GET /after HTTP/1.1\r\nhost: x\r\n\r\n")
    status, headers, body = await answer(reader)
    assert (status, headers["connection"]) == (400, "close")
    assert b'"code":"bad_request"' in body
    assert await ended(reader)
    assert echo.seen == []


async def test_nonsense_after_requests_does_not_cost_them_their_answers(connect: Connect, echo: Echo) -> None:
    reader, writer = await connect()
    writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\nGET /b HTTP/1.1\r\nhost: x\r\n\r\n")
    await asyncio.sleep(0.1)
    writer.write(b"nonsense\r\n\r\n")
    await asyncio.sleep(0.1)
    echo.release.set()
    assert (await answer(reader))[2] == b"GET /slow? "
    _, headers, body = await answer(reader)
    assert (headers["connection"], body) == ("close", b"GET /b? ")
    assert await ended(reader)


async def test_a_body_that_breaks_off_is_never_taken_for_a_whole_one(connect: Connect, echo: Echo) -> None:
    reader, writer = await connect()
    writer.write(b"POST /chunks HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    await asyncio.sleep(0.05)
    writer.write(b"nonsense\r\n")
    assert (await answer(reader))[1]["connection"] == "close"
    _, writer = await connect()
    writer.write(b"POST /closed HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n")
    await asyncio.sleep(0.05)
    writer.close()
    await asyncio.sleep(0.1)
    assert echo.broken == ["/chunks", "/closed"]


@pytest.mark.parametrize("size", [1000, 60_000])
async def test_headers_have_a_limit(connect: Connect, echo: Echo, size: int) -> None:
    reader, writer = await connect()
    writer.write(b"GET /p HTTP/1.1\r\nhost: x\r\n")
    sent = 0
    while sent <= MAX_HEADER_BYTES:
        writer.write(b"x-%d: %s\r\n" % (sent, b"y" * size))
        sent += size
        await asyncio.sleep(0.001)
    status, headers, body = await answer(reader)
    assert (status, headers["connection"]) == (431, "close")
    assert b'"code":"headers_too_large"' in body
    assert await ended(reader)
    assert echo.seen == []


@pytest.mark.parametrize("path", [b"/fails", b"/silent", b"/injected"])
async def test_a_fault_of_the_application_is_a_500_and_the_end(connect: Connect, path: bytes) -> None:
    reader, writer = await connect()
    writer.write(b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % path)
    status, headers, _ = await answer(reader)
    assert (status, headers) == (500, {"date": "today", "content-length": "0", "connection": "close"})
    assert await ended(reader)


class TestPatience:
    """How long a connection may be quiet."""

    @pytest.fixture
    def keep_alive(self, monkeypatch: pytest.MonkeyPatch) -> float:
        monkeypatch.setattr(connection, "REQUEST_TIMEOUT_SECONDS", 0.6)
        return 0.2

    async def test_a_connection_that_is_not_used_any_more_is_closed(
        self, connect: Connect, echo: Echo
    ) -> None:
        reader, writer = await connect()
        writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0.5)
        echo.release.set()  # an answer may take longer than anybody may be quiet
        assert (await answer(reader))[2] == b"GET /slow? "
        began = asyncio.get_running_loop().time()
        assert await ended(reader)
        assert asyncio.get_running_loop().time() - began > 0.1

    @pytest.mark.parametrize(
        "start", [b"", b"GET /p", b"POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhell"]
    )
    async def test_a_request_that_takes_for_ever_to_arrive_is_given_up(
        self, connect: Connect, start: bytes
    ) -> None:
        reader, writer = await connect()
        writer.write(start)
        for _ in range(3):
            await asyncio.sleep(0.1)
            writer.write(b"x" if start else b"")
        await asyncio.sleep(0.2)
        assert not reader.at_eof()
        assert await ended(reader)


def test_a_body_that_ends_early_is_not_taken_for_an_empty_one(server: Server, api: httpx.Client) -> None:
    user = api.post("/user_management/users", json={"email": "early@example.org"}).json()["id"]
    made = api.post(f"/user_management/users/{user}/auth_factors", json={"type": "totp"}).json()
    path = f"/auth/factors/{made['authentication_factor']['id']}/challenge"
    lines = (
        f"POST {path} HTTP/1.1",
        f"authorization: Bearer {API_KEY}",
        "transfer-encoding: chunked",
        "",
        "",
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connected:
        connected.sendall("\r\n".join(lines).encode())
        time.sleep(0.2)
        connected.sendall(b"no chunk\r\n")
        received = b"".join(iter(lambda: connected.recv(4096), b""))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"invalid_json"' in received
