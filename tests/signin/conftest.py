"""The application in this process for what depends on time, one real server for what depends on sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.servers import Server, running
from tests.signin.desk import Desk, make_template, opened


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, since an RSA key takes a while; tests work on copies."""
    folder = tmp_path_factory.mktemp("template") / "data"
    asyncio.run(make_template(folder))
    return folder


@pytest.fixture
async def desk(template: Path, tmp_path: Path) -> AsyncIterator[Desk]:
    """Open with the default settings."""
    async with opened(template, tmp_path) as it:
        yield it


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("signin") / "data"
    with running(data, {"AUTHFACTOR_TEAM_NAME": "Acme"}) as started:
        yield started
