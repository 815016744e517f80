"""The same response time for every refused password: unknown email, wrong password or code, lock.

What a refusal costs depends on the account: an imported hash may take 1 ms or 400 ms of CPU, our own takes
30. So a refusal is held until a fixed time after the request's start. It only sleeps: the hash is
done, the refusal is committed, and neither a thread nor a database connection waits with it.
"""

import asyncio
from collections.abc import Awaitable

from authfactor import errors
from authfactor.http import error_responses
from authfactor.http.response import Response
from authfactor.settings import Settings
from authfactor.store.protocol import request_began

REFUSED = 400


async def hold_refusals(settings: Settings, responding: Awaitable[Response]) -> Response:
    """Return the response, but a refusal not before `refusal_time`; the same for a refusal that is raised."""
    try:
        response = await responding
    except errors.SignInRefused as refusal:
        if error_responses.status_of(refusal) == REFUSED:
            await _wait(settings)
        raise
    if response.status == REFUSED:
        await _wait(settings)
    return response


async def _wait(settings: Settings) -> None:
    now = asyncio.get_running_loop().time()
    began = request_began.get()
    rest = (now if began is None else began) + settings.refusal_time / 1000 - now
    if rest > 0:
        await asyncio.sleep(rest)
