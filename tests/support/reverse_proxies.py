"""nginx and HAProxy in front of a server, as processes on a free port."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.server_process import free_port
from tests.support.skip_or_fail import skip_or_fail

READY_SECONDS: Final = 20
PAGE: Final = Path(__file__).parents[2] / "docs/how-to/tls.md"
# A request with this field is refused by the proxy; one that takes effect was never seen by it.
DENIED_FIELD: Final = "x-denied"

NGINX: Final = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    ignore_invalid_headers off;
    underscores_in_headers on;
    proxy_request_buffering {buffering};
    proxy_buffering {buffering};
    {servers}
}}
"""

HAPROXY: Final = """
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
    {buffering}
frontend clients
    bind 127.0.0.1:{port}
    option accept-invalid-http-request
    http-request deny deny_status 403 if {{ req.hdr({denied}) -m found }}
    default_backend authfactor
backend authfactor
    http-reuse always
    server authfactor 127.0.0.1:{upstream}
"""


def _nginx_servers(port: int, upstream: int) -> str:
    """Return the documented configuration, without TLS and with one connection to the server."""
    shown = re.search(r"## Behind nginx\n\n```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None, "the page no longer shows a configuration for nginx"
    text = re.sub(r"ssl_certificate\w* .*;", "", shown[1])
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:8080", f"127.0.0.1:{upstream}"),
        ("keepalive 32;", "keepalive 1;"),
        ("location / {", f"location / {{ if ($http_{DENIED_FIELD.replace('-', '_')}) {{ return 403; }}"),
    ):
        assert old in text, f"the page's configuration no longer has '{old}'"
        text = text.replace(old, new)
    return text


@contextmanager
def reverse_proxy(program: str, folder: Path, upstream: int, *, buffered: bool) -> Iterator[int]:
    """Run `nginx` or `haproxy` in front of the port `upstream`, and yield its own port.

    Both are as lenient with clients as they can be configured, and use one connection to the server for all.
    `buffered`: the proxy takes a whole request before it connects, and (nginx) a whole response.
    """
    if shutil.which(program) is None:
        skip_or_fail(f"{program} is not installed")
    port = free_port()
    configuration = folder / f"{program}.conf"
    if program == "nginx":
        text = NGINX.format(
            folder=folder, buffering="on" if buffered else "off", servers=_nginx_servers(port, upstream)
        )
        command = ["nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(configuration)]
    else:
        buffering = "option http-buffer-request" if buffered else ""
        text = HAPROXY.format(port=port, upstream=upstream, buffering=buffering, denied=DENIED_FIELD)
        command = ["haproxy", "-db", "-f", str(configuration)]
    configuration.write_text(text, encoding="utf-8")
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        _wait_until_listening(process, port, folder)
        yield port
    finally:
        process.terminate()
        process.wait(READY_SECONDS)


def _wait_until_listening(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the proxy does not listen: {(folder / 'output.log').read_text()}")
