"""One server for the applications of `examples/`."""

from collections.abc import Iterator

import pytest

from tests.support.server_process import Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server
