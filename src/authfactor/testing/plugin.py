"""The pytest plugin: installed with the package, costs nothing until a test asks for a fixture of it.

Fixtures: `authfactor_server`, `authfactor_client`, and `authfactor_settings` to override. The option
`authfactor_scope` in pytest's configuration says how long a server lives: `session` (default), `package`,
`module`, `class` or `function`. After every test the clocks of all servers show the real time again.
"""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from authfactor.client import Client
    from authfactor.testing.server import AuthfactorServer

SCOPES = ("session", "package", "module", "class", "function")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    about = "How long an authfactor_server lives: session, package, module, class or function."
    parser.addini("authfactor_scope", about, default="session")


def _scope(fixture_name: str, config: pytest.Config) -> Any:  # noqa: ANN401, ARG001 - pytest's types, its arguments
    chosen = config.getini("authfactor_scope")
    if chosen not in SCOPES:
        raise pytest.UsageError(f"authfactor_scope must be one of {', '.join(SCOPES)}, not '{chosen}'.")
    return chosen


@pytest.fixture(scope="session")
def authfactor_settings() -> dict[str, Any]:
    """Settings of the server (`challenge_life`, `window`, …); override this fixture to change them."""
    return {}


@pytest.fixture(scope=_scope)
def authfactor_server(authfactor_settings: dict[str, Any]) -> "Iterator[AuthfactorServer]":
    """A real server on a free port with its own database, a clock to move, and `code_for(factor)`."""
    from authfactor.testing.server import serving  # noqa: PLC0415 - only for tests that ask

    with serving(**authfactor_settings) as server:
        yield server


@pytest.fixture
def authfactor_client(authfactor_server: "AuthfactorServer") -> "Iterator[Client]":
    """A client of `authfactor_server`."""
    with authfactor_server.client() as client:
        yield client


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Put the clocks back: the next test must not find itself tomorrow."""
    module = sys.modules.get("authfactor.testing.server")
    if module is not None:
        for server in list(module.RUNNING):
            server.clock.reset()
