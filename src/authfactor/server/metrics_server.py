"""A port of its own for `GET /metrics`: nothing else is answered there, and no token is asked for."""

import socket
from typing import Final

import uvicorn

from authfactor.http.api.health import METRICS_TYPE, ServerState
from authfactor.http1.request_cycle import Message, Receive, Send
from authfactor.http1.response_batching import ResponseBatcher
from authfactor.server.listening_sockets import configured

PATH: Final = "/metrics"
_TEXT: Final = [(b"content-type", b"text/plain; charset=utf-8")]


class MetricsPort:
    """A second, small server in the event loop of a worker."""

    def __init__(self, desk: ServerState, listening: socket.socket) -> None:
        """Share the listening socket with the other workers: whichever accepts tells for all."""
        self._desk = desk
        self._listening = listening
        self._server = uvicorn.Server(
            configured(self._answer, ResponseBatcher(), lifespan="off", timeout_graceful_shutdown=1)
        )

    async def start(self) -> None:
        """Begin to answer."""
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[self._listening])

    async def stop(self) -> None:
        """Answer what is under way and stop."""
        await self._server.shutdown()

    async def _answer(self, scope: Message, _receive: Receive, send: Send) -> None:
        status, headers, body = 404, _TEXT, b"Only GET /metrics is answered here.\n"
        if scope["type"] != "http":
            return
        if scope["path"] == PATH and scope["method"] in ("GET", "HEAD") and self._desk.metrics is not None:
            status, headers, body = 200, list(METRICS_TYPE), await self._desk.metrics()
        headers = [*headers, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
