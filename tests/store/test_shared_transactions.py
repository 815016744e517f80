"""Units of one kind that wait share a PostgreSQL transaction, and nothing else (decision 0040)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from authfactor import errors
from authfactor.store import Shared, Single, Tx
from authfactor.store.postgres import waiting_units
from authfactor.store.postgres.shared_transaction import RequestingDb, SharingUnit, UndoneByNeighbor
from authfactor.store.postgres.store import PostgresStore
from tests.store.conftest import PostgresOpener
from tests.support.postgres_server import PostgresServer

ROWS = 8
TIME_LIMIT = 10
ADD = "UPDATE counter SET n = n + $3 WHERE environment = $1 AND id = $2"
LOCK = "SELECT id FROM counter WHERE environment = $1 AND id = $2 FOR UPDATE"
SLOW_LOCK = "SELECT id, pg_sleep(0.01) FROM counter WHERE environment = $1 AND id = $2 FOR UPDATE"
SLOW_UPSERT = """
INSERT INTO counter (environment, id, n) SELECT $1::int, $2::int, $3::int FROM pg_sleep(0.01)
ON CONFLICT (environment, id) DO UPDATE SET n = counter.n + excluded.n
"""
PUT = "INSERT INTO counter (environment, id, n) VALUES ($1, $2, $3)"

UnitOfRow = Callable[[Tx, int], Awaitable[Any]]


@pytest.fixture
async def counter(postgres_server: PostgresServer) -> str:
    """Create a database with a few counters; return its URL."""
    name = postgres_server.create_database()
    postgres_server.sql(
        "CREATE TABLE counter (environment int, id int, n int, PRIMARY KEY (environment, id));"
        "INSERT INTO counter SELECT 1, id, 0 FROM generate_series(1, 8) id",
        name,
    )
    return postgres_server.url(name)


async def add(tx: Tx, row: int) -> int:
    """Count once and return the id of the transaction."""
    assert await tx.db.run(ADD, 1, row, 1) == 1
    return await transaction(tx)


def unit_of(work: UnitOfRow, row: int) -> Shared[Any]:
    return Shared("test", lambda tx: work(tx, row))


async def transaction(tx: Tx) -> int:
    found = await tx.db.one("SELECT pg_current_xact_id()::text::int")
    assert found is not None
    return int(found[0])


def at_once(store: PostgresStore, unit: UnitOfRow, rows: list[int]) -> "asyncio.Future[list[Any]]":
    """Write one unit for each row at the same time, so that all share a transaction."""
    return asyncio.gather(*(store.write(unit_of(unit, row)) for row in rows), return_exceptions=True)


async def counts(store: PostgresStore) -> list[int]:
    rows = await store.read(lambda tx: tx.db.all("SELECT n FROM counter ORDER BY id"))
    return [row[0] for row in rows]


ALL = list(range(1, ROWS + 1))


async def test_units_at_once_share_one_transaction(open_postgres: PostgresOpener, counter: str) -> None:
    store = open_postgres(counter)
    outcomes = await at_once(store, add, ALL)
    assert len(set(outcomes)) == 1
    assert await counts(store) == [1] * ROWS
    assert (store.stats().units, store.stats().undone) == (ROWS, 0)


async def test_unit_that_is_not_shared_has_its_own_transaction(
    open_postgres: PostgresOpener, counter: str
) -> None:
    store = open_postgres(counter)
    outcomes = await asyncio.gather(*(store.write(unit_of(add, row).unit) for row in ALL))
    assert len(set(outcomes)) == ROWS


async def test_units_that_arrive_during_a_transaction_share_the_next(
    open_postgres: PostgresOpener, counter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_units, "LONGEST_WAIT", TIME_LIMIT)
    store = open_postgres(counter)
    both_run = asyncio.Event()
    running = 0

    async def late(row: int) -> Any:  # noqa: ANN401 - a result or an error
        await both_run.wait()
        for _ in range(row):  # each in its own iteration of the event loop
            await asyncio.sleep(0)
        return await store.write(unit_of(add, row))

    async def slow(tx: Tx) -> int:
        nonlocal running
        running += 1
        if running == waiting_units.IN_FLIGHT:
            both_run.set()
        await both_run.wait()
        await tx.db.one("SELECT pg_sleep(0.2)")
        return await transaction(tx)

    tasks: list[asyncio.Future[int]] = []
    while running < waiting_units.IN_FLIGHT:
        if len(tasks) == running:
            tasks.append(asyncio.ensure_future(store.write(Shared("test", slow))))
        await asyncio.sleep(0.001)
    outcomes = await asyncio.gather(*map(late, ALL))
    alone = await asyncio.gather(*tasks)
    assert len(set(outcomes)) == 1
    assert not set(outcomes) & set(alone)


@pytest.mark.parametrize("after_writing", [False, True])
async def test_failing_unit_fails_no_neighbor(
    open_postgres: PostgresOpener, counter: str, *, after_writing: bool
) -> None:
    store = open_postgres(counter)

    async def fail_for_three(tx: Tx, row: int) -> int:
        if row == 3 and not after_writing:
            raise errors.NotFound("User", "user_3")
        which = await add(tx, row)
        if row == 3:
            raise errors.NotFound("User", "user_3")
        return which

    outcomes = await at_once(store, fail_for_three, ALL)
    assert isinstance(outcomes[2], errors.NotFound)
    others = [outcome for row, outcome in zip(ALL, outcomes, strict=True) if row != 3]
    assert all(isinstance(outcome, int) for outcome in others)
    assert await counts(store) == [row != 3 for row in ALL]
    # Without anything to undo, the others keep their transaction.
    assert (len(set(others)) == 1) is not after_writing


async def test_refusal_after_commit_keeps_its_writes(open_postgres: PostgresOpener, counter: str) -> None:
    store = open_postgres(counter)

    async def refuse_three(tx: Tx, row: int) -> int:
        which = await add(tx, row)
        if row == 3:
            raise errors.NotFound("User", "user_3").after_commit()
        return which

    outcomes = await at_once(store, refuse_three, ALL)
    assert isinstance(outcomes[2], errors.NotFound)
    assert len(set(outcomes[:2] + outcomes[3:])) == 1
    assert await counts(store) == [1] * ROWS


async def test_units_of_one_statement_commit_with_it(open_postgres: PostgresOpener, counter: str) -> None:
    store = open_postgres(counter)

    async def insert(tx: Tx, row: int) -> int:
        if await tx.db.run(f"{PUT} ON CONFLICT DO NOTHING", 1, row, 7) == 0:
            raise errors.NotFound("User", str(row))
        return row

    def unit(row: int) -> Shared[int]:
        return Shared("single", Single(lambda tx: insert(tx, row)))

    units = [unit(row) for row in (3, 11, 12, 12)]
    outcomes = await asyncio.gather(*map(store.write, units), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [errors.NotFound, int, int, errors.NotFound]
    assert (await counts(store))[ROWS:] == [7, 7]
    assert store.stats().undone == 0


async def test_refused_insert_is_refused_to_its_own_unit(open_postgres: PostgresOpener, counter: str) -> None:
    store = open_postgres(counter)

    async def insert(tx: Tx, row: int) -> int:
        return await tx.db.run(f"{PUT} ON CONFLICT DO NOTHING", 1, row, 0)

    assert await at_once(store, insert, [3, 11, 12, 12]) == [0, 1, 1, 0]
    assert store.stats().undone == 0


async def test_two_units_never_hold_the_same_row_in_one_transaction(
    open_postgres: PostgresOpener, counter: str
) -> None:
    store = open_postgres(counter)

    async def lock_and_add(tx: Tx, row: int) -> int:
        assert await tx.db.one(LOCK, 1, row) is not None
        found = await tx.db.one("SELECT n FROM counter WHERE environment = $1 AND id = $2", 1, row)
        assert found is not None
        await tx.db.run("UPDATE counter SET n = $3 WHERE environment = $1 AND id = $2", 1, row, found[0] + 1)
        return await transaction(tx)

    outcomes = await at_once(store, lock_and_add, [1, 2, 1, 1, 3, 1])
    assert await counts(store) == [4, 1, 1, 0, 0, 0, 0, 0]
    assert outcomes[0] == outcomes[1] == outcomes[4]
    assert len({outcomes[0], outcomes[2], outcomes[3], outcomes[5]}) == 4


async def test_each_unit_gets_its_own_rows(open_postgres: PostgresOpener, counter: str) -> None:
    store = open_postgres(counter)

    async def read(tx: Tx, row: int) -> tuple[object, object, int]:
        one = await tx.db.one("SELECT id FROM counter WHERE environment = $1 AND id = $2", 1, row)
        below = await tx.db.all("SELECT id FROM counter WHERE environment = $1 AND id < $2", 1, row)
        matched = await tx.db.run_while_matched(
            (ADD, (1, row, 1)), ("DELETE FROM counter WHERE environment = $1 AND id = $2 - 100", (1, row))
        )
        return one and one[0], sorted(each[0] for each in below), matched

    outcomes = await at_once(store, read, [9, 8, 1, 107])
    assert outcomes == [(None, ALL, 0), (8, ALL[:-1], 1), (1, [], 1), (None, ALL, 0)]


async def test_lost_answer_to_a_shared_commit_is_unknown_to_each_and_not_repeated(
    open_postgres: PostgresOpener, counter: str
) -> None:
    await _run(
        counter,
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON counter DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION die()",
    )
    store, runs = open_postgres(counter), [0] * (ROWS + 1)

    async def count_runs(tx: Tx, row: int) -> None:
        runs[row] += 1
        await add(tx, row)

    outcomes = await at_once(store, count_runs, ALL)
    assert all(isinstance(outcome, errors.Unavailable) for outcome in outcomes)
    assert all("may or may not have been made" in outcome.message for outcome in outcomes)
    assert runs[1:] == [1] * ROWS


async def test_units_of_a_transaction_that_cannot_begin_are_closed(
    open_postgres: PostgresOpener, counter: str
) -> None:
    store = open_postgres(counter)
    await store.write(unit_of(add, 1))
    session = store._pool.try_acquire()
    assert session is not None
    session._connection._protocol.abort()  # as by a server that ended
    units = [SharingUnit(unit_of(add, row), Tx(RequestingDb())) for row in ALL]
    with pytest.raises(UndoneByNeighbor):
        await session.write_together(units, {}, asyncio.get_running_loop().time() + TIME_LIMIT)
    assert all(unit.ended for unit in units)
    store._pool.release(session)


@pytest.mark.parametrize("when", ["IMMEDIATE", "DEFERRED"])
async def test_conflict_of_a_shared_transaction_fails_no_unit(
    open_postgres: PostgresOpener, counter: str, when: str
) -> None:
    await _run(
        counter,
        "CREATE SEQUENCE tries;"
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF nextval('tries') < 3 THEN RAISE SQLSTATE '40001'; END IF; RETURN NULL; END $$;"
        f"CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON counter DEFERRABLE INITIALLY {when}"
        " FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    store = open_postgres(counter)
    outcomes = await at_once(store, add, ALL)
    assert all(isinstance(outcome, int) for outcome in outcomes)
    assert await counts(store) == [1] * ROWS


async def test_row_locked_by_another_transaction_keeps_no_neighbor_waiting(
    open_postgres: PostgresOpener, counter: str
) -> None:
    store, other = open_postgres(counter), await asyncpg.connect(counter)
    holding = other.transaction()
    await holding.start()
    await other.execute("UPDATE counter SET n = 100 WHERE id = 3")
    writes = [asyncio.ensure_future(store.write(unit_of(add, row))) for row in ALL]
    async with asyncio.timeout(TIME_LIMIT):
        await asyncio.gather(*writes[:2], *writes[3:])
        assert not writes[2].done()
        await holding.commit()
        await writes[2]
    assert await counts(store) == [1, 1, 101, 1, 1, 1, 1, 1]
    await other.close()


async def lock_and_add(tx: Tx, row: int) -> int:
    await tx.db.one(SLOW_LOCK, 1, row)
    return await add(tx, row)


async def add_or_insert(tx: Tx, row: int) -> int:
    """Count by a statement that is executed once for each unit."""
    await tx.db.run(SLOW_UPSERT, 1, row, 1)
    return await transaction(tx)


@pytest.mark.parametrize("unit", [lock_and_add, add_or_insert])
async def test_two_processes_lock_the_same_rows_in_one_order(
    open_postgres: PostgresOpener, counter: str, unit: UnitOfRow
) -> None:
    stores = open_postgres(counter), open_postgres(counter)
    for store in stores:  # connections are open and statements derived
        await at_once(store, unit, ALL[4:])
    outcomes = await asyncio.gather(at_once(stores[0], unit, ALL[:4]), at_once(stores[1], unit, ALL[3::-1]))
    assert [len(set(each)) for each in outcomes] == [1, 1]
    assert await counts(stores[0]) == [2] * ROWS


async def test_stalled_transactions_do_not_keep_others_of_their_kind_waiting(
    open_postgres: PostgresOpener, counter: str
) -> None:
    store, other = open_postgres(counter, wait=20), await asyncpg.connect(counter)
    holding = other.transaction()
    await holding.start()
    await other.execute("UPDATE counter SET n = 100 WHERE id = 3")
    stalled = []
    for _ in range(waiting_units.IN_FLIGHT + 1):
        stalled.append(asyncio.ensure_future(store.write(Shared("test", lambda tx: add(tx, 3)))))
        await asyncio.sleep(0.01)
    async with asyncio.timeout(TIME_LIMIT):
        await at_once(store, add, [1, 2])
        assert not any(each.done() for each in stalled)
        await holding.rollback()
        await asyncio.gather(*stalled)
    assert (await counts(store))[:3] == [1, 1, waiting_units.IN_FLIGHT + 1]
    await other.close()


async def test_caller_that_gives_up_takes_no_neighbor_along(
    open_postgres: PostgresOpener, counter: str
) -> None:
    store = open_postgres(counter)
    writes = [asyncio.ensure_future(store.write(unit_of(add, row))) for row in ALL]
    await asyncio.sleep(0)
    writes[0].cancel()
    writes[5].cancel()
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [isinstance(outcome, int) for outcome in outcomes] == [row not in {1, 6} for row in ALL]
    left = [count for row, count in zip(ALL, await counts(store), strict=True) if row not in {1, 6}]
    assert left == [1] * 6


async def test_closing_finishes_the_units_that_wait(open_postgres: PostgresOpener, counter: str) -> None:
    store, other = open_postgres(counter), open_postgres(counter)
    writes = at_once(store, add, ALL)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await store.close()
    assert len(set(await writes)) == 1
    assert await counts(other) == [1] * ROWS
    with pytest.raises(errors.Unavailable):
        await store.write(Shared("test", lambda tx: add(tx, 1)))


async def test_units_of_a_frozen_server_end_within_their_time(
    open_postgres: PostgresOpener, counter: str
) -> None:
    store = open_postgres(counter, wait=0.1)
    await at_once(store, add, ALL)

    async def slow(tx: Tx, row: int) -> None:
        await tx.db.one("SELECT pg_sleep(60), $1::int", row)

    async with asyncio.timeout(TIME_LIMIT):
        outcomes = await at_once(store, slow, ALL)
    assert all(isinstance(outcome, errors.Unavailable) for outcome in outcomes)
    assert await counts(store) == [1] * ROWS


async def _run(url: str, statements: str) -> None:
    owner = await asyncpg.connect(url)
    await owner.execute(statements)
    await owner.close()
