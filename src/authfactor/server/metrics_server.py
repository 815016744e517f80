"""A separate port for `GET /metrics` only, without a token."""

import socket
from typing import Final

import uvicorn

from authfactor.http.api.health import METRICS_TYPE, ServerState
from authfactor.http1.connection_limits import ConnectionLimits
from authfactor.http1.request_cycle import Message, Receive, Send
from authfactor.http1.response_batching import ResponseBatcher
from authfactor.server.listening_sockets import uvicorn_config
from authfactor.settings import Settings

PATH: Final = "/metrics"
MAX_CONNECTIONS: Final = 16
_TEXT: Final = [(b"content-type", b"text/plain; charset=utf-8")]


class MetricsServer:
    """A second uvicorn server in a worker's event loop."""

    def __init__(self, server_state: ServerState, sock: socket.socket, settings: Settings) -> None:
        """Serve on `sock`, which all workers share: any of them reports the metrics of all."""
        self._server_state = server_state
        self._sock = sock
        self._server = uvicorn.Server(
            uvicorn_config(
                self._respond,
                ResponseBatcher(),
                ConnectionLimits(MAX_CONNECTIONS, settings.write_timeout),
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )

    async def start(self) -> None:
        """Start serving."""
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[self._sock])

    async def stop(self) -> None:
        """Finish the requests in progress and stop."""
        await self._server.shutdown()

    async def _respond(self, scope: Message, _receive: Receive, send: Send) -> None:
        status, headers, body = 404, _TEXT, b"Only GET /metrics is served here.\n"
        if scope["type"] != "http":
            return
        if (
            scope["path"] == PATH
            and scope["method"] in ("GET", "HEAD")
            and self._server_state.metrics is not None
        ):
            status, headers, body = 200, list(METRICS_TYPE), await self._server_state.metrics()
        headers = [*headers, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
