"""Fixtures of all tests: loopback-only sockets, one async backend, databases, and external programs."""

import functools
import ipaddress
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from authfactor.store import migrations
from tests.support.postgres_server import migrated_database, postgres_database, postgres_server
from tests.support.skip_or_fail import skip_or_fail

__all__ = ["migrated_database", "postgres_database", "postgres_server"]

# No deadline: on a shared, noisy machine, a timed assertion proves nothing about the code.
settings.register_profile("authfactor", deadline=None, print_blob=True)
settings.load_profile("authfactor")


def _loopback_only(connect: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `socket.connect` to refuse everything but loopback.

    Not an audit hook: in Python 3.11 a hook written in Python can interrupt `settrace`, which coverage needs.
    """

    @functools.wraps(connect)
    def checked(self: socket.socket, address: Any) -> Any:  # noqa: ANN401 - as socket.connect
        if isinstance(address, tuple) and address[0] != "localhost":
            host = str(address[0])
            if not ipaddress.ip_address(host).is_loopback:
                message = f"a test tried to connect to {host}; only loopback is allowed"
                raise RuntimeError(message)
        return connect(self, address)

    return checked


for _name in ("connect", "connect_ex"):
    setattr(socket.socket, _name, _loopback_only(getattr(socket.socket, _name)))


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


def pytest_sessionfinish() -> None:
    """Save what coverage has measured in a worker of pytest-xdist: it may be killed before it exits."""
    coverage = sys.modules.get("coverage")
    measured = coverage.Coverage.current() if coverage and "PYTEST_XDIST_WORKER" in os.environ else None
    if measured is not None:
        measured.stop()
        measured.save()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Print the seed of a failed run: quiet runs hide the header that contains it."""
    if exitstatus == pytest.ExitCode.TESTS_FAILED:
        terminalreporter.write_line(
            f"repeat this order: --randomly-seed={config.getoption('randomly_seed', None)}"
        )
