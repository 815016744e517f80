"""The API in this very process, without a server: its own door, called directly.

Everything a server does for an answer happens here too, in the same code: that is why the answers are the
same. What a server does in the background (sending webhooks, removing what has expired) goes on while the
client is open.
"""

import asyncio
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from authfactor import errors
from authfactor.client.errors import APIConnectionError
from authfactor.client.http_transport import HttpResponse, Identity
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
    """Where the database is and whose environment is meant; empty: as `AUTHFACTOR_…` and defaults say."""

    database_url: str | None
    data: str | os.PathLike[str] | None
    keys: str | os.PathLike[str] | None
    environment: str | None


class InProcessTransport:
    """An open installation, asked through its application."""

    def __init__(self, place: DatabaseTarget) -> None:
        """Open at the first request, on the event loop that asks."""
        self._place = place
        self._app: App | None = None
        self._identity: Identity | None = None
        self._failure: BaseException | None = None
        self._turn = asyncio.Lock()
        self._stop: asyncio.Event | None = None
        self._life: asyncio.Task[None] | None = None

    async def identity(self) -> Identity:
        """Open the database and vouch for this client.

        Raises `settings.BadSetting`, `keyring.KeyRingUnusable`, `store.opening.WrongSchema`,
        `errors.NotFound` for an unknown environment, `errors.Unavailable`.
        """
        async with self._turn:
            if self._identity is None:
                self._app = App(self._open)
                self._stop = asyncio.Event()
                started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._life = asyncio.create_task(self._live(self._app, started, self._stop))
                await started
            if self._identity is None:
                raise RuntimeError("the application started without an installation")
            return self._identity

    async def send(self, method: str, target: str, headers: dict[str, str], body: bytes) -> HttpResponse:
        """Ask the application as a server would."""
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
        said: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            said.append(message)

        await self._app(scope, receive, send)
        found: Mapping[str, str] = {name.decode(): value.decode() for name, value in said[0]["headers"]}
        return HttpResponse(said[0]["status"], found, b"".join(part.get("body", b"") for part in said[1:]))

    async def close(self) -> None:
        """Finish what is under way and close the database."""
        async with self._turn:
            life, stop = self._life, self._stop
            self._app = self._identity = self._life = self._stop = None
            if life is not None and stop is not None:
                stop.set()
                await life

    async def _open(self) -> Authfactor:
        """Open the installation as the application's start does, keeping what goes wrong for the caller."""
        try:
            place = self._place
            chosen = reading.read(
                os.environ,
                reading.find_file(os.environ),
                database_url=place.database_url,
                data=None if place.data is None else Path(place.data),
                keys=None if place.keys is None else os.fspath(place.keys),
            )
            # A line a request is a server's business; a program's standard error is its own.
            af = await Authfactor.open(replace(chosen, log_requests=False))
            try:
                environment = await _environment(af, place.environment)
                key = af.environments.issue_in_process_key(environment)
            except BaseException:
                await af.close()
                raise
        except BaseException as error:
            self._failure = error
            raise
        self._identity = Identity(chosen.base_url, key, environment.client_id)
        return af

    async def _live(self, app: App, started: "asyncio.Future[None]", stop: asyncio.Event) -> None:
        """Take the application through its life."""
        asked = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

        async def receive() -> Message:
            message = next(asked)
            if message["type"] == "lifespan.shutdown":
                await stop.wait()
            return message

        async def send(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                started.set_result(None)
            elif message["type"] == "lifespan.startup.failed":
                started.set_exception(self._failure or RuntimeError(message["message"]))

        await app({"type": "lifespan", "asgi": SCOPE["asgi"]}, receive, send)


async def _environment(af: Authfactor, wanted: str | None) -> Environment:
    if wanted is not None:
        return await af.read(af.environments.find(wanted))
    known = await af.read(lambda tx: tx.environments.all())
    if len(known) > 1:
        names = ", ".join(environment.name for environment in known)
        text = f"There are several environments ({names}). Say which: Client(..., environment=…)."
        raise errors.InvalidRequest(message=text)
    return known[0]
