"""The README's tour, run block after block in one shell, against a demo server."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.server_process import Server, clean_environment, fields
from tests.support.skip_or_fail import skip_or_fail

ROOT: Final = Path(__file__).parents[2]
WRITTEN_URL: Final = "http://127.0.0.1:8080"
BETWEEN: Final = "=== block {} ==="


def tour() -> list[str]:
    """Return the shell blocks between the markers."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = re.findall(r"<!-- tour:start -->(.*?)<!-- tour:end -->", text, re.DOTALL)
    return [
        block for part in parts for block in re.findall(r"^```sh\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
    ]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    # As `make run` starts it, except for the port and the folder.
    return Server(
        tmp_path / "data", {"AUTHFACTOR_BOOTSTRAP_API_KEY": "", "AUTHFACTOR_BOOTSTRAP_CLIENT_ID": ""}
    )


def script(server: Server) -> str:
    """Join the blocks; a failing line ends the run, and markers separate the blocks' outputs."""
    blocks = [f"echo '{BETWEEN.format(number)}'\n{block}" for number, block in enumerate(tour())]
    return "set -eo pipefail\n" + "\n".join(blocks).replace(WRITTEN_URL, server.url)


def run_tour(server: Server, folder: Path) -> "subprocess.CompletedProcess[str]":
    bash = shutil.which("bash")
    if bash is None or shutil.which("curl") is None:
        skip_or_fail("bash or curl is not on PATH")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [bash, "-c", script(server)],
        cwd=folder,
        env=clean_environment(PATH=path, AUTHFACTOR_BASE_URL=server.url, AUTHFACTOR_DATA=str(server.data)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_readme_tour_works_as_written(server: Server, tmp_path: Path) -> None:
    # The tour runs in the README's folder; its files are in the data folder.
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    server.start("--demo")
    try:
        done = run_tour(server, folder)
        assert done.returncode == 0, done.stdout + done.stderr
        outputs = re.split(r"=== block \d+ ===\n", done.stdout)[1:]
        key = (server.data / "demo-api-key").read_text().strip()
        with server.client(key) as client:
            users = fields(client.get("/user_management/users"), 200)["data"]
            factors = [
                fields(client.get(f"/user_management/users/{user['id']}/auth_factors"), 200)["data"]
                for user in users
            ]
    finally:
        assert server.stop() == 0

    assert len(outputs) == len(tour()) > 3
    assert done.stderr.strip() == ""
    # What the text around the blocks says.
    assert re.search(r'"valid": true', done.stdout)
    assert re.search(r'"valid": false', done.stdout)
    assert "code_already_used" in done.stdout
    assert "otpauth://totp/Acme:" in done.stdout
    assert any(factors), "the tour enrolls a factor"
    assert "internal_error" not in done.stdout


def test_urls_and_make_targets_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    targets = set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE)) | set(
        re.findall(r"`make ([a-z]+)`", text)
    )
    assert {"run", "test"} <= targets
    assert targets <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert WRITTEN_URL.removeprefix("http://127.0.0.1:") in makefile


def test_files_linked_from_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (ROOT / link).exists()] == []
