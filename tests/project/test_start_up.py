"""What the program loads before it can answer: modules, since seconds depend on the machine."""

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
"""What neither a help text nor a server needs before its first answer."""

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
"""What a help text can do without besides."""


def of(loaded: set[str], packages: set[str]) -> set[str]:
    """Return which of the packages (or modules) have been loaded, or a part of them."""
    return {
        package
        for package in packages
        for name in loaded
        if name == package or name.startswith(f"{package}.")
    }


def loaded(*words: str) -> set[str]:
    """Return the modules that one run of the program has loaded by its end."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("AUTH", "COVERAGE"))}
    command = [sys.executable, "-X", "importtime", "-m", "authfactor", *words]
    done = subprocess.run(command, env=outside, capture_output=True, text=True, check=True, timeout=60)
    return set(IMPORT.findall(done.stderr))


@pytest.mark.parametrize(
    ("most", "words"),
    [
        (130, ("--help",)),
        (120, ("--version",)),
        (160, ("serve", "--help")),
        (170, ("users", "--help")),
        (170, ("factors", "verify", "--help")),
    ],
)
def test_a_help_text_loads_little(most: int, words: tuple[str, ...]) -> None:
    modules = loaded(*words)
    assert of(modules, NOTHING_RUNS) == set()
    assert len(modules) <= most, f"{len(modules)} modules; what of them can be loaded later?"


@pytest.mark.parametrize(
    ("most", "words"), [(380, ("--json", "users", "list")), (380, ("--json", "vault", "status"))]
)
def test_a_command_loads_no_server(tmp_path: Path, most: int, words: tuple[str, ...]) -> None:
    with Client(data=tmp_path) as client:
        client.user_management.create_user(email="kim@example.org")
    modules = loaded("--data", str(tmp_path), *words)
    assert of(modules, NEVER_AT_A_START | {"authfactor.http", "uvicorn"}) == set()
    assert len(modules) <= most, f"{len(modules)} modules; what of them can be loaded later?"


def test_a_server_loads_what_requests_need(tmp_path: Path) -> None:
    first = Server(tmp_path / "data")
    first.start()
    assert first.stop() == 0
    # The heavier kind of log: lines for people are written by a library of their own.
    told = {"PYTHONPROFILEIMPORTTIME": "1", "COVERAGE_PROCESS_START": "", "AUTHFACTOR_LOG_FORMAT": "human"}
    server = Server(tmp_path / "data", told)
    server.log = tmp_path / "second.log"

    server.start()
    modules = set(IMPORT.findall(server.output()))
    assert of(modules, NEVER_AT_A_START) == set()
    assert len(modules) <= 500, f"{len(modules)} modules; what of them can be loaded later?"

    # What was put off is there when it is asked for.
    with server.client(API_KEY) as client:
        assert client.get("/openapi.json").json()["openapi"] == "3.1.0"
        made = client.post(
            "/user_management/users",
            json={
                "email": "kim@example.org",
                "password_hash": SSHA,
                "password_hash_type": "ssha",
            },
        )
        assert made.status_code == 201, made.text
    assert server.stop() == 0
