"""What the program loads before it can answer: modules, since seconds depend on the machine."""

import json
import subprocess
import sys

import pytest

RUN = """
import contextlib, io, json, sys
sys.argv = ["authfactor", *json.loads(sys.argv[1])]
from authfactor.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(json.dumps(sorted(sys.modules)))
"""

FOR_LATER = {
    "alembic",
    "asyncpg",
    "httpx",
    "jinja2",
    "jwt",
    "opentelemetry",
    "prometheus_client",
    "rich",
    "sqlalchemy",
    "starlette",
    "uvicorn",
}
"""Packages that a help text needs nothing of."""

MODULES = 480
"""How many modules a help text may load."""


def loaded(*words: str) -> set[str]:
    """Return the modules that one run of the program has loaded by its end."""
    command = [sys.executable, "-c", RUN, json.dumps(words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("words", [("--help",), ("serve", "--help"), ("factors", "--help"), ("--version",)])
def test_a_help_text_loads_little(words: tuple[str, ...]) -> None:
    modules = loaded(*words)
    assert {name.partition(".")[0] for name in modules} & FOR_LATER == set()
    assert len(modules) <= MODULES, f"{len(modules)} modules; what of them can be loaded later?"
