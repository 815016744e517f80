"""The sending half of a connection: writing, waiting until the client reads, and closing.

A client may neither make the server wait for it without end nor miss the reason of a refusal (decision 0033).
"""

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Callable
from typing import Final

from authfactor.http1 import connection_limits
from authfactor.http1.connection_limits import ConnectionLimits
from authfactor.http1.response_batching import ResponseBatcher

# How long a client may read the last response after input that was refused or not read (RFC 9112
# section 9.6), and how many bytes of that input are taken from the socket meanwhile.
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 65_536
# SO_LINGER with a time of zero: closing discards what is unsent, and resets the connection.
_RESET: Final = struct.pack("ii", 1, 0)


class SendingProtocol(asyncio.Protocol):
    """What a connection does with its transport, except reading requests from it."""

    def __init__(
        self, batcher: ResponseBatcher, limits: ConnectionLimits, loop: asyncio.AbstractEventLoop
    ) -> None:
        """All connections of a server share `batcher` and `limits`."""
        self._batcher = batcher
        self._limits = limits
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        # No request will be parsed anymore; the client has ended its side.
        self._ignoring_input = self._input_ended = False
        self._ignored_bytes = 0
        self.transport: asyncio.Transport

    def pause_writing(self) -> None:
        """Make `drain` wait: the transport's write buffer is above its high-water mark."""
        self._drain_waiter = self._loop.create_future()

    def resume_writing(self) -> None:
        """Wake `drain`: the client reads again, or the connection is lost."""
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        self._drain_waiter = None

    def send(self, content: bytes) -> None:
        """Write to the client through the batcher; dropped if the connection is closing."""
        self._batcher.send(self.transport, content)

    async def drain(self) -> None:
        """Wait until the transport's write buffer has room (see `pause_writing`)."""
        if self._drain_waiter is not None:
            await self._drain_waiter

    @property
    def unsent_bytes(self) -> int:
        """Bytes of responses that the client has not taken."""
        return self.transport.get_write_buffer_size()

    def has_unread(self) -> bool:
        """Return whether the socket's receive buffer holds bytes that the event loop has not read."""
        sock = self.transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return False
        try:
            unread = fcntl.ioctl(sock.fileno(), termios.FIONREAD, b"\0\0\0\0")
        except OSError:
            return False
        return bool(struct.unpack("i", unread)[0])

    def abort(self) -> None:
        """Close at once; what the client has not read is lost."""
        sock = self.transport.get_extra_info("socket")
        if self.unsent_bytes and sock is not None:
            # Otherwise the kernel keeps its part of the responses for minutes.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _set_timer(self, seconds: float, callback: Callable[[], None] | None) -> None:
        """Replace the connection's only timer; with None, cancel it."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if callback is None else self._loop.call_later(seconds, callback)

    def _close(self) -> None:
        """Flush held-back responses, then close; the client has `write_timeout` to take them."""
        self._batcher.flush()
        self.transport.close()
        if self.unsent_bytes:
            self._set_timer(self._limits.write_timeout, self._abort_slow_reader)

    def _abort_slow_reader(self) -> None:
        self._limits.count(connection_limits.SLOW_READER)
        self.abort()

    def _linger(self) -> None:
        """Close soon. Closing at once would reset the connection, and with it a response not yet read."""
        self._ignoring_input = True
        self._batcher.flush()
        if self._input_ended or self.transport.is_closing():
            self._close()
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._set_timer(LINGER_SECONDS, self._close)
        # To see the client's end.
        self.transport.resume_reading()

    def _ignore(self, size: int) -> None:
        """Take bytes without parsing them, up to `LINGER_BYTES`; the rest stays in the socket."""
        self._ignored_bytes += size
        if self._ignored_bytes > LINGER_BYTES:
            self.transport.pause_reading()
