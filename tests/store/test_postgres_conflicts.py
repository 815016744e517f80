"""Conflicts: the unit runs again, its effect happens once."""

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
from tests.store.conftest import StoreOn
from tests.support.postgres_server import PostgresServer


@pytest.fixture
async def counter(postgres_server: PostgresServer) -> str:
    """Make a database with one number in it; return its URL."""
    name = postgres_server.create_database()
    postgres_server.sql(
        "CREATE TABLE counter (id int PRIMARY KEY, n int); INSERT INTO counter VALUES (1, 0)", name
    )
    return postgres_server.url(name)


async def read_then_write(tx: Tx) -> int:
    """Lose updates unless the database serializes: just what a unit of ours never does on purpose."""
    row = await tx.db.one("SELECT n FROM counter WHERE id = 1")
    assert row is not None
    await tx.db.run("UPDATE counter SET n = $1 WHERE id = 1", row[0] + 1)
    return int(row[0])


async def count(store: PostgresStore) -> int:
    row = await store.read(lambda tx: tx.db.one("SELECT n FROM counter WHERE id = 1"))
    assert row is not None
    return int(row[0])


async def test_of_racing_serializable_units_every_success_counts_exactly_once(
    store_on: StoreOn, counter: str, postgres_server: PostgresServer
) -> None:
    database = counter.rpartition("/")[2]
    postgres_server.sql(f"ALTER DATABASE {database} SET default_transaction_isolation TO serializable")
    store = store_on(counter)
    outcomes = await asyncio.gather(
        *(store.write(read_then_write) for _ in range(24)), return_exceptions=True
    )
    done = [number for number in outcomes if isinstance(number, int)]
    refused = [error for error in outcomes if isinstance(error, BaseException)]
    assert all(isinstance(error, errors.Unavailable) for error in refused)
    assert sorted(done) == list(range(await count(store)))
    assert done


async def test_a_fifth_of_all_statements_failing_in_a_conflict_changes_no_result(
    store_on: StoreOn, counter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(4)
    thrown = 0
    statement = PostgresDb.run

    async def now_and_then(self: PostgresDb, text: str, *parameters: object) -> int:
        nonlocal thrown
        if dice.random() < 0.2:
            thrown += 1
            await statement(self, "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
        return await statement(self, text, *parameters)

    monkeypatch.setattr(PostgresDb, "run", now_and_then)

    async def add(tx: Tx) -> None:
        assert await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = 1") == 1

    store = store_on(counter, wait=10)
    outcomes = await asyncio.gather(*(store.write(add) for _ in range(100)), return_exceptions=True)
    assert thrown > 5
    assert outcomes == [None] * 100
    assert await count(store) == 100


async def test_a_conflict_that_only_the_commit_finds_runs_the_unit_again(
    store_on: StoreOn, counter: str
) -> None:
    owner = await asyncpg.connect(counter)
    await owner.execute(
        "CREATE SEQUENCE tries;"
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF nextval('tries') < 3 THEN RAISE SQLSTATE '40001'; END IF; RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON counter DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    store = store_on(counter)
    await store.write(read_then_write)
    assert await count(store) == 1
    assert await owner.fetchval("SELECT last_value FROM tries") == 3
    await owner.close()


async def test_a_conflict_without_end_is_told_as_unavailable_and_keeps_nothing(
    store_on: StoreOn, counter: str
) -> None:
    tries = 0

    async def never(tx: Tx) -> None:
        nonlocal tries
        tries += 1
        await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = 1")
        await tx.db.run("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")

    store = store_on(counter)
    with pytest.raises(errors.Unavailable):
        await store.write(never)
    assert tries == 10
    assert await count(store) == 0


async def test_a_deadlock_between_two_units_lets_both_through(
    store_on: StoreOn, counter: str, postgres_server: PostgresServer
) -> None:
    database = counter.rpartition("/")[2]
    postgres_server.sql("INSERT INTO counter VALUES (2, 0)", database)
    postgres_server.sql(f"ALTER DATABASE {database} SET deadlock_timeout TO '50ms'")
    store = store_on(counter, wait=10)
    met = asyncio.Barrier(2)

    def crosswise(first: int, second: int) -> Callable[[Tx], Awaitable[None]]:
        turn = 0

        async def unit(tx: Tx) -> None:
            nonlocal turn
            turn += 1
            await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = $1", first)
            if turn == 1:
                await met.wait()
            await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = $1", second)

        return unit

    await asyncio.gather(store.write(crosswise(1, 2)), store.write(crosswise(2, 1)))
    assert await store.read(lambda tx: tx.db.all("SELECT n FROM counter ORDER BY id")) == [(2,), (2,)]


async def test_what_a_unit_raises_comes_through_and_takes_its_changes_back(
    store_on: StoreOn, counter: str
) -> None:
    async def change_of_mind(tx: Tx) -> None:
        await tx.db.run("UPDATE counter SET n = n + 1 WHERE id = 1")
        raise errors.NotFound("User", "user_1")

    store = store_on(counter, size=1)
    with pytest.raises(errors.NotFound):
        await store.write(change_of_mind)
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.write(lambda tx: tx.db.run("INSERT INTO counter VALUES (1, 1)"))
    assert await count(store) == 0
    await store.write(read_then_write)
    assert await count(store) == 1


async def test_a_plan_from_before_a_change_of_the_schema_is_made_anew(
    store_on: StoreOn, counter: str
) -> None:
    store = store_on(counter, size=1)
    assert await count(store) == 0
    await store.write(read_then_write)
    owner = await asyncpg.connect(counter)
    await owner.execute("ALTER TABLE counter ALTER COLUMN n TYPE bigint")
    await owner.close()
    await store.write(read_then_write)
    assert await count(store) == 2


async def test_a_zero_byte_in_a_text_is_the_callers_fault(postgres_database: str, tmp_path: Path) -> None:
    store = await open_store(Settings(data=tmp_path, database_url=postgres_database))
    with pytest.raises(errors.InvalidRequest):
        await store.read(lambda tx: tx.users.by_id(1, "user_\0"))
    assert await store.read(lambda tx: tx.users.by_id(1, "user_1")) is None
    await store.close()
