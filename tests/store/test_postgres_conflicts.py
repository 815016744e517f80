"""PostgreSQL conflicts: the unit runs again, and its effect happens once."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from authfactor import errors
from authfactor.settings import Settings
from authfactor.store import Tx
from authfactor.store.opening import open_store
from authfactor.store.postgres.connection import PostgresDb
from authfactor.store.postgres.store import PostgresStore
from tests.store.conftest import PostgresOpener
from tests.support.postgres_server import PostgresServer


@pytest.fixture
async def counter(postgres_server: PostgresServer) -> str:
    """Create a database with one counter; return its URL."""
    name = postgres_server.create_database()
    postgres_server.sql(
        "CREATE TABLE counter (id int PRIMARY KEY, n int); INSERT INTO counter VALUES (1, 0)", name
    )
    return postgres_server.url(name)


async def read_then_write(tx: Tx) -> int:
    """Increment the counter in two statements, which loses updates unless the database serializes them."""
    row = await tx.db.one("SELECT n FROM counter WHERE id = 1")
    assert row is not None
    await tx.db.run("UPDATE counter SET n = $1 WHERE id = 1", row[0] + 1)
    return int(row[0])


async def count(store: PostgresStore) -> int:
    row = await store.read(lambda tx: tx.db.one("SELECT n FROM counter WHERE id = 1"))
    assert row is not None
    return int(row[0])


async def test_every_successful_serializable_unit_takes_effect_once(
    open_postgres: PostgresOpener, counter: str, postgres_server: PostgresServer
) -> None:
    database = counter.rpartition("/")[2]
    postgres_server.sql(f"ALTER DATABASE {database} SET default_transaction_isolation TO serializable")
    store = open_postgres(counter)
    outcomes = await asyncio.gather(
        *(store.write(read_then_write) for _ in range(24)), return_exceptions=True
    )
    successes = [number for number in outcomes if isinstance(number, int)]
    refused = [error for error in outcomes if isinstance(error, BaseException)]
    assert all(isinstance(error, errors.Unavailable) for error in refused)
    assert sorted(successes) == list(range(await count(store)))
    assert successes


async def test_units_succeed_although_a_fifth_of_statements_conflict(
    open_postgres: PostgresOpener, counter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_ = random.Random(4)
    conflicts = 0
    run = PostgresDb.run

    async def run_or_conflict(self: PostgresDb, text: str, *parameters: object) -> int:
        nonlocal conflicts
        if random_.random() < 0.2:
            conflicts += 1
            await run(self, "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
        return await run(self, text, *parameters)

    monkeypatch.setattr(PostgresDb, "run", run_or_conflict)

    async def add(tx: Tx) -> None:
        assert await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = 1") == 1

    store = open_postgres(counter, wait=10)
    outcomes = await asyncio.gather(*(store.write(add) for _ in range(100)), return_exceptions=True)
    assert conflicts > 5
    assert outcomes == [None] * 100
    assert await count(store) == 100


async def test_conflict_detected_at_commit_repeats_the_unit(
    open_postgres: PostgresOpener, counter: str
) -> None:
    owner = await asyncpg.connect(counter)
    await owner.execute(
        "CREATE SEQUENCE tries;"
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF nextval('tries') < 3 THEN RAISE SQLSTATE '40001'; END IF; RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON counter DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    store = open_postgres(counter)
    await store.write(read_then_write)
    assert await count(store) == 1
    assert await owner.fetchval("SELECT last_value FROM tries") == 3
    await owner.close()


async def test_permanent_conflict_is_unavailable_and_rolled_back(
    open_postgres: PostgresOpener, counter: str
) -> None:
    runs = 0

    async def always_conflicting(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = 1")
        await tx.db.run("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")

    store = open_postgres(counter)
    with pytest.raises(errors.Unavailable):
        await store.write(always_conflicting)
    assert runs == 10
    assert await count(store) == 0


async def test_two_deadlocked_units_both_succeed(
    open_postgres: PostgresOpener, counter: str, postgres_server: PostgresServer
) -> None:
    database = counter.rpartition("/")[2]
    postgres_server.sql("INSERT INTO counter VALUES (2, 0)", database)
    postgres_server.sql(f"ALTER DATABASE {database} SET deadlock_timeout TO '50ms'")
    store = open_postgres(counter, wait=10)
    both_locked = asyncio.Barrier(2)

    def crosswise(first: int, second: int) -> Callable[[Tx], Awaitable[None]]:
        runs = 0

        async def unit(tx: Tx) -> None:
            nonlocal runs
            runs += 1
            await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = $1", first)
            if runs == 1:
                await both_locked.wait()
            await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = $1", second)

        return unit

    await asyncio.gather(store.write(crosswise(1, 2)), store.write(crosswise(2, 1)))
    assert await store.read(lambda tx: tx.db.all("SELECT n FROM counter ORDER BY id")) == [(2,), (2,)]


async def test_error_of_a_unit_is_raised_and_rolls_it_back(
    open_postgres: PostgresOpener, counter: str
) -> None:
    async def write_then_raise(tx: Tx) -> None:
        await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = 1")
        raise errors.NotFound("User", "user_1")

    store = open_postgres(counter, size=1)
    with pytest.raises(errors.NotFound):
        await store.write(write_then_raise)
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.write(lambda tx: tx.db.run("INSERT INTO counter VALUES (1, 1)"))
    assert await count(store) == 0
    await store.write(read_then_write)
    assert await count(store) == 1


async def test_cached_plan_is_renewed_after_a_schema_change(
    open_postgres: PostgresOpener, counter: str
) -> None:
    store = open_postgres(counter, size=1)
    assert await count(store) == 0
    await store.write(read_then_write)
    owner = await asyncpg.connect(counter)
    await owner.execute("ALTER TABLE counter ALTER COLUMN n TYPE bigint")
    await owner.close()
    await store.write(read_then_write)
    assert await count(store) == 2


async def test_nul_byte_in_text_is_an_invalid_request(postgres_database: str, tmp_path: Path) -> None:
    store = await open_store(Settings(data=tmp_path, database_url=postgres_database))
    with pytest.raises(errors.InvalidRequest):
        await store.read(lambda tx: tx.users.by_id(1, "user_\0"))
    assert await store.read(lambda tx: tx.users.by_id(1, "user_1")) is None
    await store.close()
