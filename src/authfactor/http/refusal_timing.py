"""The same response time for every refused password: unknown email, wrong password or code, lock.

What a refusal costs depends on the account: an imported hash may take 1 ms or 400 ms of CPU, our own takes
30. So a refusal is held until a fixed time after the request's start. It only sleeps: the hash is
done, the refusal is committed, and neither a thread nor a database connection waits with it.

What it does occupy is a connection of the server, so the number of held refusals is limited.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Final

from authfactor import errors
from authfactor.http import error_responses
from authfactor.http.response import Response
from authfactor.ip_addresses import client_network
from authfactor.settings import Settings
from authfactor.store.protocol import request_began

REFUSED: Final = 400
# Per process; fewer if the settings allow less than twice as many connections.
MAX_HELD: Final = 256
# The number of an environment, or of the console, and the client's IP address or network, if known.
Client = tuple[int, str | None]
# The refusals that are held: of which environment and network, and until when (seconds of the loop).
_held: Final[dict[asyncio.Future[None], tuple[Client, float]]] = {}


async def hold_refusals(settings: Settings, client: Client, responding: Awaitable[Response]) -> Response:
    """Return the response, but a refusal not before `refusal_time`; the same for a refusal that is raised.

    When too many are held, one of the environment and network that has the most is answered early.
    """
    try:
        response = await responding
    except errors.SignInRefused as refusal:
        if error_responses.status_of(refusal) == REFUSED:
            await _wait(settings, client)
        raise
    if response.status == REFUSED:
        await _wait(settings, client)
    return response


async def hold(settings: Settings, client: Client, responding: Awaitable[Response]) -> Response:
    """Return the response, whatever it is, not before `refusal_time`, so that its time tells nothing."""
    try:
        return await responding
    finally:
        await _wait(settings, client)


async def _wait(settings: Settings, client: Client) -> None:
    loop = asyncio.get_running_loop()
    began, now = request_began.get(), loop.time()
    due = (now if began is None else began) + settings.refusal_time / 1000
    if due > now:
        held = loop.create_future()
        environment, address = client
        _held[held] = (environment, client_network(address)), due
        if len(_held) > min(MAX_HELD, settings.max_connections // 2 or MAX_HELD):
            _answer_one_early()
        timer = loop.call_at(due, _answer, held)
        try:
            await held
        finally:
            timer.cancel()
            _held.pop(held, None)


def _answer_one_early() -> None:
    """Answer the oldest refusal of the environment and network that has the most.

    So a flood shortens the wait of its own refusals only. Which is next depends on when its request began,
    not on how long its hash took.
    """
    ((busiest, _),) = Counter(client for client, _ in _held.values()).most_common(1)
    oldest = min((held for held in _held if _held[held][0] == busiest), key=lambda held: _held[held][1])
    del _held[oldest]
    _answer(oldest)


def _answer(held: asyncio.Future[None]) -> None:
    if not held.done():
        held.set_result(None)
