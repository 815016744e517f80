"""Requests that break HTTP/1.1's rules, or end before their response, against a real server."""

import select
import uuid
from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.raw_http import RawConnection, statuses
from tests.support.server_process import API_KEY, Server, running

HOST: Final = b"host: x\r\n"
SILENCE_SECONDS: Final = 0.5
USERS: Final = b"POST /user_management/users HTTP/1.1\r\n"
KEY: Final = f"authorization: Bearer {API_KEY}\r\n".encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("framing") / "data") as made:
        yield made


@pytest.fixture
def connection(server: Server) -> Iterator[RawConnection]:
    with RawConnection(server.port) as made:
        yield made


def new_email() -> str:
    return f"{uuid.uuid4().hex}@example.org"


def body_of(email: str) -> bytes:
    return b'{"email":"%s"}' % email.encode()


def user_exists(server: Server, email: str) -> bool:
    with server.client() as client:
        return bool(client.get("/user_management/users", params={"email": email}).json()["data"])


def assert_refused(connection: RawConnection) -> None:
    """Check for a single 400 after which the connection is closed."""
    response = connection.response()
    assert (response.status, response.closes) == (400, True)
    assert response.json["code"] == "bad_request"
    assert connection.at_end()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nhost: x\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nhOST: y\r\n",
        b"GET /healthz HTTP/1.0\r\nhost: x\r\nhost: y\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x y\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x/y\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: a@x\r\n",
    ],
    ids=["none", "two", "two-spellings", "two-in-1.0", "space", "path", "user"],
)
def test_request_without_exactly_one_valid_host_is_refused(connection: RawConnection, head: bytes) -> None:
    connection.send(head + b"\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    assert_refused(connection)


@pytest.mark.parametrize("host", [b"", b"auth.example.org", b"127.0.0.1:8080", b"[::1]:8080", b"a_b-c.d"])
def test_valid_host_is_accepted(connection: RawConnection, host: bytes) -> None:
    for value in (b"x", host, host):
        connection.send(b"GET /healthz HTTP/1.1\r\nhost: %s\r\n\r\n" % value)
        assert connection.response().status == 200


def test_second_request_of_a_connection_must_have_a_host_too(connection: RawConnection) -> None:
    connection.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    assert connection.response().status == 200
    connection.send(b"GET /healthz HTTP/1.1\r\naccept: */*\r\n\r\n")
    assert_refused(connection)


def test_http_1_0_needs_no_host_and_closes(connection: RawConnection) -> None:
    connection.send(b"GET /healthz HTTP/1.0\r\n\r\n")
    response = connection.response()
    assert (response.status, response.closes) == (200, True)
    assert connection.at_end()


@pytest.mark.parametrize("line", [b"GET /healthz", b"GET /healthz HTTP/0.9", b"GET /healthz HTTP/2.0"])
def test_request_line_without_version_1_0_or_1_1_is_refused(connection: RawConnection, line: bytes) -> None:
    connection.send(line + b"\r\nhost: x\r\n\r\n")
    assert_refused(connection)


def test_connect_is_refused(connection: RawConnection) -> None:
    connection.send(b"CONNECT /x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello")
    assert_refused(connection)


@pytest.mark.parametrize(
    ("version", "coding"), [(b"1.0", b"chunked"), (b"1.1", b"gzip, chunked"), (b"1.1", b"identity")]
)
def test_transfer_coding_that_recipients_may_ignore_is_refused(
    server: Server, connection: RawConnection, version: bytes, coding: bytes
) -> None:
    email = new_email()
    content = body_of(email)
    head = b"POST /user_management/users HTTP/%s\r\ntransfer-encoding: %s\r\n" % (version, coding)
    connection.send(head + HOST + KEY + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))
    assert_refused(connection)
    assert not user_exists(server, email)


@pytest.mark.parametrize("requests", [1, 3])
def test_half_closed_connection_gets_its_responses(
    server: Server, connection: RawConnection, requests: int
) -> None:
    emails = [new_email() for _ in range(requests)]
    for email in emails:
        content = body_of(email)
        connection.send(USERS + HOST + KEY + b"content-length: %d\r\n\r\n%s" % (len(content), content))
    connection.end_input()
    assert statuses(connection.rest()) == [201] * requests
    assert all(user_exists(server, email) for email in emails)


def test_half_closed_connection_without_a_request_is_closed(connection: RawConnection) -> None:
    connection.end_input()
    assert connection.at_end()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_that_ends_early_is_refused(server: Server, connection: RawConnection, framing: str) -> None:
    """The part that has arrived is a complete JSON document."""
    email = new_email()
    content = body_of(email)
    if framing == "length":
        connection.send(USERS + HOST + KEY + b"content-length: %d\r\n\r\n%s" % (len(content) + 1, content))
    else:
        connection.send(USERS + HOST + KEY + b"transfer-encoding: chunked\r\n\r\n")
        connection.send(b"%x\r\n%s\r\n" % (len(content), content))
    connection.end_input()
    response = connection.response()
    assert (response.status, response.closes, response.json["code"]) == (400, True, "invalid_json")
    assert connection.at_end()
    assert not user_exists(server, email)


def test_http_1_0_client_gets_no_100_continue(connection: RawConnection) -> None:
    content = body_of(new_email())
    head = b"POST /user_management/users HTTP/1.0\r\nexpect: 100-continue\r\n"
    connection.send(head + HOST + KEY + b"content-length: %d\r\n\r\n" % len(content))
    # It would come while the server waits for the body.
    assert not select.select([connection.socket], [], [], SILENCE_SECONDS)[0]
    connection.send(content)
    assert connection.response().status == 201


def test_http_1_1_client_gets_100_continue(connection: RawConnection) -> None:
    content = body_of(new_email())
    expecting = USERS + b"expect: 100-continue\r\n"
    connection.send(expecting + HOST + KEY + b"content-length: %d\r\n\r\n" % len(content))
    assert connection.response().status == 100
    connection.send(content)
    assert connection.response().status == 201


def test_refusal_of_a_request_that_awaits_100_continue_closes_the_connection(
    connection: RawConnection,
) -> None:
    """The client may send its next request where the server expects the body."""
    connection.send(USERS + b"expect: 100-continue\r\n" + HOST + b"content-length: 38\r\n\r\n")
    connection.try_to_send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    response = connection.response()
    assert (response.status, response.closes) == (401, True)
    assert connection.at_end()
