"""tools/addresses.py, run as `make lint` runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "addresses.py"


def run(*files: Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *files], capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.mark.parametrize(
    "parts",
    [
        ("https://files.", "pythonhosted", ".org/packages/x.whl"),
        ("--index-url https:", "//", "pypi.org/simple"),
        ('"resolved": "https://registry.', "npmjs", '.org/x.tgz"'),
        ("cd ", "/", "root/checkout"),
        ('"', "/", 'work/main"'),
        ("open(", "/", "home/alice/notes)"),
    ],
    ids=["wheel", "index", "npm", "superuser", "workspace", "home"],
)
def test_registry_hosts_and_machine_paths_are_reported(tmp_path: Path, parts: tuple[str, ...]) -> None:
    file = tmp_path / "x.lock"
    file.write_text("fine\n" + "".join(parts) + "\n")
    result = run(file)
    assert result.returncode == 1
    assert f"{file}:2: " in result.stdout


@pytest.mark.parametrize(
    "line",
    [
        "https://example.com/work/list",
        "POST /user_management/users",
        "mywork/root/x",
        "//github.com/pypi/warehouse",
    ],
)
def test_ordinary_urls_and_relative_paths_pass(tmp_path: Path, line: str) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"{line}\n")
    assert run(file).returncode == 0


def test_binary_files_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\0" + b"/" + b"root/x")
    assert run(file).returncode == 0


def test_tracked_and_new_files_are_checked_but_ignored_ones_are_not(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    offense = "/" + "work/x\n"
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "ignored").write_text(offense)
    assert run(cwd=tmp_path).returncode == 0
    (tmp_path / "new").write_text(offense)
    result = run(cwd=tmp_path)
    assert result.returncode == 1
    assert "new:1: path of one machine" in result.stdout
