"""The pytest plugin, registered when the package is installed. It imports the server on first use.

Fixtures: `authfactor_server`, `authfactor_client`, and `authfactor_settings`, which tests can override. The
option `authfactor_scope` in pytest's configuration sets the scope of the server: `session` (default),
`package`, `module`, `class` or `function`. After every test, the clocks of all servers are reset.
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
    """Register the option `authfactor_scope`."""
    about = "Scope of the fixture authfactor_server: session, package, module, class or function."
    parser.addini("authfactor_scope", about, default="session")


def _scope(fixture_name: str, config: pytest.Config) -> Any:  # noqa: ANN401, ARG001 - pytest's signature
    scope = config.getini("authfactor_scope")
    if scope not in SCOPES:
        raise pytest.UsageError(f"authfactor_scope must be one of {', '.join(SCOPES)}, not '{scope}'.")
    return scope


@pytest.fixture(scope="session")
def authfactor_settings() -> dict[str, Any]:
    """Settings of the server, such as `challenge_life` or `window`. Override this fixture to change them."""
    return {}


@pytest.fixture(scope=_scope)
def authfactor_server(authfactor_settings: dict[str, Any]) -> "Iterator[AuthfactorServer]":
    """A running `AuthfactorServer` on a free port, with its own database and a movable clock."""
    from authfactor.testing.server import serving  # noqa: PLC0415 - imported on first use

    with serving(**authfactor_settings) as server:
        yield server


@pytest.fixture
def authfactor_client(authfactor_server: "AuthfactorServer") -> "Iterator[Client]":
    """A `Client` of `authfactor_server`."""
    with authfactor_server.client() as client:
        yield client


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Reset the clocks of all servers, so that a moved clock does not affect the next test."""
    module = sys.modules.get("authfactor.testing.server")
    if module is not None:
        for server in list(module.RUNNING):
            server.clock.reset()
