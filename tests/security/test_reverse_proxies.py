"""nginx and HAProxy in front of a server: no request of a client hides another one from the proxy."""

import select
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.support.desync_corpus import Attack, attacks
from tests.support.raw_http import RawConnection, statuses
from tests.support.reverse_proxies import DENIED_FIELD, reverse_proxy
from tests.support.server_process import API_KEY, Server, running

HOST: Final = b"host: x\r\n"
USERS: Final = b"POST /user_management/users HTTP/1.1\r\n" + HOST
KEY: Final = f"authorization: Bearer {API_KEY}\r\n".encode()
# An attacker with a key (the body is read) and without (the request is refused at its head).
CREDENTIALS: Final = {"key": KEY, "stranger": b""}
# After a silence of this long the attacker sends no more and gives up.
SILENCE_SECONDS: Final = 0.15


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("proxied") / "data") as made:
        yield made


@pytest.fixture(
    scope="module",
    params=[(program, buffered) for program in ("nginx", "haproxy") for buffered in (True, False)],
    ids=lambda param: f"{param[0]}-{'buffered' if param[1] else 'unbuffered'}",
)
def proxy(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """Return the port of a proxy in front of the server."""
    program, buffered = request.param
    with reverse_proxy(program, tmp_path_factory.mktemp(program), server.port, buffered=buffered) as port:
        yield port


@dataclass
class Inner:
    """The request inside an attack: it creates a user, and the proxy refuses it if it sees it."""

    email: str = field(default_factory=lambda: f"{uuid.uuid4().hex}@example.org")

    def bytes(self) -> bytes:
        body = b'{"email":"%s"}' % self.email.encode()
        denied = b"%s: 1\r\n" % DENIED_FIELD.encode()
        return USERS + KEY + denied + b"content-length: %d\r\n\r\n%s" % (len(body), body)

    def took_effect(self, server: Server) -> bool:
        with RawConnection(server.port) as connection:
            target = b"/user_management/users?email=%s" % self.email.encode()
            connection.send(b"GET %s HTTP/1.1\r\n" % target + HOST + KEY + b"\r\n")
            return bool(connection.response().json["data"])


def send_attack(port: int, content: bytes, *, wait_for_more: bool = False) -> tuple[list[int], bool]:
    """Send bytes; return the final statuses that come back, and whether the connection was closed.

    `wait_for_more`: wait for other responses after the first.
    """
    received = b""
    with RawConnection(port) as attacker:
        attacker.try_to_send(content)
        while select.select([attacker.socket], [], [], SILENCE_SECONDS)[0]:
            try:
                more = attacker.socket.recv(65536)
            except ConnectionError:
                more = b""
            if not more:
                return _final(received), True
            received += more
            if _final(received) and not wait_for_more:
                break
    return _final(received), False


def _final(received: bytes) -> list[int]:
    return [status for status in statuses(received) if status >= 200]


def gets_own_responses(port: int) -> bool:
    """Return whether an honest client's requests are answered with what belongs to them."""
    with RawConnection(port) as victim:
        for _ in range(2):
            user = uuid.uuid4().hex
            victim.send(b"GET /user_management/users/%s HTTP/1.1\r\n" % user.encode() + HOST + KEY + b"\r\n")
            response = victim.response()
            if response.status != 404 or user not in response.body.decode():
                return False
    return True


# --- every attack of the corpus, one after the other ---


@pytest.mark.parametrize("credentials", CREDENTIALS.values(), ids=CREDENTIALS.keys())
def test_no_request_hides_another_one_from_the_proxy(server: Server, proxy: int, credentials: bytes) -> None:
    problems: dict[str, str] = {}
    for name, attack in attacks().items():
        inner = Inner()
        send_attack(proxy, attack.make(credentials, inner.bytes()))
        if not gets_own_responses(proxy):
            problems[name] = "the next client got another response than its own"
        if inner.took_effect(server):
            problems[name] = "the request inside took effect"
    assert problems == {}


@pytest.mark.parametrize("credentials", CREDENTIALS.values(), ids=CREDENTIALS.keys())
def test_next_client_is_not_affected_by_the_beginning_of_a_request(proxy: int, credentials: bytes) -> None:
    """The request inside has no end: the next one on the same connection would be taken for it."""
    problems = []
    for name, attack in attacks().items():
        send_attack(proxy, attack.make(credentials, b"GET /nowhere HTTP/1.1\r\nx: "))
        if not gets_own_responses(proxy):
            problems.append(name)
    assert problems == []


@pytest.mark.parametrize("credentials", CREDENTIALS.values(), ids=CREDENTIALS.keys())
def test_server_itself_sees_one_request_or_none(server: Server, credentials: bytes) -> None:
    problems: dict[str, str] = {}
    for name, attack in attacks().items():
        inner = Inner()
        found, closed = send_attack(server.port, attack.make(credentials, inner.bytes()), wait_for_more=True)
        if problem := _unexpected(attack, found, closed=closed):
            problems[name] = problem
        if inner.took_effect(server):
            problems[name] = "the request inside took effect"
    assert problems == {}


def _unexpected(attack: Attack, found: list[int], *, closed: bool) -> str:
    """Return what is wrong with the server's response to an attack."""
    # A stranger's request with a valid head and an invalid body is refused for its credentials.
    if attack.refused and not (found in ([400], [401]) and closed):
        return f"{found} instead of one refusal, closed: {closed}"
    return "" if len(found) <= 1 else f"{found} to one request"


# --- what a proxy relays besides attacks ---


def test_chunked_body_arrives(proxy: int) -> None:
    content = b'{"email":"%s@example.org"}' % uuid.uuid4().hex.encode()
    padding = (b"400\r\n" + b" " * 1024 + b"\r\n") * 40
    last = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
    with RawConnection(proxy) as client:
        client.send(USERS + KEY + b"transfer-encoding: chunked\r\n\r\n" + padding + last)
        assert client.response().status == 201


@pytest.mark.parametrize(("credentials", "status"), [(b"", 401), (KEY, 413)], ids=["no-key", "too-large"])
def test_refusal_of_a_large_body_reaches_the_client(proxy: int, credentials: bytes, status: int) -> None:
    """The server closes the connection without reading the body; the proxy must not answer 502."""
    with RawConnection(proxy) as client:
        client.send(USERS + credentials + b"content-length: 900000\r\n\r\n")
        client.try_to_send(b" " * 900_000)
        assert client.response().status == status


def test_pipelined_requests_are_answered_in_order(proxy: int) -> None:
    users = [uuid.uuid4().hex for _ in range(30)]
    with RawConnection(proxy) as client:
        for user in users:
            client.send(b"GET /user_management/users/%s HTTP/1.1\r\n" % user.encode() + HOST + KEY + b"\r\n")
        assert all(user in client.response().body.decode() for user in users)
