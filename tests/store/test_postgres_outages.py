"""PostgreSQL outages: errors within the time limit, no lost or repeated change, automatic recovery."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from authfactor import errors
from authfactor.store import Tx
from authfactor.store.postgres.store import PostgresStore
from tests.store.conftest import PostgresOpener
from tests.support.postgres_server import PostgresServer, find_programs

# Seconds. The guarantee is two seconds; the rest allows for a busy machine.
TIME_LIMIT = 10


@pytest.fixture(scope="module")
def killable_server() -> Iterator[PostgresServer]:
    """Start a server that these tests may kill."""
    server = PostgresServer(find_programs())
    server.start()
    server.sql("CREATE TABLE counter (id int PRIMARY KEY, n int); INSERT INTO counter VALUES (1, 0)")
    yield server
    server.stop()


@pytest.fixture
def server(killable_server: PostgresServer) -> PostgresServer:
    killable_server.start()
    killable_server.sql("UPDATE counter SET n = 0")
    return killable_server


async def add(tx: Tx) -> None:
    await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = 1")


async def count(store: PostgresStore) -> int:
    row = await store.read(lambda tx: tx.db.one("SELECT n FROM counter WHERE id = 1"))
    assert row is not None
    return int(row[0])


async def assert_unavailable(*units: "asyncio.Future[None]") -> None:
    """Assert that every unit raises `Unavailable` within the time limit."""
    async with asyncio.timeout(TIME_LIMIT):
        outcomes = await asyncio.gather(*units, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {errors.Unavailable}


async def test_store_recovers_from_a_killed_server_without_a_restart(
    open_postgres: PostgresOpener, server: PostgresServer
) -> None:
    store = open_postgres(server.url())
    await asyncio.gather(*(store.write(add) for _ in range(20)))
    server.kill()
    await assert_unavailable(*(asyncio.ensure_future(store.write(add)) for _ in range(20)))
    server.start()
    assert await count(store) == 20
    await asyncio.gather(*(store.write(add) for _ in range(20)))
    assert await count(store) == 40


async def test_server_restart_between_two_units_fails_no_unit(
    open_postgres: PostgresOpener, server: PostgresServer
) -> None:
    store = open_postgres(server.url())
    await asyncio.gather(*(store.write(add) for _ in range(20)))
    server.kill()
    server.start()
    await asyncio.gather(*(store.write(add) for _ in range(8)))
    assert await count(store) == 28


async def test_unit_whose_connection_is_cut_is_repeated_once(
    open_postgres: PostgresOpener, server: PostgresServer
) -> None:
    store = open_postgres(server.url())
    runs = 0

    async def cut_off_once(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        await add(tx)
        if runs == 1:
            row = await tx.db.one("SELECT pg_backend_pid()")
            assert row is not None
            await asyncio.to_thread(server.sql, f"SELECT pg_terminate_backend({row[0]})")
        await add(tx)

    await store.write(cut_off_once)
    assert runs == 2
    assert await count(store) == 2


async def test_unit_whose_connection_is_cut_twice_is_unavailable(
    open_postgres: PostgresOpener, server: PostgresServer
) -> None:
    store = open_postgres(server.url())
    runs = 0

    async def cut_off(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        await add(tx)
        await tx.db.one("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(errors.Unavailable):
        await store.write(cut_off)
    assert runs == 2
    assert await count(store) == 0


async def test_commit_with_unknown_outcome_is_never_repeated(
    open_postgres: PostgresOpener, server: PostgresServer
) -> None:
    server.sql(
        "CREATE TABLE late (id int);"
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION die()"
    )
    store = open_postgres(server.url())
    runs = 0

    async def unit(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        await tx.db.run("INSERT INTO late VALUES (1)")

    with pytest.raises(errors.Unavailable, match="may or may not"):
        await store.write(unit)
    assert runs == 1
    await store.write(add)
    assert await count(store) == 1


async def test_frozen_server_is_unavailable_within_the_time_limit(
    open_postgres: PostgresOpener, server: PostgresServer
) -> None:
    store = open_postgres(server.url(), size=2)
    await asyncio.gather(*(store.write(add) for _ in range(2)))
    server.freeze()
    try:
        start = time.monotonic()
        await assert_unavailable(*(asyncio.ensure_future(store.write(add)) for _ in range(10)))
        assert time.monotonic() - start < TIME_LIMIT
    finally:
        server.thaw()
    # Units that timed out may have reached the server's queue, but were never committed.
    assert await count(store) == 2
    await store.write(add)
    assert await count(store) == 3


async def test_exhausted_pool_is_unavailable_until_a_connection_is_released(
    open_postgres: PostgresOpener,
    server: PostgresServer,
) -> None:
    store = open_postgres(server.url(), size=2, wait=1)
    holding, release = asyncio.Semaphore(0), asyncio.Event()

    async def hold(tx: Tx) -> None:
        await tx.db.one("SELECT 1")
        holding.release()
        await release.wait()

    holders = [asyncio.ensure_future(store.write(hold)) for _ in range(2)]
    for _ in holders:
        await holding.acquire()
    await assert_unavailable(asyncio.ensure_future(store.write(add)), asyncio.ensure_future(store.write(add)))
    release.set()
    # The holders have their own time limit, which a slow machine may reach.
    await asyncio.gather(*holders, return_exceptions=True)
    await store.write(add)
    assert await count(store) == 1


async def test_write_waits_for_a_short_lock_but_not_a_long_one(
    open_postgres: PostgresOpener, server: PostgresServer
) -> None:
    store = open_postgres(server.url(), wait=TIME_LIMIT)
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

    impatient = open_postgres(server.url(), wait=0.1)
    locked.clear()
    release.clear()
    holder = asyncio.ensure_future(store.write(hold))
    await locked.wait()
    await assert_unavailable(asyncio.ensure_future(impatient.write(add)))
    release.set()
    await holder
    assert await count(store) == 3


async def test_read_only_server_is_unavailable_for_writes(
    open_postgres: PostgresOpener, server: PostgresServer
) -> None:
    store = open_postgres(server.url())
    server.sql("ALTER DATABASE postgres SET default_transaction_read_only TO on")
    try:
        await assert_unavailable(asyncio.ensure_future(store.write(add)))
        assert await count(store) == 0
    finally:
        server.sql("BEGIN; SET TRANSACTION READ WRITE; ALTER DATABASE postgres RESET ALL; COMMIT")
    # The connection that `count` used is still read-only; the unit runs again on a new one.
    await store.write(add)


async def test_canceled_unit_returns_its_connection_to_the_pool(
    open_postgres: PostgresOpener, server: PostgresServer
) -> None:
    store = open_postgres(server.url(), size=1)
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
