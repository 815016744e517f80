"""Answers of `authenticate` that a page of a listed origin may read (contract section 3.9).

Only listed origins are named, each exactly, never `*`: such answers carry tokens. Every response of the
server has `Vary: origin`. Requests without `Origin`,
as servers send them, do not get here.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from authfactor import errors
from authfactor.http import error_responses
from authfactor.http.error_responses import AUTHENTICATE
from authfactor.http.request import Request
from authfactor.http.response import Response

_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"content-type, accept, x-workos-client, x-workos-sdk-version"),
    # Chrome asks again after two hours at the latest.
    (b"access-control-max-age", b"600"),
)
MAX_ORIGIN: Final = 255


async def answer_preflight(request: Request) -> Response:
    """Say whether a page may call `authenticate`. A preflight names no client, so any list will do."""
    origin = _origin(request)
    if origin is None or not await request.af.read(lambda tx: tx.cors_origins.any_has(origin)):
        return Response(204, b"")
    return Response(204, b"", (*_allow(origin), *_PREFLIGHT))


async def answer(request: Request, respond: Callable[[Request], Awaitable[Response]]) -> Response:
    """Respond to a page: its origin must be on the list of the client that the body names."""
    try:
        response = await respond(request)
    except errors.AuthfactorError as error:
        response = error_responses.render(error, AUTHENTICATE)
        headers = (*response.headers, *error_responses.headers(error))
        response = msgspec.structs.replace(response, headers=headers)
    return msgspec.structs.replace(response, headers=(*response.headers, *await _headers(request)))


async def _headers(request: Request) -> tuple[tuple[bytes, bytes], ...]:
    origin, caller = _origin(request), request.caller
    if origin is None or caller is None:
        # Without a client there is no list. The page learns that its call failed.
        return ()
    number = caller.environment.number
    listed = await request.af.read(lambda tx: tx.cors_origins.has(number, origin))
    return _allow(origin) if listed else ()


def _origin(request: Request) -> str | None:
    text = request.headers.get(b"origin", b"").decode("latin-1")
    return text if 0 < len(text) <= MAX_ORIGIN and text.isascii() and "\0" not in text else None


def _allow(origin: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"access-control-allow-origin", origin.encode()),
        (b"access-control-allow-credentials", b"true"),
    )
