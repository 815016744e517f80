"""Start and stop the servers under test, each on a free loopback port with a fresh folder."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from harness import privacyidea_server, processor
from harness.environment import BENCH, REPOSITORY
from harness.launch import Launch, Settings

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class ServerFailed(Exception):
    """A server did not start, or exited while it was needed."""


@dataclass(frozen=True)
class Usage:
    """What a server's process tree uses: CPU seconds since the start, resident bytes now."""

    cpu_seconds: float
    resident_bytes: int


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    port: int
    api_key: str
    folder: Path
    process: psutil.Process
    authorization: str
    ready: str = "/readyz"

    @property
    def url(self) -> str:
        """The base URL without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def usage(self) -> Usage:
        """Return CPU time and resident memory of the process and its descendants."""
        cpu, resident = 0.0, 0
        for process in (self.process, *self.process.children(recursive=True)):
            with process.oneshot():
                times = process.cpu_times()
                cpu += times.user + times.system
                resident += process.memory_info().rss
        return Usage(cpu, resident)


def authfactor(settings: Settings, tree: Path = REPOSITORY) -> Launch:
    """Describe the server of this repository; `migrate` prepares a PostgreSQL database."""
    binary = [str(REPOSITORY / ".venv" / "bin" / "python"), "-m", "authfactor"]
    environment = {
        "PYTHONPATH": str(tree / "src"),
        "AUTHFACTOR_BOOTSTRAP_API_KEY": settings.api_key,
        "AUTHFACTOR_BOOTSTRAP_CLIENT_ID": "client_bench",
        "AUTHFACTOR_DATA": str(settings.folder),
    }
    before = []
    if settings.database_url:
        environment["AUTHFACTOR_DATABASE_URL"] = settings.database_url
        before.append([*binary, "migrate"])
    command = [*binary, "serve", "--host", "127.0.0.1", "--port", str(settings.port)]
    command += ["--workers", str(settings.workers), "--data", str(settings.folder)]
    return Launch(before, command, environment)


def baseline(settings: Settings) -> Launch:
    """Describe the server of another checkout, whose folder the variable `BASELINE` names.

    It runs in this repository's environment, so both checkouts must have the same dependencies.
    """
    return authfactor(settings, Path(os.environ["BASELINE"]).resolve())


def usual_stack(settings: Settings) -> Launch:
    """Describe the peer: uvicorn with uvloop and httptools, no access log."""
    peers = BENCH / "peers"
    url = f"sqlite+aiosqlite:///{settings.folder}/usual_stack.sqlite3"
    if settings.database_url:
        url = urlsplit(settings.database_url)._replace(scheme="postgresql+asyncpg").geturl()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(peers), "usual_stack:app"]
    command += ["--host", "127.0.0.1", "--port", str(settings.port), "--workers", str(settings.workers)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    environment = {"PEER_DATABASE_URL": url, "PEER_API_KEY": settings.api_key}
    return Launch([[sys.executable, str(peers / "usual_stack.py")]], command, environment)


LAUNCHES: dict[str, Callable[[Settings], Launch]] = {
    "authfactor": authfactor,
    "baseline": baseline,
    "usual_stack": usual_stack,
    "privacyidea": privacyidea_server.launch,
}


def kind(name: str) -> str:
    """Return which server a name means: `authfactor-2` is a second one, `authfactor:4` has 4 workers."""
    return re.split("[-:]", name, maxsplit=1)[0]


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, process: psutil.Popen, log: Path) -> None:
    """Poll a URL until it returns 200.

    Raises:
        ServerFailed: the process exited, or there was no 200 within `START_SECONDS`.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    message = f"{url} did not become ready:\n{log.read_text(errors='replace')[-4000:]}"
    raise ServerFailed(message)


@contextmanager
def running(
    name: str,
    *,
    folder: Path,
    workers: int = 1,
    database_url: str | None = None,
    share: float | None = None,
) -> Iterator[Server]:
    """Run a server during a `with` block; its output goes to `server.log` in its folder.

    `share`: the share of a processor to which each worker is limited, if any.
    """
    folder.mkdir(parents=True)
    api_key = f"sk_{secrets.token_hex(24)}"
    port = free_port()
    launch = LAUNCHES[kind(name)](Settings(port, workers, folder, api_key, database_url))
    outside = {
        key: value for key, value in os.environ.items() if not key.startswith(("AUTHFACTOR_", "PYTHONPATH"))
    }
    environment = outside | launch.environment
    log = folder / "server.log"
    with log.open("wb") as output:
        for command in launch.before:
            subprocess.run(command, env=environment, stdout=output, stderr=output, check=True)
        process = psutil.Popen(launch.command, env=environment, stdout=output, stderr=output)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}{launch.ready}", process, log)
        authorization = launch.authorization or f"Bearer {api_key}"
        watched = psutil.Process(process.pid)
        if share is not None:
            processor.limit(watched.children() if workers > 1 else [watched], share)
        yield Server(name, port, api_key, folder, watched, authorization, launch.ready)
    finally:
        stop(process)


def stop(process: psutil.Popen) -> None:
    """Stop a server with SIGTERM and remaining processes of its tree with SIGKILL."""
    if process.poll() is not None:
        return
    tree = process.children(recursive=True)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    for child in tree:
        if child.is_running():
            child.kill()
