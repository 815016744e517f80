"""The import contracts of pyproject.toml, tested by adding a forbidden import to a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--no-cache", "--config", str(tree / "pyproject.toml")]
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tree, env=environment)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("module", "fault", "contract"),
    [
        ("otp/totp", "import time", "Time and randomness are arguments"),
        ("otp/base32", "from os import path", "Pure modules are pure"),
        ("models", "import sqlite3", "Only the store sees a driver"),
        ("crypto/vault", "import starlette", "Only doors speak HTTP"),
        ("errors", "import authfactor.models", "Dependencies point one way"),
        ("rules/planted", "from authfactor.store import sqlite", "Rules see the store's protocol only"),
        ("rules/planted", "import secrets", "Time and randomness are arguments"),
        ("unplaced", "", "Dependencies point one way"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(tree: Path, module: str, fault: str, contract: str) -> None:
    if module.startswith("rules/"):
        (tree / "src" / "authfactor" / "rules").mkdir(exist_ok=True)
        (tree / "src" / "authfactor" / "rules" / "__init__.py").touch()
    with (tree / "src" / "authfactor" / f"{module}.py").open("a") as file:
        file.write(f"\n{fault}\n")
    result = lint_imports(tree)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract} BROKEN" in result.stdout
    assert f"authfactor.{module.replace('/', '.')}" in result.stdout
