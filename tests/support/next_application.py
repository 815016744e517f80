"""The Next application of `examples/nextjs-authkit`: built for a port, and run on it."""

import hashlib
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.example_application import EXAMPLES, install_node, run, running_on
from tests.support.server_process import API_KEY, CLIENT_ID, Server, free_port

NAME: Final = "nextjs-authkit"
SOURCES: Final = ("app", "proxy.js")
NEXT: Final = ("node", "node_modules/next/dist/bin/next")


@contextmanager
def running_next(server: Server, log: Path) -> Iterator[str]:
    """Run the application against a server; yield its URL."""
    folder = install_node(NAME, SOURCES)
    port = _build(folder)
    settings = {
        **_built_in(port),
        "WORKOS_API_HOSTNAME": "127.0.0.1",
        "WORKOS_API_PORT": str(server.port),
        "WORKOS_API_HTTPS": "false",
        "WORKOS_API_KEY": API_KEY,
        "WORKOS_CLIENT_ID": CLIENT_ID,
        "WORKOS_COOKIE_PASSWORD": "only for tests, " * 3,
    }
    command = (*NEXT, "start", "--hostname", "127.0.0.1", "--port", str(port))
    with running_on(port, command, folder, settings, log):
        yield f"http://localhost:{port}"


def _build(folder: Path) -> int:
    """Build the application unless it is; return the port that the build is for."""
    mark, digest = folder / ".built-from", _digest()
    if mark.is_file():
        built, _, number = mark.read_text().partition(" ")
        if built == digest and _is_free(int(number)):
            return int(number)
    port = free_port()
    run(*NEXT, "build", inside=folder, settings=_built_in(port))
    mark.write_text(f"{digest} {port}")
    return port


def _built_in(port: int) -> Mapping[str, str]:
    """Return what Next writes into the program."""
    redirect_uri = f"http://localhost:{port}/callback"
    return {"NEXT_PUBLIC_WORKOS_REDIRECT_URI": redirect_uri, "NEXT_TELEMETRY_DISABLED": "1"}


def _digest() -> str:
    found = hashlib.sha256()
    source = EXAMPLES / NAME
    for path in (source / "package-lock.json", source / "proxy.js", *sorted((source / "app").rglob("*.js*"))):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
