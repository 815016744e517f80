"""Running a coroutine right away as far as it goes without waiting, and the rest, if there is any, as a task.

Python 3.12 has eager tasks for this. Until a coroutine waits for the first time it has no task of its own
here: `asyncio.current_task` names somebody else's, and `asyncio.timeout` must not be used.
"""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any


def start(loop: asyncio.AbstractEventLoop, running: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run a coroutine in a context of its own; None when it has come to its end. Raises what it raises."""
    context = copy_context()
    try:
        waited = context.run(running.send, None)
    except StopIteration:
        return None
    return loop.create_task(_finish(running, waited), context=context)


async def _finish(running: Coroutine[Any, Any, None], waited: object) -> None:
    await _ResumedCoroutine(running, waited)


class _ResumedCoroutine:
    """A coroutine that has run up to its first wait, to be awaited from there on."""

    __slots__ = ("_running", "_waited")

    def __init__(self, running: Coroutine[Any, Any, None], waited: object) -> None:
        self._running = running
        self._waited = waited

    def __await__(self) -> Generator[object, Any, None]:
        waited = self._waited
        try:
            while True:
                try:
                    given = yield waited
                except BaseException as error:  # noqa: BLE001 - handed on
                    waited = self._running.throw(error)
                else:
                    waited = self._running.send(given)
        except StopIteration:
            return
