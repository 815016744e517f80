"""`ResponseBatcher`: in which order requests start, when responses are written, and isolated failures."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from authfactor.http1.response_batching import ResponseBatcher


@dataclass
class FakeTransport:
    """A transport that records what is written to it."""

    written: list[bytes]
    closed: bool = False

    def is_closing(self) -> bool:
        return self.closed

    def write(self, content: bytes) -> None:
        self.written.append(content)


@dataclass
class FakeConnection:
    """A connection that records its start, or fails to start, and responds at once if it has a batcher."""

    last_response_number: int
    started: list[int]
    broken: bool = False
    batcher: ResponseBatcher | None = None
    transport: Any = field(default_factory=lambda: FakeTransport([]))

    def start_request(self) -> None:
        if self.broken:
            raise RuntimeError("on purpose")
        self.started.append(self.last_response_number)
        if self.batcher is not None:
            self.batcher.send(self.transport, b"%d" % self.last_response_number)


async def test_queued_requests_start_together_least_recently_served_first() -> None:
    batcher, started = ResponseBatcher(), list[int]()
    for last_response_number in (3, 1, 2):
        batcher.enqueue(FakeConnection(last_response_number, started))
    assert started == []
    await asyncio.sleep(0)
    assert started == [1, 2, 3]


async def test_failed_start_does_not_prevent_other_starts() -> None:
    loop = asyncio.get_running_loop()
    reported: list[str] = []
    loop.set_exception_handler(lambda _loop, context: reported.append(str(context.get("exception"))))
    batcher, started = ResponseBatcher(), list[int]()
    for last_response_number in (3, 1, 2):
        batcher.enqueue(FakeConnection(last_response_number, started, broken=last_response_number == 2))
    for _ in range(3):
        await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert started == [1, 3]
    assert reported == ["on purpose"]


async def test_immediate_responses_are_written_after_all_requests_started() -> None:
    batcher, started = ResponseBatcher(), list[int]()
    transport = FakeTransport([])
    for last_response_number in (2, 1):
        batcher.enqueue(FakeConnection(last_response_number, started, batcher=batcher, transport=transport))
    await asyncio.sleep(0)
    assert (started, transport.written) == ([1, 2], [])
    await asyncio.sleep(0)
    assert transport.written == [b"1", b"2"]


async def test_unbatched_response_is_written_at_once_and_in_order() -> None:
    batcher, transport = ResponseBatcher(), FakeTransport([])
    batcher.send(transport, b"before")  # type: ignore[arg-type]  # a partial transport
    assert transport.written == [b"before"]
    batcher.enqueue(FakeConnection(1, [], batcher=batcher, transport=transport))
    await asyncio.sleep(0)
    batcher.send(transport, b"after")  # type: ignore[arg-type]  # a partial transport
    assert transport.written == [b"before", b"1", b"after"]
    await asyncio.sleep(0)
    assert transport.written == [b"before", b"1", b"after"]


async def test_nothing_is_written_to_a_closed_transport() -> None:
    batcher = ResponseBatcher()
    connections = [FakeConnection(number, [], batcher=batcher) for number in range(2)]
    for connection in connections:
        batcher.enqueue(connection)
    await asyncio.sleep(0)
    connections[0].transport.closed = True
    batcher.flush()
    assert [connection.transport.written for connection in connections] == [[], [b"1"]]


async def test_responses_of_one_commit_are_flushed_together() -> None:
    batcher, transport, loop = ResponseBatcher(), FakeTransport([]), asyncio.get_running_loop()
    waiters = [loop.create_future() for _ in range(3)]
    snapshots: list[list[bytes]] = []

    async def respond(number: int) -> None:
        await waiters[number]
        batcher.send(transport, b"%d" % number)  # type: ignore[arg-type]  # a partial transport
        snapshots.append(transport.written[:])

    tasks = [asyncio.create_task(respond(number)) for number in range(3)]
    await asyncio.sleep(0)
    for waiter in waiters:
        waiter.set_result(None)
    batcher.hold_until_resumed()
    loop.call_soon(lambda: snapshots.append(transport.written[:]))
    await asyncio.gather(*tasks)
    assert snapshots == [[], [], [], [b"0", b"1", b"2"]]
    batcher.send(transport, b"later")  # type: ignore[arg-type]  # a partial transport
    assert transport.written[3:] == [b"later"]


async def test_requests_started_during_a_hold_are_flushed_with_it() -> None:
    batcher, transport = ResponseBatcher(), FakeTransport([])
    batcher.enqueue(FakeConnection(1, [], batcher=batcher, transport=transport))
    batcher.hold_until_resumed()
    batcher.send(transport, b"0")  # type: ignore[arg-type]  # a partial transport
    await asyncio.sleep(0)
    assert transport.written == [b"0", b"1"]


async def test_failed_write_does_not_prevent_other_responses() -> None:
    class BrokenTransport(FakeTransport):
        def write(self, content: bytes) -> None:
            raise RuntimeError(content)

    batcher, transports = ResponseBatcher(), [FakeTransport([]), BrokenTransport([]), FakeTransport([])]
    batcher.hold_until_resumed()
    for transport in transports:
        batcher.send(transport, b"response")  # type: ignore[arg-type]  # a partial transport
    with pytest.raises(RuntimeError, match="response"):
        batcher.flush()
    await asyncio.sleep(0)
    assert [transport.written for transport in transports] == [[b"response"], [], [b"response"]]
