"""The ASGI application: reads a request, lets it in, finds its handler, sends the answer.

Written on bare ASGI because a framework's request and route layer costs more than everything the
handlers do (decision 0001); pages and lifespan may use one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.delivering import deliver_forever
from authfactor.http import api, guard, links_api, operations, problems, signin_api, webhooks_api
from authfactor.http.call import Call
from authfactor.http.pages.routes import ROUTES as PAGES
from authfactor.http.routing import Router
from authfactor.models import Answer
from authfactor.store.base import request_began

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Opener = Callable[[], Awaitable[Authfactor]]
HOUSEKEEPING_SECONDS: Final = 60
_BODILESS: Final = frozenset({"GET", "DELETE", "HEAD"})

ROUTES: Final = [*api.ROUTES, *signin_api.ROUTES, *webhooks_api.ROUTES, *links_api.ROUTES]

log = logging.getLogger("authfactor.http")


class App:
    """The application. `opener` opens the installation at start-up, inside the server's event loop."""

    def __init__(self, opener: Opener) -> None:
        """Open nothing yet: the application is handed to worker processes as it is."""
        self._opener = opener
        self._door: Door | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Speak ASGI 3."""
        if scope["type"] == "http" and self._door is not None:
            await self._door.answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            af = await self._opener()
        except Exception as error:  # noqa: BLE001 - the server prints the message and exits
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        self._door = Door(af)
        at_work = [asyncio.create_task(work(af)) for work in BACKGROUND]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)
        await af.close()
        await send({"type": "lifespan.shutdown.complete"})


class Door:
    """The open application: answers requests."""

    def __init__(self, af: Authfactor) -> None:
        """Build the routes once."""
        self._af = af
        self._router = Router([*ROUTES, *operations.routes(ROUTES), *PAGES])
        self._request_id = guard.RequestIds(af)
        self._time = asyncio.get_running_loop().time

    async def answer(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong becomes an answer too."""
        request_id = self._request_id()
        request_began.set(self._time())
        extra: guard.Headers = []
        try:
            answer = await self._answer(scope, receive)
        except errors.AuthfactorError as error:
            answer, extra = problems.render(error), problems.headers(error)
        except Exception:
            # The request id is all that leaves the house; what went wrong stays in the log.
            log.exception("unexpected failure, request %s", request_id)
            answer = problems.render(
                errors.AuthfactorError("Something went wrong. The request id names it in our log.")
            )
        headers = guard.answer_headers(request_id, answer, extra)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body if scope["method"] != "HEAD" else b""})

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        method: str = scope["method"]
        path: str = scope["raw_path"].decode("latin-1")
        headers = dict(scope["headers"])
        match = self._router.find("GET" if method == "HEAD" else method, path)
        # Before the body is read: a stranger's bytes are not worth memory.
        caller = await guard.caller_of(self._af, headers) if match.route.needs_key else None
        body = b"" if method in _BODILESS else await _body(receive, headers, self._af.settings.max_body)
        call = Call(
            self._af, method, path, scope["query_string"], headers, body, match.ids, match.route.status
        )
        call.caller = caller
        return await match.route.handler(call)


async def _body(receive: Receive, headers: dict[bytes, bytes], most: int) -> bytes:
    """Read the body, never more than `most` bytes of it."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most:
        raise errors.BodyTooLarge(message=f"The request body is larger than {most} bytes.")
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > most:
            raise errors.BodyTooLarge(message=f"The request body is larger than {most} bytes.")
    return body


async def _keep_house(af: Authfactor) -> None:
    """Do now and then what no request should wait for."""
    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        try:
            await af.note_used_keys()
            await af.cleaning.run(af.store)
        except errors.AuthfactorError as error:
            log.warning("housekeeping was put off: %s", error.message)
        except Exception:
            log.exception("unexpected failure in housekeeping; it goes on in a minute")


BACKGROUND: Final = (deliver_forever, _keep_house)
