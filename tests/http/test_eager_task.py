"""Coroutines that run right away, and become a task where they wait."""

import asyncio
import contextlib
from contextvars import ContextVar

import pytest

from authfactor.http1.eager_task import start

WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


async def test_what_never_waits_is_done_without_a_task() -> None:
    seen: list[str] = []

    async def run() -> None:
        seen.append("ran")

    assert start(asyncio.get_running_loop(), run()) is None
    assert seen == ["ran"]


async def test_what_waits_goes_on_as_a_task_with_what_it_waited_for() -> None:
    loop = asyncio.get_running_loop()
    first: asyncio.Future[str] = loop.create_future()
    second: asyncio.Future[str] = loop.create_future()
    seen: list[object] = []

    async def run() -> None:
        seen.append(await first)
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        try:
            await second
        except ValueError as error:
            seen.append(str(error))
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        seen.append("end")

    task = start(loop, run())
    assert task is not None
    assert seen == []
    first.set_result("value")
    second.set_exception(ValueError("refused"))
    await task
    assert seen == ["value", task, "refused", "end"]


async def test_what_was_done_before_the_task_looked_is_not_missed() -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[int] = loop.create_future()

    async def run() -> None:
        assert await done == 1

    task = start(loop, run())
    done.set_result(1)
    assert task is not None
    await asyncio.wait_for(task, 10)


async def test_a_failure_is_the_callers_before_the_first_wait_and_the_tasks_after_it() -> None:
    loop = asyncio.get_running_loop()

    async def at_once() -> None:
        raise KeyError("now")

    async def later() -> None:
        await asyncio.sleep(0)
        raise KeyError("later")

    with pytest.raises(KeyError, match="now"):
        start(loop, at_once())
    task = start(loop, later())
    assert task is not None
    with pytest.raises(KeyError, match="later"):
        await task


async def test_it_can_be_cancelled_where_it_waits() -> None:
    seen: list[str] = []

    async def run() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("let go")

    task = start(asyncio.get_running_loop(), run())
    assert task is not None
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert seen == ["let go"]


async def test_each_has_a_context_of_its_own_also_after_it_waited() -> None:
    seen: list[str] = []

    async def run(name: str) -> None:
        WHO.set(name)
        await asyncio.sleep(0)
        seen.append(WHO.get())

    loop = asyncio.get_running_loop()
    tasks = [start(loop, run(name)) for name in ("kim", "lee")]
    assert WHO.get() == "nobody"
    await asyncio.gather(*(task for task in tasks if task is not None))
    assert seen == ["kim", "lee"]
