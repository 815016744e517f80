"""The first start of a server: its credentials do not reach logs, and its URL is the one it listens on."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.support.server_process import Server, clean_environment, command_line, fields, free_port

ALL_IPV4: Final = "0.0.0.0"  # noqa: S104 - what operators set
SECRETS: Final = re.compile(r"sk_[\w-]{20,}|/console/set-up/[\w-]{20,}")


@contextmanager
def first_start(data: Path, *options: str, **settings: str) -> Iterator[Server]:
    """Run a server without a key from the settings, with its output in a file."""
    server = Server(data, settings)
    for name in ("AUTHFACTOR_BOOTSTRAP_API_KEY", "AUTHFACTOR_BOOTSTRAP_CLIENT_ID"):
        del server._environment[name]
    server.start(*options)
    try:
        yield server
    finally:
        assert server.stop() == 0, server.output()


def assert_private(path: Path) -> str:
    """Check that only its owner can read a file, and return its only line."""
    assert path.stat().st_mode & 0o777 == 0o600
    (line,) = path.read_text().splitlines()
    return line


def test_credentials_of_a_first_start_go_into_private_files_not_into_the_log(tmp_path: Path) -> None:
    with first_start(tmp_path) as server:
        key = assert_private(tmp_path / "bootstrap-api-key")
        link = assert_private(tmp_path / "console-set-up-link")
        assert SECRETS.findall(server.output()) == []
        for name in ("bootstrap-api-key", "console-set-up-link"):
            assert str(tmp_path / name) in server.output()
        with server.client(key) as client:
            assert fields(client.get("/user_management/users"), 200)["data"] == []
            assert link.startswith(f"{server.url}/console/set-up/")
            assert client.get(link).status_code == 200

    with first_start(tmp_path) as server:
        assert assert_private(tmp_path / "bootstrap-api-key") == key, "only the first start creates a key"
        assert SECRETS.findall(server.output()) == []


def test_a_credential_replaces_a_file_that_others_could_read_or_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("unchanged")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "bootstrap-api-key").write_text("old")
    (data / "bootstrap-api-key").chmod(0o644)
    (data / "console-set-up-link").symlink_to(outside)

    with first_start(data):
        assert assert_private(data / "bootstrap-api-key").startswith("sk_")
        assert not (data / "console-set-up-link").is_symlink()
    assert outside.read_text() == "unchanged"


def test_no_key_is_created_that_cannot_be_handed_over(tmp_path: Path) -> None:
    (tmp_path / "bootstrap-api-key").mkdir()
    with first_start(tmp_path) as server:
        assert "cannot be written" in server.output()
        listed = server.run("keys", "list")
        assert (listed.returncode, listed.stdout) == (0, "No API keys.\n")


def test_a_terminal_shows_key_and_link_and_no_file_is_written(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    port = free_port()
    process = subprocess.Popen(
        [*(sys.executable, "-m", "authfactor", "serve"), "--data", str(tmp_path), "--port", str(port)],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=subprocess.DEVNULL,
    )
    os.close(slave)
    shown = ""
    try:
        while len(SECRETS.findall(shown)) < 2 or not shown.endswith("\n"):
            shown += os.read(master, 4096).decode()
    finally:
        process.kill()
        process.wait()
        os.close(master)
    key, link = SECRETS.findall(shown)
    assert key.startswith("sk_")
    assert f"http://127.0.0.1:{port}{link}" in shown
    assert not (tmp_path / "bootstrap-api-key").exists()
    assert not (tmp_path / "console-set-up-link").exists()


@pytest.mark.parametrize("failure", ["port in use", "no TLS files", "mismatched TLS files"])
def test_a_failed_start_creates_no_key(tmp_path: Path, failure: str) -> None:
    data = tmp_path / "data"
    bad = tmp_path / "bad.pem"
    if failure == "mismatched TLS files":
        bad.write_text("not PEM\n")
    tls = () if failure == "port in use" else ("--tls-cert", str(bad), "--tls-key", str(bad))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] if failure == "port in use" else 0
        done = command_line("serve", "--data", str(data), "--port", str(port), *tls)

    assert done.returncode != 0
    assert done.stdout == ""
    assert not data.exists()


def link_of(server: Server, user: str) -> str:
    """Create an enrollment link with the API and return its URL."""
    key = (server.data / "bootstrap-api-key").read_text().strip()
    with server.client(key) as client:
        made = client.post("/authfactor/enrollment_links", json={"user_id": user})
        return str(fields(made, 201)["url"])


def user_of(server: Server) -> str:
    key = (server.data / "bootstrap-api-key").read_text().strip()
    with server.client(key) as client:
        made = client.post("/user_management/users", json={"email": "kim@example.org"})
        return str(fields(made, 201)["id"])


def test_links_point_to_the_port_given_on_the_command_line(tmp_path: Path) -> None:
    with first_start(tmp_path) as server:
        user = user_of(server)
        assert link_of(server, user).startswith(f"{server.url}/link/")
        assert httpx.get(link_of(server, user), trust_env=False).status_code == 200
        # Commands do not know the server's command line, but its data directory.
        made = server.run("links", "enroll", user)
        assert f"{server.url}/link/" in made.stdout, made.stdout + made.stderr
        invited = server.run("operators", "invite", "kim@example.org")
        assert f"{server.url}/console/set-up/" in invited.stdout


def test_a_set_base_url_is_used_by_server_and_commands(tmp_path: Path) -> None:
    with first_start(tmp_path, AUTHFACTOR_BASE_URL="https://mfa.example.org") as server:
        user = user_of(server)
        assert link_of(server, user).startswith("https://mfa.example.org/link/")
        assert "https://mfa.example.org/link/" in server.run("links", "enroll", user).stdout
        link = (tmp_path / "console-set-up-link").read_text()
        assert link.startswith("https://mfa.example.org/console/set-up/")
        assert "warning" not in server.output()


def test_a_damaged_url_file_is_ignored(tmp_path: Path) -> None:
    assert command_line("--data", str(tmp_path), "keys", "create").returncode == 0
    for content in (b"javascript:alert(1)", b"http://a.example b", b"\xff", b"http://evil.example/x", b""):
        (tmp_path / "server-url").write_bytes(content)
        invited = command_line(
            "--data", str(tmp_path), "operators", "invite", f"{content.hex()}a@example.org"
        )
        assert "http://127.0.0.1:8080/console/set-up/" in invited.stdout


@pytest.mark.parametrize(("host", "here"), [(ALL_IPV4, "http://127.0.0.1:"), ("::", "http://[::1]:")])
def test_a_server_on_all_addresses_warns_and_refuses_links_without_a_base_url(
    tmp_path: Path, host: str, here: str
) -> None:
    with first_start(tmp_path, "--host", host) as server:
        assert f"AUTHFACTOR_BASE_URL is not set, and the server listens on {host}:" in server.output()
        user = user_of(server)
        key = (tmp_path / "bootstrap-api-key").read_text().strip()
        with server.client(key) as client:
            refused = client.post("/authfactor/enrollment_links", json={"user_id": user})
        assert fields(refused, 409)["code"] == "base_url_not_safe"
        made = server.run("links", "enroll", user)
        assert (made.returncode, made.stdout) == (5, "")
        # For the person at this machine, who can open it here.
        assert (tmp_path / "console-set-up-link").read_text().startswith(here)


def test_config_check_and_doctor_warn_about_a_missing_base_url(tmp_path: Path) -> None:
    assert command_line("--data", str(tmp_path), "keys", "create").returncode == 0
    for command in (("config", "check"), ("doctor",)):
        where = ("--data", str(tmp_path), *command)
        open_to_all = command_line(*where, AUTHFACTOR_HOST=ALL_IPV4)
        assert "AUTHFACTOR_BASE_URL is not set" in open_to_all.stdout, command
        assert open_to_all.returncode == 0
        for settings in (
            {},
            {"AUTHFACTOR_HOST": "localhost"},
            {"AUTHFACTOR_HOST": ALL_IPV4, "AUTHFACTOR_BASE_URL": "https://mfa.example.org"},
        ):
            assert "AUTHFACTOR_BASE_URL is not set" not in command_line(*where, **settings).stdout, settings
    assert command_line("--data", str(tmp_path), "doctor", "--strict", AUTHFACTOR_HOST="::").returncode == 8


def test_a_reload_keeps_the_url_and_asks_for_no_restart(tmp_path: Path) -> None:
    with first_start(tmp_path) as server:
        user = user_of(server)
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for_output("settings reloaded")
        assert "need a restart" not in server.output()
        assert link_of(server, user).startswith(f"{server.url}/link/")
