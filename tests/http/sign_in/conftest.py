"""Fixtures: the application in this process for tests of time, one real server for tests of sockets."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from authfactor.store import migrations
from tests.support.application import Application, make_template, opened
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import Server, running


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a data folder once, because generating an RSA key is slow; tests work on copies."""
    folder = tmp_path_factory.mktemp("template") / "data"
    asyncio.run(make_template(folder))
    return folder


@pytest.fixture(scope="session")
def postgres_template(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> tuple[Path, str]:
    """Create the same in PostgreSQL: the folder with the key ring, and the database's name."""
    folder = tmp_path_factory.mktemp("postgres-template") / "data"
    name = postgres_server.create_database()
    postgres_server.sql(migrations.script("postgresql"), name)
    asyncio.run(make_template(folder, postgres_server.url(name)))
    return folder, name


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> tuple[Path, str]:
    """Return the folder to copy and the database URL; every rule is tested on both stores."""
    if request.param == "sqlite":
        return request.getfixturevalue("template"), ""
    server: PostgresServer = request.getfixturevalue("postgres_server")
    template, template_database = request.getfixturevalue("postgres_template")
    copy = f"signin_{uuid.uuid4().hex}"
    server.sql(f"CREATE DATABASE {copy} TEMPLATE {template_database}")
    return template, server.url(copy)


@pytest.fixture
async def application(database: tuple[Path, str], tmp_path: Path) -> AsyncIterator[Application]:
    """Open an application with the default settings."""
    async with opened(database[0], tmp_path, database_url=database[1]) as opened_application:
        yield opened_application


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("signin") / "data"
    with running(data, {"AUTHFACTOR_TEAM_NAME": "Acme"}) as running_server:
        yield running_server
