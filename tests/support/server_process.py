"""Real server processes for tests, started from the command line and stopped with SIGTERM."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx

Json: TypeAlias = Any  # a value out of a JSON document

API_KEY: Final = "sk_test_default"
CLIENT_ID: Final = "client_test"
READY_SECONDS: Final = 60
STOP_SECONDS: Final = 40
# Below a test's time limit, so that a failure shows the actual output.
OUTPUT_SECONDS: Final = 40
# Plain HTTP: loading certificates for every client would take most of the tests' time.
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Below the server's keep-alive time, so that no request is sent into a connection that is being closed.
LIMITS: Final = httpx.Limits(max_connections=100, keepalive_expiry=2)


def clean_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without the product's settings, plus `more`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTHFACTOR_")}
    return {**inherited, **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command_line(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `authfactor ARGUMENTS` and return its result, whatever the exit code."""
    return subprocess.run(
        [sys.executable, "-m", "authfactor", *arguments],
        env=clean_environment(**{"COLUMNS": "200", **environment}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )


class Server:
    """One `authfactor serve` on a free port, with its own data folder."""

    def __init__(self, data: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.settings = dict(settings or {})
        self.log = data / "test-server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.scheme = "http"
        self._environment = clean_environment(
            **{
                "AUTHFACTOR_BOOTSTRAP_API_KEY": API_KEY,
                "AUTHFACTOR_BOOTSTRAP_CLIENT_ID": CLIENT_ID,
                **(settings or {}),
            }
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start and wait until `/readyz` answers 200."""
        self.data.mkdir(parents=True, exist_ok=True)
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--data", str(self.data))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "authfactor", "serve", *where, *options],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_ready()

    def stop(self) -> int:
        """Send SIGTERM, wait for the end, and return the exit code."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not stop the server: {self.output()}") from None

    @property
    def pid(self) -> int:
        """The process that was started; with several workers their supervisor."""
        return self._running().pid

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def children(self) -> list[int]:
        """Return the pids of the server's running child processes."""
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                values = status.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(values[1]) == self.pid and values[0] != "Z":
                found.append(int(status.parent.name))
        return found

    def setting(self, name: str) -> str:
        """Return one environment variable of the server."""
        return self._environment[name]

    def wait_for_output(self, text: str, times: int = 1) -> None:
        """Wait until the server has printed `text` that many times."""
        end = time.monotonic() + OUTPUT_SECONDS
        while self.output().count(text) < times:
            assert time.monotonic() < end, f"never printed '{text}': {self.output()}"
            time.sleep(0.02)

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        process = self._running()
        process.kill()
        process.wait()

    def output(self) -> str:
        """Return everything the server has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def client(self, key: str | None = API_KEY) -> httpx.Client:
        """Make a client that sends the API key with every request."""
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=30,
            trust_env=False,
            transport=httpx.HTTPTransport(verify=NO_TLS, limits=LIMITS),
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line on this server's data folder."""
        where = {
            name: value for name, value in self._environment.items() if name == "AUTHFACTOR_DATABASE_URL"
        }
        return command_line("--data", str(self.data), *arguments, **where)

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "the server was not started"
        return self._process

    def _wait_until_ready(self) -> None:
        process = self._running()
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                raise AssertionError(f"the server ended with {process.returncode}: {self.output()}")
            if _answers_ready(self.port, tls=self.scheme == "https"):
                return
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"the server did not get ready: {self.output()}")


def _answers_ready(port: int, *, tls: bool = False) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with contextlib.ExitStack() as opened:
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            if tls:
                connection = opened.enter_context(context.wrap_socket(connection))
            connection.sendall(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return connection.recv(12).endswith(b" 200")
    except OSError:
        return False


@contextmanager
def running(data: Path, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a server; at the end SIGTERM must stop it with 0, without unexpected failures in its log."""
    with started(Server(data, settings)) as server:
        yield server


@contextmanager
def started(server: Server) -> Iterator[Server]:
    """Run an existing server, like `running`."""
    server.start()
    try:
        yield server
    except BaseException:
        server.kill()
        raise
    assert server.stop() == 0, server.output()
    assert_no_surprise(server)


def assert_no_surprise(server: Server) -> None:
    for word in ("Traceback", "unexpected failure", "never awaited"):
        assert word not in server.output(), server.output()


def fields(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check status and content type, and return the object in the body."""
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.text}"
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    body = answer.json()
    assert isinstance(body, dict)
    return body
