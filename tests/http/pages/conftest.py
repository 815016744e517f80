"""Fixtures: one server for this folder."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.server_process import Server, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("pages") / "data", {"AUTHFACTOR_TEAM_NAME": "Acme"}
    ) as running_server:
        yield running_server


@pytest.fixture(scope="session")
def api(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="session")
def browser(server: Server) -> Iterator[httpx.Client]:
    """Return a client without an API key, as a browser is."""
    with server.client(key=None) as client:
        yield client
