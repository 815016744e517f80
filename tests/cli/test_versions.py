"""`authfactor --version`: the program and what it runs on."""

import json
import platform
import re
import sqlite3
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest

from authfactor.cli import versions
from authfactor.store import schema
from authfactor.version import __version__
from tests.support.server_process import command_line

PROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"


def test_version_names_the_program_first_then_what_it_runs_on() -> None:
    shown = command_line("--version")

    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0] == f"authfactor {__version__}"
    assert lines[1].startswith(f"Python {platform.python_version()} (CPython, ")
    assert lines[2] == f"SQLite {sqlite3.sqlite_version}"
    assert lines[3] == f"schema {schema.NEEDED}"
    assert f"cryptography {metadata.version('cryptography')}" in lines


@pytest.mark.parametrize("words", [("--version", "--json"), ("--json", "--version")])
def test_version_is_json_wherever_the_option_stands(words: tuple[str, ...]) -> None:
    found: dict[str, Any] = json.loads(command_line(*words).stdout)

    assert found["authfactor"] == __version__
    assert found["sqlite"] == sqlite3.sqlite_version
    assert found["packages"]["msgspec"] == metadata.version("msgspec")


def test_version_runs_no_command(tmp_path: Path) -> None:
    shown = command_line("--data", str(tmp_path / "none"), "--version", "users", "list")

    assert (shown.returncode, shown.stdout.splitlines()[0]) == (0, f"authfactor {__version__}")


def test_options_without_a_command_are_refused() -> None:
    refused = command_line("--json")

    assert (refused.returncode, "Missing command" in refused.stderr) == (2, True)


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "EXTRAS", ("no-such-package",))

    assert versions.found()["packages"]["no-such-package"] is None
    assert "no-such-package (not installed)" in versions.text().splitlines()


def test_every_dependency_is_named() -> None:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^a-z0-9-]", text, maxsplit=1)[0] for text in requirements}

    assert set(versions.PACKAGES) == names(project["dependencies"])
    extras = set().union(*(names(listed) for listed in project["optional-dependencies"].values()))
    assert set(versions.EXTRAS) == {name for name in extras if name not in versions.PACKAGES}
