"""Outages: always an answer in time, never a lost or doubled change, back without a restart."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from authfactor import errors
from authfactor.store import Tx
from authfactor.store.postgres.store import PostgresStore
from tests.store.conftest import StoreOn
from tests.support.postgres_server import PostgresServer, find_programs

# The promise is two seconds; the rest is for a machine that is busy with other things.
PATIENCE = 10


@pytest.fixture(scope="module")
def fragile() -> Iterator[PostgresServer]:
    """Start a server that the tests here may kill."""
    server = PostgresServer(find_programs())
    server.start()
    server.sql("CREATE TABLE counter (id int PRIMARY KEY, n int); INSERT INTO counter VALUES (1, 0)")
    yield server
    server.stop()


@pytest.fixture
def server(fragile: PostgresServer) -> PostgresServer:
    fragile.start()
    fragile.sql("UPDATE counter SET n = 0")
    return fragile


async def add(tx: Tx) -> None:
    await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = 1")


async def count(store: PostgresStore) -> int:
    row = await store.read(lambda tx: tx.db.one("SELECT n FROM counter WHERE id = 1"))
    assert row is not None
    return int(row[0])


async def refused(*units: "asyncio.Future[None]") -> None:
    """Every one of them must be told Unavailable, in time."""
    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(*units, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {errors.Unavailable}


async def test_a_killed_server_is_unavailable_and_then_back_without_a_restart(
    store_on: StoreOn, server: PostgresServer
) -> None:
    store = store_on(server.url())
    await asyncio.gather(*(store.write(add) for _ in range(20)))
    server.kill()
    await refused(*(asyncio.ensure_future(store.write(add)) for _ in range(20)))
    server.start()
    assert await count(store) == 20
    await asyncio.gather(*(store.write(add) for _ in range(20)))
    assert await count(store) == 40


async def test_a_restart_between_two_requests_is_not_noticed(
    store_on: StoreOn, server: PostgresServer
) -> None:
    store = store_on(server.url())
    await asyncio.gather(*(store.write(add) for _ in range(20)))
    server.kill()
    server.start()
    await asyncio.gather(*(store.write(add) for _ in range(8)))
    assert await count(store) == 28


async def test_a_connection_cut_off_inside_a_unit_runs_it_once_more(
    store_on: StoreOn, server: PostgresServer
) -> None:
    store = store_on(server.url())
    turns = 0

    async def cut_off_once(tx: Tx) -> None:
        nonlocal turns
        turns += 1
        await add(tx)
        if turns == 1:
            row = await tx.db.one("SELECT pg_backend_pid()")
            assert row is not None
            await asyncio.to_thread(server.sql, f"SELECT pg_terminate_backend({row[0]})")
        await add(tx)

    await store.write(cut_off_once)
    assert turns == 2
    assert await count(store) == 2


async def test_a_connection_cut_off_each_time_is_unavailable(
    store_on: StoreOn, server: PostgresServer
) -> None:
    store = store_on(server.url())
    turns = 0

    async def cut_off(tx: Tx) -> None:
        nonlocal turns
        turns += 1
        await add(tx)
        await tx.db.one("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(errors.Unavailable):
        await store.write(cut_off)
    assert turns == 2
    assert await count(store) == 0


async def test_a_commit_without_an_answer_is_unavailable_and_never_repeated(
    store_on: StoreOn, server: PostgresServer
) -> None:
    server.sql(
        "CREATE TABLE late (id int);"
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION die()"
    )
    store = store_on(server.url())
    turns = 0

    async def unit(tx: Tx) -> None:
        nonlocal turns
        turns += 1
        await tx.db.run("INSERT INTO late VALUES (1)")

    with pytest.raises(errors.Unavailable, match="may or may not"):
        await store.write(unit)
    assert turns == 1
    await store.write(add)
    assert await count(store) == 1


async def test_a_frozen_server_is_unavailable_in_time_and_then_back(
    store_on: StoreOn, server: PostgresServer
) -> None:
    store = store_on(server.url(), size=2)
    await asyncio.gather(*(store.write(add) for _ in range(2)))
    server.freeze()
    try:
        start = time.monotonic()
        await refused(*(asyncio.ensure_future(store.write(add)) for _ in range(10)))
        assert time.monotonic() - start < PATIENCE
    finally:
        server.thaw()
    # What was under way when we gave up may have reached the server's queue, but was never committed.
    assert await count(store) == 2
    await store.write(add)
    assert await count(store) == 3


async def test_a_pool_with_no_connection_left_is_unavailable_until_one_comes_back(
    store_on: StoreOn,
    server: PostgresServer,
) -> None:
    store = store_on(server.url(), size=2, wait=1)
    holding, release = asyncio.Semaphore(0), asyncio.Event()

    async def hold(tx: Tx) -> None:
        await tx.db.one("SELECT 1")
        holding.release()
        await release.wait()

    holders = [asyncio.ensure_future(store.write(hold)) for _ in range(2)]
    for _ in holders:
        await holding.acquire()
    await refused(asyncio.ensure_future(store.write(add)), asyncio.ensure_future(store.write(add)))
    release.set()
    # They have their own time limit, which a slow machine may reach.
    await asyncio.gather(*holders, return_exceptions=True)
    await store.write(add)
    assert await count(store) == 1


async def test_a_lock_held_for_a_moment_is_waited_for_and_one_held_long_is_not(
    store_on: StoreOn, server: PostgresServer
) -> None:
    store = store_on(server.url(), wait=PATIENCE)
    locked, release = asyncio.Event(), asyncio.Event()

    async def hold(tx: Tx) -> None:
        await add(tx)
        locked.set()
        await release.wait()

    holder = asyncio.ensure_future(store.write(hold))
    await locked.wait()
    waiting = asyncio.ensure_future(store.write(add))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    release.set()
    await asyncio.gather(holder, waiting)
    assert await count(store) == 2

    impatient = store_on(server.url(), wait=0.1)
    locked.clear()
    release.clear()
    holder = asyncio.ensure_future(store.write(hold))
    await locked.wait()
    await refused(asyncio.ensure_future(impatient.write(add)))
    release.set()
    await holder
    assert await count(store) == 3


async def test_a_server_that_only_reads_is_unavailable_for_changes(
    store_on: StoreOn, server: PostgresServer
) -> None:
    store = store_on(server.url())
    server.sql("ALTER DATABASE postgres SET default_transaction_read_only TO on")
    try:
        await refused(asyncio.ensure_future(store.write(add)))
        assert await count(store) == 0
    finally:
        server.sql("BEGIN; SET TRANSACTION READ WRITE; ALTER DATABASE postgres RESET ALL; COMMIT")
    # The connection that `count` used is still one that only reads; the unit runs again on a new one.
    await store.write(add)


async def test_a_unit_that_is_cancelled_gives_its_connection_back_to_others(
    store_on: StoreOn, server: PostgresServer
) -> None:
    store = store_on(server.url(), size=1)
    started = asyncio.Event()

    async def slow(tx: Tx) -> None:
        await add(tx)
        started.set()
        await tx.db.one("SELECT pg_sleep(30)")

    unit = asyncio.ensure_future(store.write(slow))
    await started.wait()
    unit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unit
    await store.write(add)
    assert await count(store) == 1
