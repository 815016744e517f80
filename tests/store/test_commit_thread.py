"""The commit thread: the order of its callbacks, errors, and shutdown."""

import asyncio
import threading

import pytest

from authfactor.store.sqlite.commit_thread import CommitThread


async def test_on_done_runs_on_the_event_loop_before_the_caller_resumes() -> None:
    commit_thread, order = CommitThread("test"), list[object]()

    def call() -> str:
        order.append(threading.current_thread().name)
        return "result"

    result = await commit_thread.run(call, [lambda: order.append("during")], lambda: order.append("done"))
    assert result == "result"
    # The call and the `during` callbacks run on different threads, so either may be first.
    assert (set(order[:-1]), order[-1]) == ({"test", "during"}, "done")
    commit_thread.close()


async def test_on_done_is_skipped_when_the_call_fails() -> None:
    commit_thread, order = CommitThread("test"), list[object]()

    def fails() -> None:
        raise OSError("on purpose")

    with pytest.raises(OSError, match="on purpose"):
        await commit_thread.run(fails, on_done=lambda: order.append("done"))
    assert order == []
    assert await commit_thread.run(lambda: 7) == 7
    commit_thread.close()


async def test_error_in_on_done_does_not_block_the_caller() -> None:
    loop, reported = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _loop, context: reported.append(context.get("exception")))
    commit_thread = CommitThread("test")
    assert await asyncio.wait_for(commit_thread.run(lambda: 7, on_done=lambda: reported[0]), 10) == 7
    loop.set_exception_handler(None)
    assert [type(error) for error in reported] == [IndexError]
    commit_thread.close()


def test_call_that_outlives_its_event_loop_ends_its_thread() -> None:
    release = threading.Event()

    async def leave() -> threading.Thread:
        commit_thread = CommitThread("test")
        waiting = asyncio.ensure_future(commit_thread.run(lambda: release.wait(10)))
        await asyncio.sleep(0.01)
        commit_thread.close(wait=False)
        waiting.cancel()
        return commit_thread._thread

    thread = asyncio.run(leave())
    release.set()
    thread.join(10)
    assert not thread.is_alive()
