"""Failed starts: one clear line that says what to do, a non-zero exit code, no traceback."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from authfactor import errors
from authfactor.core import Authfactor
from authfactor.settings import Settings
from authfactor.store import schema
from tests.support.server_process import clean_environment, command_line, free_port
from tests.support.skip_or_fail import skip_or_fail

DATABASE: Final = "authfactor.db"


def assert_one_line(done: "subprocess.CompletedProcess[str]", *expected: str) -> None:
    assert done.returncode not in (0, 1) or "in use" in done.stderr, (done.returncode, done.stderr)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("authfactor: ")
    for text in expected:
        assert text in lines[0]


def serve(data: Path, *options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return command_line("serve", "--data", str(data), "--port", str(free_port()), *options, **environment)


def create_installation(data: Path) -> None:
    assert command_line("--data", str(data), "keys", "create").returncode == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_unknown_setting_is_refused_with_a_suggestion(tmp_path: Path, workers: str) -> None:
    done = serve(tmp_path, "--workers", workers, AUTHFACTOR_LOCK_AFTR="3")
    assert_one_line(done, "AUTHFACTOR_LOCK_AFTR is not a setting", "Did you mean AUTHFACTOR_LOCK_AFTER?")


def test_a_setting_out_of_bounds_is_refused(tmp_path: Path) -> None:
    assert_one_line(
        serve(tmp_path, AUTHFACTOR_LOCK_AFTER="0"), "AUTHFACTOR_LOCK_AFTER must be at least 1, not 0."
    )


def test_a_key_ring_readable_by_others_is_refused(tmp_path: Path) -> None:
    create_installation(tmp_path)
    (tmp_path / "keys").chmod(0o644)
    assert_one_line(serve(tmp_path), "readable by others", f"Run: chmod 600 {tmp_path / 'keys'}")


def test_an_unreadable_key_ring_is_refused(tmp_path: Path) -> None:
    create_installation(tmp_path)
    (tmp_path / "keys").unlink()
    (tmp_path / "keys").mkdir(mode=0o700)
    assert_one_line(serve(tmp_path), str(tmp_path / "keys"), "cannot be read")


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command_line("serve", "--data", str(tmp_path), "--port", str(port))
    assert_one_line(done, "in use", f"127.0.0.1:{port}")


def test_a_database_with_a_newer_schema_is_refused(tmp_path: Path) -> None:
    create_installation(tmp_path)
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    assert_one_line(serve(tmp_path), "9999", schema.NEEDED, "Run the newer release")


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"no database " * 1000)
    assert_one_line(serve(tmp_path), "not a SQLite database")


def test_missing_tls_files_are_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    done = serve(tmp_path, "--tls-cert", missing, "--tls-key", missing)
    assert_one_line(done, "missing.pem cannot be read: No such file")


def small_disk(script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script with $DISK, a file system of 512 KiB in a mount namespace of its own."""
    enter = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    if shutil.which("unshare") is None or subprocess.run([*enter, "true"], check=False).returncode != 0:
        skip_or_fail("a small file system cannot be mounted here")
    return subprocess.run(
        [*enter, "sh", "-ec", f'mkdir -p "$DISK"; mount -t tmpfs -o size=512k none "$DISK"; {script}'],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env=clean_environment(PYTHON=sys.executable),
    )


@pytest.mark.parametrize("filled", ["500", "508", "512"])
def test_a_full_disk_is_reported_in_one_line(
    tmp_path: Path, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISK", str(tmp_path / "disk"))
    done = small_disk(
        f'dd if=/dev/zero of="$DISK/filled" bs=1k count={filled} 2>/dev/null || true;'
        f'exec "$PYTHON" -m authfactor serve --port {free_port()} --data "$DISK/data"'
    )
    if "mount:" in done.stderr:
        skip_or_fail("a small file system cannot be mounted here")
    assert_one_line(done)
    assert "full" in done.stderr or "No space left on device" in done.stderr, done.stderr


async def test_a_clock_in_1970_is_refused_before_files_are_created(tmp_path: Path) -> None:
    with pytest.raises(errors.AuthfactorError, match=r"clock says 1970-01-01.*Set the clock"):
        await Authfactor.open(Settings(data=tmp_path / "data"), clock=lambda: 5_000)
    assert not (tmp_path / "data").exists()


def test_a_server_on_a_machine_in_1970_does_not_start(tmp_path: Path) -> None:
    faketime = shutil.which("faketime")
    if faketime is None:
        skip_or_fail("faketime is not on PATH")
    done = subprocess.run(
        [
            faketime,
            "1970-01-02 00:00:00",
            sys.executable,
            "-m",
            "authfactor",
            "serve",
            "--data",
            str(tmp_path),
            "--port",
            str(free_port()),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env=clean_environment(),
    )
    assert_one_line(done, "clock says 1970", "Set the clock")
