"""HTTP/1.1 on a plain socket, so that a test can send what no client library would."""

import contextlib
import re
import select
import socket
import time
from dataclasses import dataclass
from typing import Any, Final, Self

import msgspec

# Above every limit of the server that a test waits for.
TIMEOUT_SECONDS: Final = 25
# What the kernel may buffer for a client that does not read.
SMALL_BUFFER: Final = 4096


@dataclass(frozen=True)
class RawResponse:
    """One response, as it arrived."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get("connection") == "close"

    @property
    def json(self) -> Any:  # noqa: ANN401 - a JSON document
        return msgspec.json.decode(self.body)


class RawConnection:
    """A client connection; a context manager."""

    def __init__(self, port: int, *, receive_buffer: int = 0) -> None:
        """`receive_buffer`: bytes that the kernel takes from the server without a `recv`."""
        self._received = b""
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT_SECONDS)
        self.socket.connect(("127.0.0.1", port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def try_to_send(self, content: bytes) -> bool:
        """Send, and return whether the server took all of it; it may have closed the connection."""
        try:
            self.socket.sendall(content)
        except (ConnectionError, TimeoutError):
            return False
        return True

    def end_input(self) -> None:
        """Close our side only."""
        self.socket.shutdown(socket.SHUT_WR)

    def response(self) -> RawResponse:
        """Read one response; it has a Content-Length, or no body."""
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        size = int(headers.get("content-length", "0"))
        while len(self._received) < size:
            self._receive()
        body, self._received = self._received[:size], self._received[size:]
        return RawResponse(int(lines[0].split()[1]), headers, body)

    def at_end(self) -> bool:
        """Wait for the server, and return whether it closed the connection instead of sending something."""
        if self._received:
            return False
        with contextlib.suppress(ConnectionError):
            self._received = self.socket.recv(65536)
        return not self._received

    def rest(self) -> bytes:
        """Return everything until the server closes the connection."""
        with contextlib.suppress(ConnectionError):
            while more := self.socket.recv(65536):
                self._received += more
        received, self._received = self._received, b""
        return received

    def wait_until_reset(self) -> None:
        """Wait until the server has given the connection up; reads nothing that it has sent."""
        end = time.monotonic() + TIMEOUT_SECONDS
        poller = select.poll()
        poller.register(self.socket, select.POLLERR | select.POLLHUP)
        while not poller.poll(100):
            assert time.monotonic() < end, "the server keeps a connection whose client does not read"

    def _receive(self) -> None:
        more = self.socket.recv(65536)
        assert more, f"the connection was closed after {self._received!r}"
        self._received += more


def statuses(received: bytes) -> list[int]:
    """Return the status of each response in a stream."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
