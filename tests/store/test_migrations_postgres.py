"""PostgreSQL migrations: concurrent, repeated, as printed SQL, and across releases."""

import asyncio
from pathlib import Path

import pytest

from authfactor.settings import InvalidSetting, Settings
from authfactor.store import opening, schema
from tests.support.postgres_server import PostgresServer


@pytest.fixture
def empty_database_settings(postgres_server: PostgresServer, tmp_path: Path) -> Settings:
    """Return settings that name an empty database."""
    return Settings(data=tmp_path, database_url=postgres_server.url(postgres_server.create_database()))


def revision(settings: Settings, server: PostgresServer) -> str:
    return server.sql("SELECT version_num FROM alembic_version", settings.database_url.rpartition("/")[2])


def set_revision(settings: Settings, server: PostgresServer, text: str) -> None:
    statement = f"UPDATE alembic_version SET version_num = '{text}'"  # noqa: S608 - digits of our own
    server.sql(statement, settings.database_url.rpartition("/")[2])


async def test_empty_database_is_refused_until_it_is_migrated(empty_database_settings: Settings) -> None:
    with pytest.raises(opening.WrongSchema, match="Run: authfactor migrate"):
        await opening.open_store(empty_database_settings)
    assert await opening.schema_version(empty_database_settings) is None
    assert await opening.upgrade(empty_database_settings) is None
    assert await opening.upgrade(empty_database_settings) == schema.NEEDED
    store = await opening.open_store(empty_database_settings)
    assert await store.schema_version() == schema.NEEDED
    await store.close()


async def test_five_concurrent_migrations_all_succeed(
    empty_database_settings: Settings, postgres_server: PostgresServer
) -> None:
    found = await asyncio.gather(*(opening.upgrade(empty_database_settings) for _ in range(5)))
    assert found.count(None) == 1
    assert set(found) == {None, schema.NEEDED}
    assert revision(empty_database_settings, postgres_server) == schema.NEEDED


async def test_migration_retries_when_a_table_is_being_created(
    empty_database_settings: Settings, postgres_server: PostgresServer
) -> None:
    database = empty_database_settings.database_url.rpartition("/")[2]
    postgres_server.sql("CREATE DOMAIN alembic_version AS text", database)
    upgrading = asyncio.create_task(opening.upgrade(empty_database_settings))
    await asyncio.sleep(0.5)
    assert not upgrading.done(), upgrading
    postgres_server.sql("DROP DOMAIN alembic_version", database)
    assert await upgrading is None
    assert revision(empty_database_settings, postgres_server) == schema.NEEDED


async def test_printed_sql_creates_the_same_schema(
    empty_database_settings: Settings, postgres_server: PostgresServer
) -> None:
    by_hand = postgres_server.create_database()
    postgres_server.sql(opening.upgrade_script(empty_database_settings, None), by_hand)
    await opening.upgrade(empty_database_settings)
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable, collation_name"
        " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position"
    )
    ours = postgres_server.sql(columns, empty_database_settings.database_url.rpartition("/")[2])
    assert ours == postgres_server.sql(columns, by_hand)
    assert "challenges|id|text|NO|C" in ours
    assert opening.upgrade_script(empty_database_settings, schema.NEEDED) == ""


async def test_schema_one_revision_newer_is_served_but_two_are_refused(
    empty_database_settings: Settings, postgres_server: PostgresServer
) -> None:
    await opening.upgrade(empty_database_settings)
    newer = [f"{int(schema.NEEDED) + ahead:04}" for ahead in (1, 2)]
    set_revision(empty_database_settings, postgres_server, newer[0])
    await (await opening.open_store(empty_database_settings)).close()
    assert await opening.upgrade(empty_database_settings) == newer[0]
    set_revision(empty_database_settings, postgres_server, newer[1])
    with pytest.raises(opening.WrongSchema, match="newer"):
        await opening.open_store(empty_database_settings)
    with pytest.raises(opening.WrongSchema, match="newer"):
        await opening.upgrade(empty_database_settings)


async def test_invalid_database_url_is_an_invalid_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="AUTHFACTOR_DATABASE_URL"):
        await opening.open_store(Settings(data=tmp_path, database_url="postgresql://127.0.0.1:port/x"))
