"""In which order connections begin to answer, and that one of them cannot hold the others up."""

import asyncio
from dataclasses import dataclass

from authfactor.http.fairness import Queue


@dataclass
class Client:
    """A connection that notes when it begins, or fails to."""

    answered_at: int
    begun: list[int]
    broken: bool = False

    def begin(self) -> None:
        if self.broken:
            raise RuntimeError("on purpose")
        self.begun.append(self.answered_at)


async def test_they_begin_together_and_who_was_answered_longest_ago_is_first() -> None:
    queue, begun = Queue(), list[int]()
    for answered_at in (3, 1, 2):
        queue.add(Client(answered_at, begun))
    assert begun == []
    await asyncio.sleep(0)
    assert begun == [1, 2, 3]


async def test_one_that_cannot_begin_keeps_nobody_else_from_it() -> None:
    loop = asyncio.get_running_loop()
    said: list[str] = []
    loop.set_exception_handler(lambda _loop, context: said.append(str(context.get("exception"))))
    queue, begun = Queue(), list[int]()
    for answered_at in (3, 1, 2):
        queue.add(Client(answered_at, begun, broken=answered_at == 2))
    for _ in range(3):
        await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert begun == [1, 3]
    assert said == ["on purpose"]
