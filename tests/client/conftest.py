"""Fixtures: the client over both transports, one server for this folder, and an in-process database."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from authfactor import Client
from tests.support.server_process import API_KEY, CLIENT_ID, Server, running

PASSWORD = "a long and rare passphrase 7!"
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("client") / "data") as started:
        yield started


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of the in-process client."""
    return tmp_path_factory.mktemp("client-in-process")


@pytest.fixture(params=["http", "in process"])
def client(request: pytest.FixtureRequest, server: Server, folder: Path) -> Iterator[Client]:
    make: dict[str, Callable[[], Client]] = {
        "http": lambda: Client(base_url=server.url, api_key=API_KEY, client_id=CLIENT_ID),
        "in process": lambda: Client(data=folder),
    }
    with ExitStack() as stack:
        yield stack.enter_context(make[request.param]())


@pytest.fixture
def email() -> str:
    return f"kim.{uuid.uuid4().hex}@example.org"
