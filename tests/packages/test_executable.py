"""The single-file executable: built, started in an empty directory without Python, used, and stopped."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest

import authfactor
from tests.support.first_factor import enroll_and_verify, wait_until_ready
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import API_KEY, free_port

ROOT: Final = Path(__file__).parents[2]
SPECIFICATION: Final = ROOT / "deploy" / "executable" / "authfactor.spec"

pytestmark = [pytest.mark.packages, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the executable and return it, alone in an empty directory."""
    work = tmp_path_factory.mktemp("build")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "PyInstaller", "--log-level", "WARN", "--noconfirm"),
            *("--distpath", str(work), "--workpath", str(work / "work"), str(SPECIFICATION)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return Path(shutil.move(work / "authfactor", tmp_path_factory.mktemp("alone") / "authfactor"))


@pytest.fixture
def environment(program: Path) -> dict[str, str]:
    # Nothing of this environment: no PATH, no PYTHONPATH, no home directory.
    return {"AUTHFACTOR_BOOTSTRAP_API_KEY": API_KEY, "TMPDIR": str(program.parent)}


@pytest.fixture
def server(
    program: Path, environment: dict[str, str]
) -> Iterator[tuple["subprocess.Popen[bytes]", str, Path]]:
    port, log = free_port(), program.parent / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "serve", "--port", str(port), "--data", "data", "--workers", "2"],
            cwd=program.parent,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, log)
        yield process, url, log
    finally:
        process.kill()
        process.wait()


def test_the_executable_prints_its_version_and_help(program: Path, environment: dict[str, str]) -> None:
    for arguments, expected in (
        (["--version"], f"authfactor {authfactor.__version__}\n"),
        (["--version"], f"\ncryptography {metadata.version('cryptography')}\n"),
        (["users", "list", "-h"], "Usage: authfactor users list"),
    ):
        done = subprocess.run(
            [program, *arguments],
            cwd=program.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout


def test_the_executable_migrates_postgresql_named_by_a_secret_file(
    program: Path, environment: dict[str, str], postgres_server: PostgresServer, tmp_path: Path
) -> None:
    secret = tmp_path / "database-url"
    secret.write_text(f"{postgres_server.url(postgres_server.create_database())}\n")
    done = subprocess.run(
        [program, "migrate"],
        cwd=program.parent,
        env={**environment, "AUTHFACTOR_DATABASE_URL_FILE": str(secret)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_executable_serves_refuses_an_upgrade_in_place_and_stops(
    server: tuple["subprocess.Popen[bytes]", str, Path],
) -> None:
    process, url, log = server
    factor = enroll_and_verify(url)
    assert factor.startswith("auth_factor_")

    os.kill(process.pid, signal.SIGUSR2)
    end = time.monotonic() + 30
    while "a single-file executable cannot be replaced while it runs" not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
    enroll_and_verify(url)

    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    leftover = [path.name for path in log.parent.iterdir() if path.name.startswith("_MEI")]
    assert leftover == [], "the unpacked files are removed at the end"
