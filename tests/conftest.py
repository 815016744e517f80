"""Fixtures of all tests: loopback-only sockets, one async backend, databases, and external programs."""

import ipaddress
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from authfactor.store import migrations
from tests.support.postgres_server import migrated_database, postgres_database, postgres_server
from tests.support.skip_or_fail import skip_or_fail

__all__ = ["migrated_database", "postgres_database", "postgres_server"]

# No deadline: on a shared, noisy machine, a timed assertion proves nothing about the code.
settings.register_profile("authfactor", deadline=None, print_blob=True)
settings.load_profile("authfactor")


def _refuse_the_internet(event: str, args: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    address = args[1]
    if not isinstance(address, tuple) or address[0] == "localhost":
        return
    host = str(address[0])
    if not ipaddress.ip_address(host).is_loopback:
        message = f"a test tried to connect to {host}; only loopback is allowed"
        raise RuntimeError(message)


sys.addaudithook(_refuse_the_internet)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio only, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate an SQLite file once; tests use copies of it."""
    path = tmp_path_factory.mktemp("empty") / "authfactor.db"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def needs() -> Callable[[str], Path]:
    """Find an external program: ``needs("oathtool")``; if it is missing, skip, or fail where CI is set."""

    def find(tool: str) -> Path:
        found = shutil.which(tool)
        if found is None:
            skip_or_fail(f"{tool} is not on PATH")
        return Path(found)

    return find


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Print the seed of a failed run: quiet runs hide the header that contains it."""
    if exitstatus == pytest.ExitCode.TESTS_FAILED:
        terminalreporter.write_line(
            f"repeat this order: --randomly-seed={config.getoption('randomly_seed', None)}"
        )
