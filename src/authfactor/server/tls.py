"""TLS without a proxy: accepting connections, and a certificate that is reloaded when its files change."""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import Callable, Sized
from typing import Final

from authfactor.settings import InvalidSetting, Settings

POLL_SECONDS: Final = 10
# uvloop's defaults are 60 and 30: so long a client that does nothing would hold a descriptor.
HANDSHAKE_SECONDS: Final = 10.0
SHUTDOWN_SECONDS: Final = 5.0
# Handshakes that may be in progress while connections use up the rest of `max_connections`.
MIN_HANDSHAKES: Final = 16
_ACCEPTED_AT_ONCE: Final = 16
_RETRY_SECONDS: Final = 0.1

log = logging.getLogger("authfactor.http")


class Certificate:
    """The server's TLS context. New connections get a new certificate; open ones keep theirs."""

    def __init__(self, cert: str, key: str) -> None:
        """Load both files. Raises `InvalidSetting` that names the file and what is wrong with it."""
        self._files = (cert, key)
        self._loaded_times = self._file_times()
        # A scratch context first: a mismatched pair would leave the real one half loaded.
        _load(_new_context(), cert, key)
        self.context: Final = _new_context()
        _load(self.context, cert, key)

    def refresh(self) -> bool:
        """Reload the files if they changed; return whether it did. An invalid pair is logged and ignored."""
        try:
            times = self._file_times()
            if times == self._loaded_times:
                return False
            self._loaded_times = times
            _load(_new_context(), *self._files)
            _load(self.context, *self._files)
        except InvalidSetting as error:
            log.error("keeping the current certificate: %s", error)  # noqa: TRY400 - the message suffices
            return False
        log.info("a new TLS certificate is in use (%s)", self._files[0])
        return True

    def _file_times(self) -> tuple[tuple[int, int], ...]:
        try:
            stats = [os.stat(file) for file in self._files]  # noqa: PTH116 - the settings are strings
        except OSError as error:
            raise InvalidSetting(f"{error.filename} cannot be read: {error.strerror}.") from error
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in stats)


class TlsServer:
    """Accepts TLS connections on a socket, in place of an `asyncio.Server`.

    That one shows a connection to its protocol only after the handshake, so that clients which send nothing
    would take every descriptor. Here handshakes count against `max_connections`; beyond it, the oldest gives
    way (decision 0033).
    """

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        make_protocol: Callable[[], asyncio.Protocol],
        connections: Sized,
        max_connections: int,
    ) -> None:
        """`connections` are those whose handshake is complete."""
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._context = context
        self._make_protocol = make_protocol
        self._connections = connections
        self._max_connections = max_connections
        # In the order in which they began.
        self._handshakes: dict[asyncio.Task[None], None] = {}
        sock.setblocking(False)  # noqa: FBT003 - positional-only
        self._start_accepting()

    def close(self) -> None:
        """Accept no more connections."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    async def wait_closed(self) -> None:
        """Give up the handshakes that are not complete."""
        for handshake in self._handshakes:
            handshake.cancel()
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _start_accepting(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                client, _address = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # No descriptor is left; the socket stays readable meanwhile.
                self._loop.remove_reader(self._sock)
                self._loop.call_later(_RETRY_SECONDS, self._start_accepting)
                return
            client.setblocking(False)  # noqa: FBT003 - positional-only
            self._begin_handshake(client)

    def _begin_handshake(self, client: socket.socket) -> None:
        handshakes = self._handshakes
        room = max(self._max_connections - len(self._connections), MIN_HANDSHAKES)
        if len(handshakes) >= room:
            oldest = next(iter(handshakes))
            del handshakes[oldest]
            oldest.cancel()
        handshake = self._loop.create_task(self._complete_handshake(client))
        handshakes[handshake] = None
        handshake.add_done_callback(lambda done: handshakes.pop(done, None))

    async def _complete_handshake(self, client: socket.socket) -> None:
        # A failure is the client's; the transport has closed the socket then.
        with contextlib.suppress(OSError):
            await self._loop.connect_accepted_socket(
                self._make_protocol,
                client,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )


def certificate(settings: Settings) -> Certificate | None:
    """Load the certificate that the settings name; None if they name none. Raises `InvalidSetting`."""
    return Certificate(settings.tls_cert, settings.tls_key) if settings.tls_cert else None


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, cert: str, key: str) -> None:
    try:
        # OpenSSL prompts on the terminal for an encrypted key; with an empty password it fails instead.
        context.load_cert_chain(cert, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InvalidSetting(f"The key in {key} does not match the certificate in {cert}.") from error
        raise InvalidSetting(
            f"{cert} and {key} are not a certificate and unencrypted key in PEM form"
            f" ({error.reason or error})."
        ) from error
    except OSError as error:
        raise InvalidSetting(f"{error.filename or cert} cannot be read: {error.strerror}.") from error
