"""The packages: reproducible, one version, everything that is needed and nothing else."""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Final

import click
import pytest
from click.testing import CliRunner

import authfactor
from authfactor.cli import app

ROOT: Final = Path(__file__).parents[2]


def build(into: Path) -> dict[str, Path]:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(into)],
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1735689600"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix: path for path in into.iterdir()
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(tmp_path_factory.mktemp("dist"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_builds_are_reproducible(built: dict[str, Path], tmp_path: Path) -> None:
    second = build(tmp_path / "again")
    assert {name: digest(path) for name, path in second.items()} == {
        name: digest(path) for name, path in built.items()
    }
    assert set(built) == {".whl", ".tar.gz"}


def test_the_version_is_written_in_one_place(built: dict[str, Path]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"]
    assert all(f"authfactor-{authfactor.__version__}" in path.name for path in built.values())


def test_the_wheel_contains_the_package_and_nothing_else(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built[".whl"]) as wheel:
        names = set(wheel.namelist())
    inside = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside <= names, sorted(inside - names)
    version = f"authfactor-{authfactor.__version__}"
    assert {name.split("/")[0] for name in names} == {"authfactor", f"{version}.dist-info", f"{version}.data"}
    extra = [name for name in names if name.startswith(f"{version}.data/")]
    assert extra == [f"{version}.data/data/share/man/man1/authfactor.1"]
    assert "authfactor/py.typed" in names


def test_the_package_index_gets_a_readme_with_absolute_links(built: dict[str, Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.values())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(built[".whl"]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        text = wheel.read(name).decode()
    fields, _, readme = text.partition("\n\n")
    assert {"Project-URL", "Keywords", "Summary", "License-Expression", "Classifier"} <= {
        line.partition(":")[0] for line in fields.splitlines()
    }
    assert "# authfactor" in readme
    links = re.findall(r"""\]\(([^)\s]+)|(?:src|href)="([^"]+)""", readme)
    targets = [first or second for first, second in links]
    assert len(targets) > 10
    assert [each for each in targets if not re.match(r"https?://|mailto:|#", each)] == []


def test_the_sdist_contains_sources_and_project_files(built: dict[str, Path]) -> None:
    with tarfile.open(built[".tar.gz"]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "src/authfactor/__init__.py"} <= names
    assert "docs/man/authfactor.1" in names


def test_supported_python_versions_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [text.rpartition(" ")[2] for text in project["classifiers"] if re.search(r":: 3\.\d+$", text)]
    assert declared == ["3.11", "3.12", "3.13", "3.14"]
    assert project["requires-python"] == ">=3.11"


def commands(
    command: click.Command,
    path: tuple[str, ...] = (),
) -> list[tuple[tuple[str, ...], click.Command]]:
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        return [(path, command)]
    return [found for name, inner in subcommands.items() for found in commands(inner, (*path, name))]


@pytest.mark.parametrize("path", [path for path, _ in commands(app)], ids=" ".join)
def test_help_of_every_command_has_an_example(path: tuple[str, ...]) -> None:
    text = dict(commands(app))[path].help or ""
    example = re.search(r"Example:\s+(authfactor .*)", text)
    assert example, f"the help of `authfactor {' '.join(path)}` has no example"
    assert " ".join(path) in example.group(1)


@pytest.mark.parametrize("path", [(), *(path for path, _ in commands(app))], ids=" ".join)
def test_every_command_accepts_the_short_help_option(path: tuple[str, ...]) -> None:
    short, long = (CliRunner().invoke(app, [*path, option]) for option in ("-h", "--help"))
    assert (short.exit_code, short.output) == (0, long.output)
    assert "-h, --help" in short.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed_for_every_shell(shell: str) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "authfactor", "--show-completion", shell],
        capture_output=True,
        text=True,
        check=False,
    )
    assert printed.returncode == 0, printed.stderr
    assert "COMPLETE" in printed.stdout


def test_bash_completes_the_commands() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "authfactor")],
        env={
            **os.environ,
            "_AUTHFACTOR_COMPLETE": "bash_complete",
            "COMP_WORDS": "authfactor migr",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "plain,migrate" in done.stdout.split(), done.stdout + done.stderr
