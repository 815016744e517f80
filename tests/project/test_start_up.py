"""The modules that the program loads at the start, counted because seconds depend on the machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from authfactor import Client
from tests.support.server_process import API_KEY, Server

IMPORT = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)

# "seven green bottles"
SSHA = "{SSHA}aIGx7SWY93AKTEVcoiHmeBBXcwVzYWx0"

NEVER_AT_A_START = {
    "alembic",
    "asyncpg",
    "authfactor.client",
    "authfactor.doctor",
    "authfactor.http.telemetry.prometheus",
    "authfactor.http.api.openapi",
    "authfactor.crypto.imported_hashes",
    "bcrypt",
    "cryptography.hazmat.primitives.serialization",
    "cryptography.x509",
    "fido2",
    "httpx",
    "jinja2",
    "jwt",
    "opentelemetry",
    "prometheus_client",
    "pydantic",
    "rich",
    "sqlalchemy",
    "starlette",
    "structlog",
    "tomllib",
    "typer",
}
"""What neither a help text nor a server needs before its first response."""

NOTHING_RUNS = NEVER_AT_A_START | {
    "argon2",
    "asyncio",
    "authfactor.core",
    "authfactor.http",
    "authfactor.rules",
    "authfactor.store",
    "cryptography",
    "sqlite3",
    "ssl",
    "uvicorn",
}
"""What a help text does not need either."""


def loaded_from(loaded: set[str], packages: set[str]) -> set[str]:
    """Return which of the packages (or modules) were loaded, at least in part."""
    return {
        package
        for package in packages
        for name in loaded
        if name == package or name.startswith(f"{package}.")
    }


def loaded(*words: str) -> set[str]:
    """Return the modules that one run of the program loads."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AUTH", "COVERAGE"))
    }
    command = [sys.executable, "-X", "importtime", "-m", "authfactor", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return set(IMPORT.findall(done.stderr))


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (130, ("--help",)),
        (160, ("serve", "--help")),
        (170, ("users", "--help")),
        (170, ("factors", "verify", "--help")),
    ],
)
def test_help_texts_load_few_modules(limit: int, words: tuple[str, ...]) -> None:
    modules = loaded(*words)
    assert loaded_from(modules, NOTHING_RUNS) == set()
    assert len(modules) <= limit, f"{len(modules)} modules; which of them can be loaded later?"


def test_version_loads_no_package_whose_version_it_prints() -> None:
    modules = loaded("--version")
    # The standard library knows the version of SQLite, and no package but click has to be loaded.
    needed = {"authfactor.store", "sqlite3"}
    assert loaded_from(modules, NOTHING_RUNS - needed) == set()
    assert len(modules) <= 270, f"{len(modules)} modules; which of them can be loaded later?"


@pytest.mark.parametrize(
    ("limit", "words"), [(380, ("--json", "users", "list")), (380, ("--json", "vault", "status"))]
)
def test_commands_do_not_load_the_server(tmp_path: Path, limit: int, words: tuple[str, ...]) -> None:
    with Client(data=tmp_path) as client:
        client.user_management.create_user(email="kim@example.org")
    modules = loaded("--data", str(tmp_path), *words)
    assert loaded_from(modules, NEVER_AT_A_START | {"authfactor.http", "uvicorn"}) == set()
    assert len(modules) <= limit, f"{len(modules)} modules; which of them can be loaded later?"


def test_a_starting_server_loads_no_unneeded_modules(tmp_path: Path) -> None:
    initial = Server(tmp_path / "data")
    initial.start()
    assert initial.stop() == 0
    # The log format that loads more: lines for people need another library.
    environment = {
        "PYTHONPROFILEIMPORTTIME": "1",
        "COVERAGE_PROCESS_CONFIG": "",
        "AUTHFACTOR_LOG_FORMAT": "human",
    }
    server = Server(tmp_path / "data", environment)
    server.log = tmp_path / "second.log"

    server.start()
    modules = set(IMPORT.findall(server.output()))
    assert loaded_from(modules, NEVER_AT_A_START) == set()
    assert len(modules) <= 500, f"{len(modules)} modules; which of them can be loaded later?"

    # Deferred modules are loaded when they are needed.
    with server.client(API_KEY) as client:
        assert client.get("/openapi.json").json()["openapi"] == "3.1.0"
        created = client.post(
            "/user_management/users",
            json={
                "email": "kim@example.org",
                "password_hash": SSHA,
                "password_hash_type": "ssha",
            },
        )
        assert created.status_code == 201, created.text
    assert server.stop() == 0
