"""Units in every store: atomic, isolated, and durable once acknowledged."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from authfactor import errors
from authfactor.models import FailureRecord, UserRecord
from authfactor.store import Store, Tx, Unit, schema

if TYPE_CHECKING:
    from tests.store.conftest import Backend, Rows


class Refused(Exception):
    """An error that a rule raises."""


def user_by_id(user_id: str) -> Unit[UserRecord | None]:
    return lambda tx: tx.users.by_id(1, user_id)


async def ids(store: Store) -> list[str]:
    found = await store.read(
        lambda tx: tx.db.all("SELECT id FROM users WHERE environment = $1 ORDER BY id", 1)
    )
    return [row[0] for row in found]


async def test_schema_version_is_the_required_one(store: Store) -> None:
    assert await store.schema_version() == schema.NEEDED


async def test_each_caller_gets_the_result_of_its_unit(store: Store, rows: "Rows") -> None:
    def numbered(number: int) -> Unit[int]:
        async def unit(tx: Tx) -> int:
            await tx.users.insert(1, rows.user(number))
            return number

        return unit

    results = await asyncio.gather(*(store.write(numbered(number)) for number in range(30)))
    assert results == list(range(30))


async def test_unit_that_raises_is_rolled_back_without_the_rest_of_its_batch(
    store: Store, rows: "Rows"
) -> None:
    def numbered(number: int) -> Unit[str]:
        async def unit(tx: Tx) -> str:
            await tx.users.insert(1, rows.user(number))
            await tx.failures.charge(1, "shared", number)
            if number % 3 == 1:
                raise Refused(number)
            return "done"

        return unit

    outcomes = await asyncio.gather(
        *(store.write(numbered(number)) for number in range(9)),
        return_exceptions=True,
    )
    failed = [outcome.args for outcome in outcomes if isinstance(outcome, Refused)]
    assert failed == [(1,), (4,), (7,)]
    assert outcomes.count("done") == 6
    assert await ids(store) == [rows.user(number).id for number in (0, 2, 3, 5, 6, 8)]
    record = await store.read(lambda tx: tx.failures.of(1, "shared"))
    assert (sorted(record.times), record.in_a_row) == ([0, 2, 3, 5, 6, 8], 6)


async def test_refusal_that_commits_keeps_its_writes_within_a_batch(store: Store, rows: "Rows") -> None:
    def numbered(number: int) -> Unit[str]:
        async def unit(tx: Tx) -> str:
            await tx.users.insert(1, rows.user(number))
            if number % 3 == 1:
                raise errors.Conflict("refused", str(number)).after_commit()
            if number % 3 == 2:
                raise errors.Conflict("refused", str(number))
            return "done"

        return unit

    outcomes = await asyncio.gather(*(store.write(numbered(n)) for n in range(9)), return_exceptions=True)
    refused = [outcome.message for outcome in outcomes if isinstance(outcome, errors.Conflict)]
    assert refused == ["1", "2", "4", "5", "7", "8"]
    assert await ids(store) == [rows.user(number).id for number in (0, 1, 3, 4, 6, 7)]


async def test_refusal_that_commits_keeps_its_writes_outside_a_batch(store: Store, rows: "Rows") -> None:
    async def unit(tx: Tx) -> None:
        await tx.users.insert(1, rows.user(1))
        raise errors.Conflict("refused", "later").after_commit()

    with pytest.raises(errors.Conflict):
        await store.write(unit)
    assert await ids(store) == [rows.user(1).id]


async def test_during_commit_callbacks_run_after_the_unit(store: Store, rows: "Rows") -> None:
    called_within_the_unit: list[list[str]] = []
    called = asyncio.Event()

    async def unit(tx: Tx) -> None:
        tx.during_commit.append(called.set)
        await tx.users.insert(1, rows.user(1))
        called_within_the_unit.append(["called"] if called.is_set() else [])

    await store.write(unit)
    async with asyncio.timeout(10):
        await called.wait()
    assert called_within_the_unit == [[]]
    called.clear()
    await store.write(lambda tx: tx.users.insert(1, rows.user(2)))
    await asyncio.sleep(0.01)
    assert not called.is_set()


async def test_failing_during_commit_callback_does_not_fail_the_unit(store: Store, rows: "Rows") -> None:
    reported: asyncio.Queue[object] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: reported.put_nowait(context["exception"]))
    called = asyncio.Event()

    async def unit(tx: Tx) -> bool:
        tx.during_commit += [lambda: 1 // 0, called.set]
        return await tx.users.insert(1, rows.user(1))

    assert await store.write(unit)
    async with asyncio.timeout(10):
        assert isinstance(await reported.get(), ZeroDivisionError)
        await called.wait()
    assert await ids(store) == ["user_0001"]


async def test_unit_that_catches_its_own_error_keeps_its_writes(store: Store, rows: "Rows") -> None:
    async def unit(tx: Tx) -> None:
        await tx.users.insert(1, rows.user(1))
        with contextlib.suppress(Refused):
            raise Refused
        await tx.users.insert(1, rows.user(2))

    await store.write(unit)
    assert await ids(store) == ["user_0001", "user_0002"]


async def test_writes_are_visible_only_to_their_unit_until_the_commit(store: Store, rows: "Rows") -> None:
    async def unit(tx: Tx) -> tuple[UserRecord | None, UserRecord | None]:
        await tx.users.insert(1, rows.user(1))
        return (
            await tx.users.by_id(1, "user_0001"),
            await store.read(lambda tx: tx.users.by_id(1, "user_0001")),
        )

    assert await store.write(unit) == (rows.user(1), None)
    assert await store.read(lambda tx: tx.users.by_id(1, "user_0001")) == rows.user(1)


async def test_acknowledged_write_is_visible_to_every_store(backend: "Backend", rows: "Rows") -> None:
    first, second = await backend.open(), await backend.open()
    for number in range(10):
        await rows.put(first, rows.user(number))
        assert await ids(second) == [rows.user(seen).id for seen in range(number + 1)]


async def test_readers_never_see_part_of_a_unit(backend: "Backend", rows: "Rows") -> None:
    writer, reader = await backend.open(), await backend.open()

    async def unit(tx: Tx, number: int) -> None:
        await tx.users.insert(1, rows.user(2 * number))
        await tx.users.insert(1, rows.user(2 * number + 1))

    async def write_all() -> None:
        for number in range(40):
            await writer.write(lambda tx: unit(tx, number))  # noqa: B023 - awaited within the iteration

    writing = asyncio.create_task(write_all())
    seen = []
    while not writing.done():
        seen.append(len(await ids(reader)))
        await asyncio.sleep(0)
    await writing
    assert all(count % 2 == 0 for count in seen)
    assert seen == sorted(seen)
    assert len(await ids(reader)) == 80


async def test_acknowledged_writes_survive_reopening(backend: "Backend", rows: "Rows") -> None:
    first = await backend.open()
    await rows.put(first, rows.user(1))
    with contextlib.suppress(Refused):
        await first.write(lambda tx: _refuse(tx, rows))
    await first.close()
    reopened = await backend.open()
    assert await ids(reopened) == ["user_0001"]


async def _refuse(tx: Tx, rows: "Rows") -> None:
    await tx.users.insert(1, rows.user(2))
    raise Refused


async def test_closing_finishes_queued_units_and_refuses_new_ones(backend: "Backend", rows: "Rows") -> None:
    store = await backend.open()
    waiting = [asyncio.create_task(rows.put(store, rows.user(number))) for number in range(20)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    with pytest.raises(errors.Unavailable):
        await rows.put(store, rows.user(99))
    await closing
    assert await asyncio.gather(*waiting) == [True] * 20
    with pytest.raises(errors.Unavailable):
        await rows.put(store, rows.user(99))
    assert len(await ids(await backend.open())) == 20


async def test_store_can_be_closed_twice(backend: "Backend") -> None:
    store = await backend.open()
    await store.close()
    await store.close()


async def test_canceled_caller_does_not_affect_other_units(store: Store, rows: "Rows") -> None:
    tasks = [asyncio.create_task(rows.put(store, rows.user(number))) for number in range(10)]
    await asyncio.sleep(0)
    tasks[4].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [index for index, outcome in enumerate(outcomes) if outcome is not True] == [4]
    stored = await ids(store)
    assert set(stored) >= {rows.user(number).id for number in range(10) if number != 4}
    assert await rows.put(store, rows.user(11))


async def test_concurrent_writes_of_two_stores_are_all_stored(backend: "Backend", rows: "Rows") -> None:
    stores = [await backend.open(), await backend.open()]

    async def count(tx: Tx) -> None:
        record = await tx.failures.charge(1, "counter", 1)
        # Read, then write: correct only if the store serializes writers.
        await tx.failures.write(1, "counter", FailureRecord((), record.in_a_row, None))

    async def work(store: Store, first: int) -> None:
        for number in range(first, first + 60):
            await rows.put(store, rows.user(number))
            await store.write(count)

    await asyncio.gather(*(work(stores[worker % 2], 100 * worker) for worker in range(4)))
    assert len(await ids(stores[0])) == 240
    assert await ids(stores[0]) == await ids(stores[1])
    record = await stores[1].read(lambda tx: tx.failures.of(1, "counter"))
    assert record.in_a_row == 240


async def test_text_values_are_never_interpreted_as_sql(store: Store, rows: "Rows") -> None:
    names = ["'; DROP TABLE users; --", "$1 ?1 :a %s", "FOR UPDATE OF x", "\N{SNOWMAN}" * 100, "line\nbreak"]
    for number, name in enumerate(names):
        await rows.put(store, rows.user(number, name=name))
    for number, name in enumerate(names):
        found = await store.read(user_by_id(rows.user(number).id))
        assert found is not None
        assert found.name == name
