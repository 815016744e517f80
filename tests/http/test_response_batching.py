"""In which order connections begin to answer, what leaves when, and that one cannot hold the others up."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from authfactor.http1.response_batching import ResponseBatcher


@dataclass
class Wire:
    """A transport that notes what is written to it."""

    written: list[bytes]
    closed: bool = False

    def is_closing(self) -> bool:
        return self.closed

    def write(self, content: bytes) -> None:
        self.written.append(content)


@dataclass
class Client:
    """A connection that notes when it begins, or fails to, and answers at once if it has somebody to tell."""

    last_response_number: int
    begun: list[int]
    broken: bool = False
    turns: ResponseBatcher | None = None
    wire: Any = field(default_factory=lambda: Wire([]))

    def start_request(self) -> None:
        if self.broken:
            raise RuntimeError("on purpose")
        self.begun.append(self.last_response_number)
        if self.turns is not None:
            self.turns.send(self.wire, b"%d" % self.last_response_number)


async def test_they_begin_together_and_who_was_answered_longest_ago_is_first() -> None:
    turns, begun = ResponseBatcher(), list[int]()
    for last_response_number in (3, 1, 2):
        turns.enqueue(Client(last_response_number, begun))
    assert begun == []
    await asyncio.sleep(0)
    assert begun == [1, 2, 3]


async def test_one_that_cannot_begin_keeps_nobody_else_from_it() -> None:
    loop = asyncio.get_running_loop()
    said: list[str] = []
    loop.set_exception_handler(lambda _loop, context: said.append(str(context.get("exception"))))
    turns, begun = ResponseBatcher(), list[int]()
    for last_response_number in (3, 1, 2):
        turns.enqueue(Client(last_response_number, begun, broken=last_response_number == 2))
    for _ in range(3):
        await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert begun == [1, 3]
    assert said == ["on purpose"]


async def test_answers_that_need_no_wait_leave_once_all_have_begun() -> None:
    turns, begun = ResponseBatcher(), list[int]()
    wire = Wire([])
    for last_response_number in (2, 1):
        turns.enqueue(Client(last_response_number, begun, turns=turns, wire=wire))
    await asyncio.sleep(0)
    assert (begun, wire.written) == ([1, 2], [])
    await asyncio.sleep(0)
    assert wire.written == [b"1", b"2"]


async def test_what_is_sent_at_another_time_leaves_at_once_but_overtakes_nothing() -> None:
    turns, wire = ResponseBatcher(), Wire([])
    turns.send(wire, b"before")  # type: ignore[arg-type]  # as much of a transport as is needed
    assert wire.written == [b"before"]
    turns.enqueue(Client(1, [], turns=turns, wire=wire))
    await asyncio.sleep(0)
    turns.send(wire, b"after")  # type: ignore[arg-type]  # as much of a transport as is needed
    assert wire.written == [b"before", b"1", b"after"]
    await asyncio.sleep(0)
    assert wire.written == [b"before", b"1", b"after"]


async def test_nothing_is_written_to_who_is_gone() -> None:
    turns = ResponseBatcher()
    clients = [Client(number, [], turns=turns) for number in range(2)]
    for client in clients:
        turns.enqueue(client)
    await asyncio.sleep(0)
    clients[0].wire.closed = True
    turns.flush()
    assert [client.wire.written for client in clients] == [[], [b"1"]]


async def test_those_who_are_told_of_a_commit_are_answered_together_before_anything_else_goes_on() -> None:
    turns, wire, loop = ResponseBatcher(), Wire([]), asyncio.get_running_loop()
    told = [loop.create_future() for _ in range(3)]
    seen: list[list[bytes]] = []

    async def answer(number: int) -> None:
        await told[number]
        turns.send(wire, b"%d" % number)  # type: ignore[arg-type]  # as much of a transport as is needed
        seen.append(wire.written[:])

    tasks = [asyncio.create_task(answer(number)) for number in range(3)]
    await asyncio.sleep(0)
    for future in told:
        future.set_result(None)
    turns.hold_until_resumed()
    loop.call_soon(lambda: seen.append(wire.written[:]))
    await asyncio.gather(*tasks)
    assert seen == [[], [], [], [b"0", b"1", b"2"]]
    turns.send(wire, b"later")  # type: ignore[arg-type]  # as much of a transport as is needed
    assert wire.written[3:] == [b"later"]


async def test_requests_that_begin_while_answers_are_held_back_leave_with_them() -> None:
    turns, wire = ResponseBatcher(), Wire([])
    turns.enqueue(Client(1, [], turns=turns, wire=wire))
    turns.hold_until_resumed()
    turns.send(wire, b"0")  # type: ignore[arg-type]  # as much of a transport as is needed
    await asyncio.sleep(0)
    assert wire.written == [b"0", b"1"]


async def test_one_that_cannot_be_written_to_keeps_nobody_else_from_an_answer() -> None:
    class Broken(Wire):
        def write(self, content: bytes) -> None:
            raise RuntimeError(content)

    turns, wires = ResponseBatcher(), [Wire([]), Broken([]), Wire([])]
    turns.hold_until_resumed()
    for wire in wires:
        turns.send(wire, b"answer")  # type: ignore[arg-type]  # as much of a transport as is needed
    with pytest.raises(RuntimeError, match="answer"):
        turns.flush()
    await asyncio.sleep(0)
    assert [wire.written for wire in wires] == [[b"answer"], [], [b"answer"]]
