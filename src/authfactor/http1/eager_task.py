"""Eager tasks for Python 3.11: run a coroutine at once, and make a task only if it suspends.

Python 3.12 has `asyncio.eager_task_factory`. Here a coroutine has no task of its own until it first suspends:
`asyncio.current_task` returns another task or None, and `asyncio.timeout` must not be used.
"""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any


def start(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run a coroutine in a copy of the current context until it finishes or suspends.

    Returns a task for the rest, or None if it finished. Raises what the coroutine raises before it suspends.
    """
    context = copy_context()
    try:
        yielded = context.run(coroutine.send, None)
    except StopIteration:
        return None
    return loop.create_task(_resume(coroutine, yielded), context=context)


async def _resume(coroutine: Coroutine[Any, Any, None], yielded: object) -> None:
    await _ResumedCoroutine(coroutine, yielded)


class _ResumedCoroutine:
    """Awaits the rest of a coroutine that has run up to its first suspension and yielded `yielded`."""

    __slots__ = ("_coroutine", "_yielded")

    def __init__(self, coroutine: Coroutine[Any, Any, None], yielded: object) -> None:
        self._coroutine = coroutine
        self._yielded = yielded

    def __await__(self) -> Generator[object, Any, None]:
        yielded = self._yielded
        try:
            while True:
                try:
                    sent = yield yielded
                except BaseException as error:  # noqa: BLE001 - thrown into the coroutine
                    yielded = self._coroutine.throw(error)
                else:
                    yielded = self._coroutine.send(sent)
        except StopIteration:
            return
