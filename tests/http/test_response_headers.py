"""Status lines and headers, read as bytes from a socket."""

import re
import socket
from typing import Final

import httpx
import pytest

from tests.http.conftest import Enrolled
from tests.support.server_process import API_KEY, Server, fields

UUID4: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
KEY: Final = f"authorization: Bearer {API_KEY}\r\n"


def exchange(server: Server, request: str) -> tuple[list[bytes], bytes]:
    """Send one request, and return status line with header lines, and the body."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request.encode())
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = response.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


def request_line(method: str, path: str, extra_headers: str = KEY) -> str:
    return f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{extra_headers}\r\n"


REQUESTS = [
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/user_management/users", 200),
    ("GET", "/auth/factors/x", 404),
    ("GET", "/nothing", 404),
    ("PATCH", "/user_management/users", 405),
    ("POST", "/user_management/users", 422),
]


@pytest.mark.parametrize(("method", "path", "status"), REQUESTS)
def test_header_names_are_lower_case_and_request_id_is_a_uuid(
    server: Server, method: str, path: str, status: int
) -> None:
    lines, _ = exchange(server, request_line(method, path))

    assert lines[0].split(b" ")[:2] == [b"HTTP/1.1", str(status).encode()]
    names = [line.partition(b":")[0] for line in lines[1:]]
    assert names == [name.lower() for name in names]
    assert len(names) == len(set(names))
    ids = [line.partition(b": ")[2] for line in lines if line.startswith(b"x-request-id: ")]
    assert len(ids) == 1
    assert UUID4.fullmatch(ids[0])


def test_request_ids_are_unique_and_ignore_the_clients(server: Server) -> None:
    own_request_id = "x-request-id: 11111111-1111-4111-8111-111111111111\r\n"
    heads = [exchange(server, request_line("GET", "/healthz", own_request_id))[0] for _ in range(50)]

    ids = {line for head in heads for line in head if line.startswith(b"x-request-id")}
    assert len(ids) == 50
    assert not any(b"11111111-1111-4111" in line for line in ids)


@pytest.mark.parametrize(("method", "path", "status"), REQUESTS)
def test_every_response_has_the_security_headers(
    api: httpx.Client, method: str, path: str, status: int
) -> None:
    headers = api.request(method, path).headers

    expected = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    assert {name: headers.get(name) for name in expected} == expected
    assert "server" not in headers
    # Over plain HTTP, it is the TLS terminator's to send (RFC 6797 section 7.2).
    assert "strict-transport-security" not in headers


def test_401_has_security_headers_and_a_request_id(anonymous: httpx.Client) -> None:
    headers = anonymous.get("/user_management/users").headers

    assert headers["cache-control"] == "no-store"
    assert UUID4.fullmatch(headers["x-request-id"].encode())


def test_empty_responses_have_no_content_type(server: Server, api: httpx.Client, enrolled: Enrolled) -> None:
    deleted_factor, body = exchange(server, request_line("DELETE", f"/auth/factors/{enrolled.factor['id']}"))
    assert body == b""
    deleted_user, body = exchange(
        server, request_line("DELETE", f"/user_management/users/{enrolled.user['id']}")
    )
    assert body == b""

    assert deleted_factor[0].startswith(b"HTTP/1.1 204")
    assert deleted_user[0].startswith(b"HTTP/1.1 200")
    for lines in (deleted_factor, deleted_user):
        assert not any(line.startswith(b"content-type") for line in lines)
    assert b"content-length: 0" in deleted_user


def test_204_has_no_content_length(server: Server, enrolled: Enrolled) -> None:
    # RFC 9110 section 8.6: no Content-Length in a 204.
    lines, _ = exchange(server, request_line("DELETE", f"/auth/factors/{enrolled.factor['id']}"))

    assert not any(line.startswith(b"content-length") for line in lines)


def test_head_responds_like_get_without_a_body(server: Server) -> None:
    lines, body = exchange(server, request_line("HEAD", "/user_management/users?limit=1"))

    assert (lines[0].split(b" ")[1], body) == (b"200", b"")


def test_health_and_readiness_need_no_api_key(anonymous: httpx.Client) -> None:
    assert fields(anonymous.get("/healthz"), 200) == {"status": "ok"}
    assert fields(anonymous.get("/readyz"), 200)["status"] == "ready"
