"""Coroutines that run immediately and become a task at the first suspension."""

import asyncio
import contextlib
from contextvars import ContextVar

import pytest

from authfactor.http1.eager_task import start

NAME: ContextVar[str] = ContextVar("NAME", default="default")


async def test_coroutine_that_never_suspends_creates_no_task() -> None:
    seen: list[str] = []

    async def run() -> None:
        seen.append("ran")

    assert start(asyncio.get_running_loop(), run()) is None
    assert seen == ["ran"]


async def test_suspended_coroutine_resumes_as_a_task_with_the_result() -> None:
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


async def test_result_set_before_the_task_runs_is_not_lost() -> None:
    loop = asyncio.get_running_loop()
    result: asyncio.Future[int] = loop.create_future()

    async def run() -> None:
        assert await result == 1

    task = start(loop, run())
    result.set_result(1)
    assert task is not None
    await asyncio.wait_for(task, 10)


async def test_exception_reaches_the_caller_only_before_the_first_suspension() -> None:
    loop = asyncio.get_running_loop()

    async def fail_at_once() -> None:
        raise KeyError("now")

    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise KeyError("later")

    with pytest.raises(KeyError, match="now"):
        start(loop, fail_at_once())
    task = start(loop, fail_later())
    assert task is not None
    with pytest.raises(KeyError, match="later"):
        await task


async def test_suspended_coroutine_can_be_canceled() -> None:
    seen: list[str] = []

    async def run() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cleaned up")

    task = start(asyncio.get_running_loop(), run())
    assert task is not None
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert seen == ["cleaned up"]


async def test_each_coroutine_keeps_its_context_after_suspending() -> None:
    seen: list[str] = []

    async def run(name: str) -> None:
        NAME.set(name)
        await asyncio.sleep(0)
        seen.append(NAME.get())

    loop = asyncio.get_running_loop()
    tasks = [start(loop, run(name)) for name in ("kim", "lee")]
    assert NAME.get() == "default"
    await asyncio.gather(*(task for task in tasks if task is not None))
    assert seen == ["kim", "lee"]
