"""What a stranger can make the server hold or wait for, in bytes and in time, against a real server."""

import re
import resource
import select
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from authfactor.server import listening_sockets
from tests.support.raw_http import SMALL_BUFFER, RawConnection, statuses
from tests.support.server_process import API_KEY, Server, free_port, running

HOST: Final = b"host: x\r\n"
KEY: Final = f"authorization: Bearer {API_KEY}\r\n".encode()
USERS: Final = b"POST /user_management/users HTTP/1.1\r\n" + HOST
CHUNKED: Final = USERS + KEY + b"transfer-encoding: chunked\r\n\r\n"
HEALTH: Final = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
# Larger than half of what the kernel buffers for one connection.
LARGE: Final = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
# Less than the service's own 60 s for a request, and more than a busy machine needs for anything.
SOON_SECONDS: Final = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"AUTHFACTOR_WRITE_TIMEOUT": "2", "AUTHFACTOR_METRICS_PORT": str(free_port())}
    with running(tmp_path_factory.mktemp("limits") / "data", settings) as made:
        yield made


@pytest.fixture
def connection(server: Server) -> Iterator[RawConnection]:
    with RawConnection(server.port) as made:
        yield made


def new_body() -> bytes:
    return b'{"email":"%s@example.org"}' % uuid.uuid4().hex.encode()


def one_byte_chunks(content: bytes) -> bytes:
    return b"".join(b"1\r\n%c\r\n" % byte for byte in content)


def closed_for(server: Server, reason: str) -> int:
    """Return how many connections the server says that it has closed for a reason."""
    with RawConnection(int(server.setting("AUTHFACTOR_METRICS_PORT"))) as metrics:
        metrics.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        found = re.search(rb'connections_closed_total\{reason="%s"\} (\d+)' % reason.encode(), metrics.rest())
    assert found is not None
    return int(found[1])


def resident_mebibytes(server: Server) -> float:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def fill(connection: RawConnection, *, last: bytes = LARGE) -> None:
    """Ask for more than the kernel buffers, without reading."""
    connection.send(LARGE * 7 + last)


# --- bytes of a request that are not its body ---


@pytest.mark.parametrize(
    "excess",
    [
        b"0\r\nx-trailer: " + b"y" * 150_000,
        b"0\r\n" + b"a:b\r\n" * 2_000,
        b"1;" + b"e" * 150_000,
        one_byte_chunks(b" " * 3_000),
    ],
    ids=["a-long-trailer", "small-trailers", "a-long-extension", "one-byte-chunks"],
)
def test_chunk_framing_and_trailers_beyond_their_budget_are_refused(
    connection: RawConnection, excess: bytes
) -> None:
    content = new_body()
    connection.send(CHUNKED + b"%x\r\n%s\r\n" % (len(content), content))
    connection.try_to_send(excess)
    response = connection.response()
    assert (response.status, response.closes) == (400, True)
    assert "chunks" in response.json["message"]
    assert connection.at_end()


@pytest.mark.parametrize(
    "end",
    [b"0\r\nx-trailer: " + b"y" * 10_000 + b"\r\n\r\n", one_byte_chunks(b" " * 500) + b"0\r\n\r\n"],
    ids=["a-trailer", "one-byte-chunks"],
)
def test_usual_chunk_framing_and_trailers_are_accepted(connection: RawConnection, end: bytes) -> None:
    content = new_body()
    connection.send(CHUNKED + b"%x\r\n%s\r\n" % (len(content), content) + end)
    assert connection.response().status == 201


def test_large_body_in_small_chunks_is_accepted(connection: RawConnection) -> None:
    padding = (b"80\r\n" + b" " * 128 + b"\r\n") * 400
    content = new_body()
    connection.send(CHUNKED + padding + b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))
    assert connection.response().status == 201


@pytest.mark.parametrize("name", [b"x-%d", b"x"], ids=["different-names", "one-name"])
@pytest.mark.parametrize("end", [b"\r\n", b""], ids=["complete", "incomplete"])
def test_more_than_128_header_fields_are_refused(connection: RawConnection, name: bytes, end: bytes) -> None:
    names = [name % number if b"%" in name else name for number in range(200)]
    fields = b"".join(b"%s: y\r\n" % each for each in names)
    connection.send(b"GET /healthz HTTP/1.1\r\n" + HOST + fields + end)
    response = connection.response()
    assert (response.status, response.closes, response.json["code"]) == (431, True, "headers_too_large")


def test_head_that_never_ends_is_refused(connection: RawConnection) -> None:
    connection.send(b"GET /healthz HTTP/1.1\r\n" + HOST)
    connection.try_to_send(b"x-header: " + b"y" * 80_000)
    assert connection.response().status == 431
    assert connection.at_end()


# --- the body of a request that was answered without reading it ---


@pytest.mark.parametrize("framing", [b"content-length: 1000000", b"transfer-encoding: chunked"])
def test_connection_is_closed_instead_of_discarding_a_large_body(
    connection: RawConnection, framing: bytes
) -> None:
    connection.send(USERS + framing + b"\r\n\r\n")
    response = connection.response()
    assert (response.status, response.closes) == (401, True)
    end = time.monotonic() + SOON_SECONDS
    # The chunk's size or the body's first byte, and a little more every moment.
    while connection.try_to_send(b"1"):
        assert time.monotonic() < end, "the rest of the body is still read"
        time.sleep(0.05)


def test_refusal_of_a_large_body_can_be_read_after_sending_it(connection: RawConnection) -> None:
    connection.send(USERS + KEY + b"content-length: 300000\r\n\r\n")
    connection.try_to_send(b"x" * 300_000)
    assert connection.response().status == 413


def test_rest_of_a_small_body_that_does_not_come_is_not_awaited_for_long(connection: RawConnection) -> None:
    connection.send(USERS + b"content-length: 10\r\n\r\nhello")
    response = connection.response()
    assert (response.status, response.closes) == (401, False)
    connection.socket.settimeout(SOON_SECONDS)
    assert connection.at_end()


def test_connection_is_kept_after_the_rest_of_a_small_body(connection: RawConnection) -> None:
    connection.send(USERS + b"content-length: 10\r\n\r\nhello")
    assert connection.response().status == 401
    connection.send(b"world" + HEALTH)
    assert connection.response().status == 200


# --- clients that send requests and do not read the responses ---


def test_client_that_does_not_read_is_given_up(server: Server) -> None:
    before = closed_for(server, "slow_reader")
    with RawConnection(server.port, receive_buffer=SMALL_BUFFER) as silent:
        fill(silent)
        silent.wait_until_reset()
    assert closed_for(server, "slow_reader") == before + 1


@pytest.mark.parametrize(
    "last",
    [LARGE.replace(HOST, HOST + b"connection: close\r\n"), LARGE + b"invalid\r\n\r\n"],
    ids=["close", "invalid"],
)
def test_client_that_does_not_read_the_last_response_is_given_up(server: Server, last: bytes) -> None:
    with RawConnection(server.port, receive_buffer=SMALL_BUFFER) as silent:
        # Few enough that all are written, and the connection is closing.
        silent.send(LARGE * 4 + last)
        silent.wait_until_reset()


def test_client_that_reads_in_time_gets_everything(server: Server) -> None:
    with RawConnection(server.port, receive_buffer=SMALL_BUFFER) as slow:
        fill(slow)
        time.sleep(1)
        assert [slow.response().status for _ in range(8)] == [200] * 8


def test_pipelining_clients_that_do_not_read_take_little_memory(server: Server) -> None:
    with ExitStack() as stack:
        before = resident_mebibytes(server)
        for _ in range(40):
            silent = RawConnection(server.port, receive_buffer=SMALL_BUFFER)
            stack.enter_context(silent)
            fill(silent, last=HEALTH * 2_000)
        # All have been read once the server answers this.
        assert healthy(server)
        # 116 MiB if every request that has arrived is parsed.
        assert resident_mebibytes(server) - before < 60


def test_kernel_buffers_little_for_a_client_that_does_not_read() -> None:
    with (
        listening_sockets.listen("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        # The kernel doubles the value for its own use; unlimited, it grows to 4 MiB.
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 262_144


def healthy(server: Server) -> bool:
    with RawConnection(server.port) as honest:
        honest.send(HEALTH)
        return honest.response().status == 200


@contextmanager
def descriptor_limit(limit: int) -> Iterator[None]:
    """Limit the open files of processes started meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- more connections than the server serves ---


def test_connection_beyond_the_limit_gets_a_503_with_retry_after(tmp_path: Path) -> None:
    with running(tmp_path / "data", {"AUTHFACTOR_MAX_CONNECTIONS": "5"}) as server, ExitStack() as stack:
        responses = []
        for _ in range(40):
            connection = stack.enter_context(RawConnection(server.port))
            connection.try_to_send(HEALTH)
            responses.append(connection.response())
        refused = [response for response in responses if response.status == 503]
        assert len(refused) > 20
        for response in refused:
            assert (response.closes, response.headers["retry-after"]) == (True, "1")
            assert response.json["code"] == "unavailable"


def test_idle_connections_give_way_to_new_ones(tmp_path: Path) -> None:
    with running(tmp_path / "data", {"AUTHFACTOR_MAX_CONNECTIONS": "5"}) as server, ExitStack() as stack:
        idle = [stack.enter_context(RawConnection(server.port)) for _ in range(5)]
        sockets = [connection.socket for connection in idle]
        end = time.monotonic() + SOON_SECONDS
        while time.monotonic() < end:
            with RawConnection(server.port) as honest:
                honest.try_to_send(HEALTH)
                if honest.response().status == 200:
                    break
            time.sleep(0.1)
        else:
            pytest.fail("idle connections keep new ones out")
        closed, _, _ = select.select(sockets, [], [], SOON_SECONDS)
        assert closed


def test_silent_readers_beyond_the_descriptors_keep_no_other_client_out(tmp_path: Path) -> None:
    with descriptor_limit(256):
        server = Server(tmp_path / "data")
        server.start()
    with ExitStack() as stack:
        stack.callback(server.kill)
        for _ in range(300):
            silent = stack.enter_context(RawConnection(server.port, receive_buffer=SMALL_BUFFER))
            silent.try_to_send(LARGE * 8)
        end = time.monotonic() + SOON_SECONDS
        while not served(server):
            assert time.monotonic() < end, "other clients are not served"
            time.sleep(0.1)


def served(server: Server) -> bool:
    try:
        return healthy(server)
    except (OSError, AssertionError):
        return False


# --- a server that is asked to stop while clients do not cooperate ---


def test_silent_readers_do_not_delay_the_stop(tmp_path: Path) -> None:
    settings = {"AUTHFACTOR_DRAIN_TIME": "300", "AUTHFACTOR_WRITE_TIMEOUT": "600"}
    with running(tmp_path / "data", settings) as server:
        silent = RawConnection(server.port, receive_buffer=SMALL_BUFFER)
        fill(silent)
        assert healthy(server)
    silent.socket.close()


def test_drain_time_is_applied_once(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"AUTHFACTOR_DRAIN_TIME": "8"})
    server.start()
    with RawConnection(server.port) as unfinished:
        unfinished.send(USERS + KEY + b"content-length: 10\r\n\r\n")
        assert healthy(server)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 2 * 8


def test_pipelined_requests_are_all_answered(connection: RawConnection) -> None:
    connection.send(HEALTH * 200)
    connection.end_input()
    received = statuses(connection.rest())
    assert received == [200] * 200
