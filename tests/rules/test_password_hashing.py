"""Passwords are hashed off the event loop, in pools of few threads behind queues that are shared fairly."""

import asyncio
import hashlib
import random
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from authfactor import errors
from authfactor.crypto import passwords
from authfactor.crypto.phc import to_base64
from authfactor.rules.authentication.hashing_pool import HashingCaller, HashingPool
from authfactor.rules.authentication.password_hashing import (
    CONSOLE_QUEUE,
    KNOWN_OPERATORS,
    PasswordHasher,
    api_share,
    console_share,
)
from authfactor.settings import Settings

PASSWORD = "several unrelated words"
SHARE = api_share(1)


def new_hasher(*, threads: int = 1, queue: int = 2) -> PasswordHasher:
    settings = Settings(password_threads=threads, password_queue=queue)
    return PasswordHasher(random.Random(7).randbytes, settings, passwords.CHEAPEST)


class BusyPool:
    """A pool of one thread that is held busy until `release`; records the order of the jobs after that."""

    def __init__(self, queue: int) -> None:
        self.pool = HashingPool("test", 1, queue)
        self.order: list[str] = []
        self._held = threading.Event()
        self._holding: asyncio.Task[object] | None = None

    async def hold(self, environment: int = 0, weight: int = 1) -> None:
        requester = HashingCaller(environment, "")
        self._holding = asyncio.create_task(self.pool.run(requester, weight, self._held.wait))
        await asyncio.sleep(0)

    async def submit(self, requester: HashingCaller, name: str = "", weight: int = 1) -> "asyncio.Task[None]":
        """Queue a job; it has its place when this returns."""
        label = name or f"{requester.environment}{requester.network}"
        task = asyncio.create_task(self.pool.run(requester, weight, lambda: self.order.append(label)))
        await asyncio.sleep(0)
        return task

    async def release(self, tasks: "list[asyncio.Task[None]]") -> list[str]:
        """Let the jobs run; return the names of those that did, in their order."""
        self._held.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert self._holding is not None
        await self._holding
        return self.order

    def close(self) -> None:
        self._held.set()
        self.pool.close()


@pytest.fixture
async def busy_pool() -> AsyncIterator[Callable[[int], BusyPool]]:
    made: list[BusyPool] = []

    def make(queue: int) -> BusyPool:
        made.append(BusyPool(queue))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


async def test_hashes_beyond_the_queue_are_refused_with_retry_after() -> None:
    hashing = new_hasher()
    outcomes = await asyncio.gather(
        *(hashing.hash(PASSWORD, SHARE) for _ in range(5)), return_exceptions=True
    )
    assert [isinstance(each, str) for each in outcomes] == [True, True, True, False, False]
    for refused in outcomes[3:]:
        assert isinstance(refused, errors.Unavailable)
        assert refused.retry_after >= 1
    assert await hashing.verify(PASSWORD, await hashing.hash(PASSWORD, SHARE), SHARE)
    hashing.close()


async def test_verification_for_unknown_users_uses_the_same_queue() -> None:
    hashing = new_hasher(queue=1)
    stored = await hashing.hash(PASSWORD, SHARE)
    outcomes = await asyncio.gather(
        hashing.verify(PASSWORD, stored, SHARE),
        hashing.verify(PASSWORD, None, SHARE),
        hashing.verify(PASSWORD, stored, SHARE),
        return_exceptions=True,
    )
    assert outcomes[0] is True
    assert outcomes[1] is False
    assert isinstance(outcomes[2], errors.Unavailable)
    hashing.close()


async def test_queue_slot_is_released_after_an_error() -> None:
    pool = HashingPool("test", 1, 1)

    def fail() -> None:
        raise ZeroDivisionError

    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            await pool.run(HashingCaller(1, ""), 1, fail)
    assert await pool.run(HashingCaller(1, ""), 1, lambda: True)
    pool.close()


async def test_every_hash_has_its_own_salt() -> None:
    hashing = new_hasher()
    assert await hashing.hash(PASSWORD, SHARE) != await hashing.hash(PASSWORD, SHARE)
    hashing.close()


async def test_strangers_at_the_console_neither_delay_the_api_nor_known_operators() -> None:
    """The console's own queue is full; all others are served at once."""
    hashing = new_hasher()
    stored = await hashing.hash(PASSWORD, SHARE)
    held = threading.Event()
    console = hashing._pools["console"]
    holding = asyncio.create_task(console.run(HashingCaller(0, "198.51.100.1"), 1, held.wait))
    await asyncio.sleep(0)
    waiting = [
        asyncio.create_task(hashing.verify("wrong", None, console_share("198.51.100.1")))
        for _ in range(CONSOLE_QUEUE + 150)
    ]
    await asyncio.sleep(0)
    try:
        assert await hashing.verify(PASSWORD, stored, SHARE)
        assert await hashing.verify(PASSWORD, stored, KNOWN_OPERATORS)
    finally:
        held.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    await holding
    assert sum(isinstance(each, errors.Unavailable) for each in outcomes) == 150
    hashing.close()


async def test_environments_take_turns_however_many_jobs_one_has(
    busy_pool: Callable[[int], BusyPool],
) -> None:
    pool = busy_pool(100)
    await pool.hold()
    tasks = [await pool.submit(HashingCaller(1, ""), "loud") for _ in range(20)]
    tasks += [await pool.submit(HashingCaller(2, ""), "quiet") for _ in range(3)]
    assert (await pool.release(tasks))[:6] == ["loud", "quiet"] * 3


async def test_networks_take_turns_within_their_environment(busy_pool: Callable[[int], BusyPool]) -> None:
    pool = busy_pool(100)
    await pool.hold()
    tasks = [await pool.submit(HashingCaller(1, "198.51.100.1"), "loud") for _ in range(20)]
    tasks += [await pool.submit(HashingCaller(1, "203.0.113.7"), "quiet") for _ in range(2)]
    tasks += [await pool.submit(HashingCaller(2, ""), "other environment") for _ in range(2)]
    order = await pool.release(tasks)
    assert order[:4] == ["loud", "other environment", "quiet", "other environment"]
    assert order[4:6] == ["loud", "quiet"]


async def test_full_queue_makes_room_for_the_environment_that_uses_less_of_it(
    busy_pool: Callable[[int], BusyPool],
) -> None:
    pool = busy_pool(8)
    await pool.hold()
    loud = [await pool.submit(HashingCaller(1, ""), "loud") for _ in range(20)]
    quiet = [await pool.submit(HashingCaller(2, ""), "quiet") for _ in range(3)]
    order = await pool.release([*loud, *quiet])
    assert order.count("quiet") == 3
    assert order.count("loud") == 5
    # The oldest of the others keep their places.
    assert [task.exception() is None for task in loud] == [True] * 5 + [False] * 15
    assert isinstance(loud[-1].exception(), errors.Unavailable)


async def test_full_queue_makes_room_for_the_network_that_uses_less_of_it(
    busy_pool: Callable[[int], BusyPool],
) -> None:
    pool = busy_pool(8)
    await pool.hold()
    loud = [await pool.submit(HashingCaller(1, "198.51.100.1"), "loud") for _ in range(20)]
    quiet = [await pool.submit(HashingCaller(1, f"203.0.113.{number}"), "quiet") for number in range(4)]
    order = await pool.release([*loud, *quiet])
    assert (order.count("loud"), order.count("quiet")) == (4, 4)


async def test_environment_that_fills_the_queue_alone_is_refused_itself(
    busy_pool: Callable[[int], BusyPool],
) -> None:
    pool = busy_pool(8)
    await pool.hold()
    quiet = await pool.submit(HashingCaller(2, ""), "quiet")
    loud = [await pool.submit(HashingCaller(1, ""), "loud") for _ in range(8)]
    assert (await pool.release([quiet, *loud])).count("quiet") == 1
    assert isinstance(loud[-1].exception(), errors.Unavailable)


async def test_costly_job_counts_as_several(busy_pool: Callable[[int], BusyPool]) -> None:
    pool = busy_pool(100)
    await pool.hold()
    tasks = [await pool.submit(HashingCaller(1, ""), "costly", weight=3) for _ in range(3)]
    tasks += [await pool.submit(HashingCaller(2, ""), "cheap") for _ in range(6)]
    assert (await pool.release(tasks))[:8] == ["costly", *["cheap"] * 3, "costly", *["cheap"] * 3]


async def test_cost_of_a_running_job_is_remembered(busy_pool: Callable[[int], BusyPool]) -> None:
    """An environment that never has more than one costly job waiting gets no more than its share either."""
    pool = busy_pool(100)
    await pool.hold(1, weight=4)
    tasks = [await pool.submit(HashingCaller(1, ""), "costly", weight=4)]
    tasks += [await pool.submit(HashingCaller(2, ""), "cheap") for _ in range(6)]
    assert (await pool.release(tasks)).index("costly") == 4


async def test_costly_jobs_make_room_first(busy_pool: Callable[[int], BusyPool]) -> None:
    pool = busy_pool(4)
    await pool.hold()
    costly = [await pool.submit(HashingCaller(1, ""), "costly", weight=18) for _ in range(2)]
    cheap = [await pool.submit(HashingCaller(2, ""), "cheap") for _ in range(3)]
    order = await pool.release([*costly, *cheap])
    assert (order.count("costly"), order.count("cheap")) == (1, 3)


async def test_caller_that_gives_up_leaves_its_place(busy_pool: Callable[[int], BusyPool]) -> None:
    pool = busy_pool(2)
    await pool.hold()
    given_up, waiting = [await pool.submit(HashingCaller(1, ""), name) for name in ("given up", "waiting")]
    given_up.cancel()
    await asyncio.sleep(0)
    newcomer = await pool.submit(HashingCaller(1, ""), "newcomer")
    assert await pool.release([given_up, waiting, newcomer]) == ["waiting", "newcomer"]
    assert await pool.pool.run(HashingCaller(1, ""), 1, lambda: "free again") == "free again"


async def test_turn_of_a_caller_that_gives_up_at_that_moment_passes_on(
    busy_pool: Callable[[int], BusyPool],
) -> None:
    pool = busy_pool(2)
    await pool.hold()
    first, second = [await pool.submit(HashingCaller(1, ""), name) for name in ("first", "second")]
    pool.pool._next_turn()  # as when the running job ends
    first.cancel()
    await asyncio.sleep(0)
    assert await pool.release([first, second]) == ["second"]


async def test_caller_that_has_just_given_up_gets_no_turn(busy_pool: Callable[[int], BusyPool]) -> None:
    pool = busy_pool(2)
    await pool.hold()
    first, second = [await pool.submit(HashingCaller(1, ""), name) for name in ("first", "second")]
    first.cancel()
    pool.pool._next_turn()  # before the canceled caller runs
    assert await pool.release([first, second]) == ["second"]


async def test_waiting_jobs_are_canceled_when_the_pool_closes(busy_pool: Callable[[int], BusyPool]) -> None:
    pool = busy_pool(2)
    await pool.hold()
    waiting = await pool.submit(HashingCaller(1, ""))
    pool.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_import_above_the_limit_still_verifies_but_waits_for_no_other_hash() -> None:
    """Earlier releases stored such hashes. Their checks have a thread of their own."""
    hashing = new_hasher(queue=1)
    costly = to_base64(hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), b"salt" * 4, 1_000_001))
    stored = f"{{pbkdf2}}$pbkdf2$i=1000001,d=sha512${to_base64(b'salt' * 4)}${costly}"
    held = threading.Event()
    holding = asyncio.create_task(hashing._costly.run(HashingCaller(1, ""), 18, held.wait))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(hashing.verify(PASSWORD, stored, SHARE))
    await asyncio.sleep(0)
    try:
        assert await hashing.hash(PASSWORD, api_share(2))
        assert not waiting.done()
    finally:
        held.set()
    assert await waiting
    await holding
    hashing.close()
