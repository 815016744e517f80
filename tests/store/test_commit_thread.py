"""The thread for what would make the event loop wait: who is told when, and what happens at its end."""

import asyncio
import threading

import pytest

from authfactor.store.sqlite.commit_thread import CommitThread


async def test_what_comes_then_comes_before_the_caller_goes_on_and_on_the_event_loop() -> None:
    aside, order = CommitThread("test"), list[object]()

    def call() -> str:
        order.append(threading.current_thread().name)
        return "made"

    result = await aside.run(call, [lambda: order.append("meanwhile")], lambda: order.append("then"))
    assert result == "made"
    # The call and what comes meanwhile are on different threads: either may be first.
    assert (set(order[:-1]), order[-1]) == ({"test", "meanwhile"}, "then")
    aside.close()


async def test_nothing_comes_then_when_the_call_fails() -> None:
    aside, order = CommitThread("test"), list[object]()

    def fails() -> None:
        raise OSError("on purpose")

    with pytest.raises(OSError, match="on purpose"):
        await aside.run(fails, on_done=lambda: order.append("then"))
    assert order == []
    assert await aside.run(lambda: 7) == 7
    aside.close()


async def test_a_fault_in_what_comes_then_does_not_keep_the_caller_waiting() -> None:
    loop, said = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _loop, context: said.append(context.get("exception")))
    aside = CommitThread("test")
    assert await asyncio.wait_for(aside.run(lambda: 7, on_done=lambda: said[0]), 10) == 7
    loop.set_exception_handler(None)
    assert [type(error) for error in said] == [IndexError]
    aside.close()


def test_a_call_that_outlives_its_event_loop_ends_quietly() -> None:
    release = threading.Event()

    async def leave() -> threading.Thread:
        aside = CommitThread("test")
        waiting = asyncio.ensure_future(aside.run(lambda: release.wait(10)))
        await asyncio.sleep(0.01)
        aside.close(wait=False)
        waiting.cancel()
        return aside._thread

    thread = asyncio.run(leave())
    release.set()
    thread.join(10)
    assert not thread.is_alive()
