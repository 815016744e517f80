"""`authfactor ready`, the health check of containers."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.certificates import write_certificate
from tests.support.server_process import Server, command_line, free_port, running, started


def test_ready_asks_the_port_of_the_settings(tmp_path: Path) -> None:
    with running(tmp_path / "server") as server:
        for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - asked for, not bound
            done = command_line("ready", AUTHFACTOR_HOST=host, AUTHFACTOR_PORT=str(server.port))
            assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr
        file = tmp_path / "authfactor.toml"
        file.write_text(f"port = {server.port}\n")
        assert command_line("--config", str(file), "--json", "ready").stdout == '{\n  "ready": true\n}\n'


def test_ready_asks_over_tls_whatever_name_the_certificate_has(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    settings = {"AUTHFACTOR_TLS_CERT": str(certificate), "AUTHFACTOR_TLS_KEY": str(key)}
    server = Server(tmp_path / "server", settings)
    server.scheme = "https"
    with started(server):
        done = command_line("ready", "--port", str(server.port), **settings)
        assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr


def test_ready_exits_with_7_where_nothing_listens() -> None:
    port = str(free_port())
    done = command_line("ready", "--port", port)
    assert done.returncode == 7
    assert done.stderr.startswith(f"authfactor: The server at port {port} does not answer:"), done.stderr
    assert "Traceback" not in done.stderr


class Draining(BaseHTTPRequestHandler):
    """A server that is stopping."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/readyz" else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Keep the tests' output quiet."""


@pytest.fixture
def draining() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Draining)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_ready_exits_with_7_while_the_server_is_not_ready(draining: int) -> None:
    done = command_line("ready", "--port", str(draining))
    assert (done.returncode, done.stderr) == (7, "authfactor: The server is not ready (status 503).\n")
