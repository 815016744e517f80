"""The guard of conftest.py: a test that reaches for the internet fails, whatever library it uses."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

DOCUMENTATION = "192.0.2.1"  # RFC 5737


@pytest.mark.parametrize("connect", [socket.socket.connect, socket.socket.connect_ex])
def test_socket_reaches_loopback_only(connect: Callable[[socket.socket, Any], object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        with pytest.raises(RuntimeError, match="only loopback is allowed"):
            connect(client, (DOCUMENTATION, 443))
        assert not connect(client, server.getsockname())


def test_event_loop_reaches_loopback_only() -> None:
    async def connect() -> None:
        await asyncio.open_connection(DOCUMENTATION, 443)

    with pytest.raises(RuntimeError, match="only loopback is allowed"):
        asyncio.run(connect())
