"""The in-process transport: calls the ASGI application directly, without a server.

Requests run through the same code as in a server, so the responses are the same. A server's background tasks
(sending webhooks, deleting expired rows) run while the client is open.
"""

import asyncio
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from authfactor import errors
from authfactor.client.errors import APIConnectionError
from authfactor.client.http_transport import ClientIdentity, HttpResponse
from authfactor.core import Authfactor
from authfactor.http.app import App
from authfactor.models import Environment
from authfactor.settings import reading

Message = MutableMapping[str, Any]
SCOPE: Final = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "scheme": "http",
    "root_path": "",
    "client": None,
    "server": None,
}


@dataclass(frozen=True, slots=True)
class DatabaseTarget:
    """Database and environment of a client. None means: use the `AUTHFACTOR_…` variable or the default."""

    database_url: str | None
    data: str | os.PathLike[str] | None
    keys: str | os.PathLike[str] | None
    environment: str | None


class InProcessTransport:
    """Sends requests to the ASGI application of an installation in this process."""

    def __init__(self, target: DatabaseTarget) -> None:
        """Open nothing yet; `identity` does, on its event loop."""
        self._target = target
        self._app: App | None = None
        self._identity: ClientIdentity | None = None
        self._failure: BaseException | None = None
        self._lock = asyncio.Lock()
        self._stop: asyncio.Event | None = None
        self._lifespan: asyncio.Task[None] | None = None

    async def identity(self) -> ClientIdentity:
        """Open the database and return an API key that works in this process only.

        Raises `settings.InvalidSetting`, `keyring.KeyRingUnusable`, `store.opening.WrongSchema`,
        `errors.NotFound` for an unknown environment, `errors.Unavailable`.
        """
        async with self._lock:
            if self._identity is None:
                self._app = App(self._open)
                self._stop = asyncio.Event()
                started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._lifespan = asyncio.create_task(self._run_lifespan(self._app, started, self._stop))
                await started
            if self._identity is None:
                raise RuntimeError("the application started without opening an installation")
            return self._identity

    async def send(self, method: str, target: str, headers: dict[str, str], body: bytes) -> HttpResponse:
        """Call the application as an ASGI server does."""
        if self._app is None:
            raise APIConnectionError("The client is closed.")
        path, _, query = target.partition("?")
        scope: dict[str, Any] = {
            **SCOPE,
            "method": method,
            "path": path,
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, send)
        response_headers: Mapping[str, str] = {
            name.decode(): value.decode() for name, value in messages[0]["headers"]
        }
        return HttpResponse(
            messages[0]["status"], response_headers, b"".join(part.get("body", b"") for part in messages[1:])
        )

    async def close(self) -> None:
        """Wait for requests in progress and close the database."""
        async with self._lock:
            lifespan, stop = self._lifespan, self._stop
            self._app = self._identity = self._lifespan = self._stop = None
            if lifespan is not None and stop is not None:
                stop.set()
                await lifespan

    async def _open(self) -> Authfactor:
        """Open the installation for the application's startup, and keep an exception for the caller."""
        try:
            target = self._target
            settings = reading.read(
                os.environ,
                reading.find_file(os.environ),
                database_url=target.database_url,
                data=None if target.data is None else Path(target.data),
                keys=None if target.keys is None else os.fspath(target.keys),
            )
            # The access log must not go to the standard error of an application.
            af = await Authfactor.open(replace(settings, log_requests=False))
            try:
                environment = await _find_environment(af, target.environment)
                key = af.environments.issue_in_process_key(environment)
            except BaseException:
                await af.close()
                raise
        except BaseException as error:
            self._failure = error
            raise
        self._identity = ClientIdentity(settings.base_url, key, environment.client_id)
        return af

    async def _run_lifespan(self, app: App, started: "asyncio.Future[None]", stop: asyncio.Event) -> None:
        """Run the ASGI lifespan protocol: startup, then shutdown when `stop` is set."""
        messages = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

        async def receive() -> Message:
            message = next(messages)
            if message["type"] == "lifespan.shutdown":
                await stop.wait()
            return message

        async def send(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                started.set_result(None)
            elif message["type"] == "lifespan.startup.failed":
                started.set_exception(self._failure or RuntimeError(message["message"]))

        await app({"type": "lifespan", "asgi": SCOPE["asgi"]}, receive, send)


async def _find_environment(af: Authfactor, name_or_client_id: str | None) -> Environment:
    if name_or_client_id is not None:
        return await af.read(af.environments.find(name_or_client_id))
    environments = await af.read(lambda tx: tx.environments.all())
    if len(environments) > 1:
        names = ", ".join(environment.name for environment in environments)
        text = f"There are several environments ({names}). Choose one: Client(..., environment=…)."
        raise errors.InvalidRequest(message=text)
    return environments[0]
