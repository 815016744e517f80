"""Migrating PostgreSQL: once, whoever asks and however often."""

import asyncio
from pathlib import Path

import pytest

from authfactor.settings import InvalidSetting, Settings
from authfactor.store import opening, schema
from tests.support.postgres_server import PostgresServer


@pytest.fixture
def empty(postgres_server: PostgresServer, tmp_path: Path) -> Settings:
    """Settings that name an empty database."""
    return Settings(data=tmp_path, database_url=postgres_server.url(postgres_server.create_database()))


def revision(settings: Settings, server: PostgresServer) -> str:
    return server.sql("SELECT version_num FROM alembic_version", settings.database_url.rpartition("/")[2])


def set_revision(settings: Settings, server: PostgresServer, text: str) -> None:
    statement = f"UPDATE alembic_version SET version_num = '{text}'"  # noqa: S608 - digits of our own
    server.sql(statement, settings.database_url.rpartition("/")[2])


async def test_an_empty_database_is_refused_with_what_to_run_and_then_migrated(empty: Settings) -> None:
    with pytest.raises(opening.WrongSchema, match="Run: authfactor migrate"):
        await opening.open_store(empty)
    assert await opening.schema_version(empty) is None
    assert await opening.upgrade(empty) is None
    assert await opening.upgrade(empty) == schema.NEEDED
    store = await opening.open_store(empty)
    assert await store.schema_version() == schema.NEEDED
    await store.close()


async def test_of_five_that_migrate_at_once_none_fails(
    empty: Settings, postgres_server: PostgresServer
) -> None:
    found = await asyncio.gather(*(opening.upgrade(empty) for _ in range(5)))
    assert found.count(None) == 1
    assert set(found) == {None, schema.NEEDED}
    assert revision(empty, postgres_server) == schema.NEEDED


async def test_who_meets_the_row_type_of_a_table_being_made_tries_again(
    empty: Settings, postgres_server: PostgresServer
) -> None:
    database = empty.database_url.rpartition("/")[2]
    postgres_server.sql("CREATE DOMAIN alembic_version AS text", database)
    upgrading = asyncio.create_task(opening.upgrade(empty))
    await asyncio.sleep(0.5)
    assert not upgrading.done(), upgrading
    postgres_server.sql("DROP DOMAIN alembic_version", database)
    assert await upgrading is None
    assert revision(empty, postgres_server) == schema.NEEDED


async def test_the_printed_sql_makes_the_same_schema(
    empty: Settings, postgres_server: PostgresServer
) -> None:
    by_hand = postgres_server.create_database()
    postgres_server.sql(opening.upgrade_script(empty, None), by_hand)
    await opening.upgrade(empty)
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable, collation_name"
        " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position"
    )
    ours = postgres_server.sql(columns, empty.database_url.rpartition("/")[2])
    assert ours == postgres_server.sql(columns, by_hand)
    assert "challenges|id|text|NO|C" in ours
    assert opening.upgrade_script(empty, schema.NEEDED) == ""


async def test_one_revision_newer_is_served_and_two_are_not(
    empty: Settings, postgres_server: PostgresServer
) -> None:
    await opening.upgrade(empty)
    newer = [f"{int(schema.NEEDED) + ahead:04}" for ahead in (1, 2)]
    set_revision(empty, postgres_server, newer[0])
    await (await opening.open_store(empty)).close()
    assert await opening.upgrade(empty) == newer[0]
    set_revision(empty, postgres_server, newer[1])
    with pytest.raises(opening.WrongSchema, match="newer"):
        await opening.open_store(empty)
    with pytest.raises(opening.WrongSchema, match="newer"):
        await opening.upgrade(empty)


async def test_a_url_that_makes_no_sense_is_a_bad_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="AUTHFACTOR_DATABASE_URL"):
        await opening.open_store(Settings(data=tmp_path, database_url="postgresql://127.0.0.1:port/x"))
