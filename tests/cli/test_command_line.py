"""The command line for people and scripts: exit codes, one-line errors, examples, the terminal QR code."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import zxingcpp
from click.testing import CliRunner

from authfactor import Client
from authfactor.cli import app
from tests.support import authenticator
from tests.support.server_process import Server, command_line, fields, free_port, running

BLOCKS: Final = {" ": (0, 0), "▄": (0, 1), "▀": (1, 0), "█": (1, 1)}
UNKNOWN_USER: Final = "user_01ZZZZZZZZZZZZZZZZZZZZZZZZ"


def commands(group: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every command, groups excluded."""
    children = getattr(group, "commands", None)
    if children is None:
        yield path
        return
    for name, child in children.items():
        yield from commands(child, (*path, name))


COMMANDS: Final = sorted(commands(app))


def assert_one_line(stderr: str, *words: str) -> None:
    """Check that a failure printed one line and no traceback."""
    assert stderr.startswith("authfactor: "), stderr
    assert stderr.count("\n") == 1, stderr
    assert "Traceback" not in stderr
    for word in words:
        assert word in stderr, stderr


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command-line") / "data"
    with Client(data=folder) as client:  # commands that read create no installation
        client.user_management.list_users()
    return folder


@dataclass(frozen=True)
class CommandResult:
    """A command's exit code and output."""

    returncode: int
    stdout: str
    stderr: str


def run(data: Path, *arguments: str, **environment: str) -> CommandResult:
    """Run a command on a data folder, in this process: one process for each would take minutes."""
    clean = {name: None for name in os.environ if name.startswith("AUTHFACTOR_")}
    settings = {**clean, "COLUMNS": "200", **environment}
    done = CliRunner().invoke(app, ["--data", str(data), *arguments], env=settings)
    # In a separate process, any other exception would print a traceback.
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return CommandResult(done.exit_code, done.stdout, done.stderr)


def start(data: Path, *arguments: str, **environment: str) -> CommandResult:
    """Run a command in a separate process."""
    done = command_line("--data", str(data), *arguments, **environment)
    return CommandResult(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def user_id(data: Path) -> str:
    made = run(data, "--json", "users", "create", "kim@example.org")
    assert made.returncode == 0, made.stderr
    return str(json.loads(made.stdout)["id"])


@pytest.mark.parametrize("path", COMMANDS, ids=[" ".join(path) for path in COMMANDS])
def test_help_of_every_command_has_its_own_example(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})

    assert shown.exit_code == 0
    example = re.search(r"Example: authfactor (.*)", " ".join(shown.output.split()))
    assert example is not None, shown.output
    assert " ".join(path) in example[1]


def test_documented_commands_exist() -> None:
    assert set(COMMANDS) >= {
        ("serve",),
        *(("users", name) for name in ("create", "get", "list", "update", "delete")),
        *(("factors", name) for name in ("enroll", "list", "get", "challenge", "verify", "delete")),
        *(("keys", name) for name in ("list", "create", "revoke")),
        *(("environments", name) for name in ("list", "create", "update")),
    }


def test_commands_are_listed_without_arguments_and_with_help() -> None:
    shown = command_line("--help")

    assert shown.returncode == 0
    assert all(name in shown.stdout for name in ("serve", "users", "factors", "keys", "environments"))
    assert "serve" in command_line().stdout + command_line().stderr


def test_terminal_qr_code_decodes_to_the_printed_uri(data: Path, user_id: str) -> None:
    shown = run(data, "factors", "enroll", user_id, "--issuer", "Acme")
    assert shown.returncode == 0, shown.stderr

    lines = [line for line in shown.stdout.splitlines() if line and set(line) <= set(BLOCKS)]
    cells = [[BLOCKS[character] for character in line] for line in lines if line.strip(" ") or len(line) > 20]
    printed = np.array([[cell[half] for cell in row] for row in cells for half in (0, 1)], dtype=np.uint8)
    # On a pipe the background color is unknown: one of the two polarities must decode.
    decoded = []
    for dark in (printed, 1 - printed):
        gray = np.kron(255 * (1 - np.pad(dark, 4)), np.ones((4, 4), dtype=np.uint8))
        found: list[Any] = zxingcpp.read_barcodes(gray.astype(np.uint8), try_invert=False)
        decoded += [item.text for item in found]
    uri = re.search(r"^uri\s+(\S+)$", shown.stdout, re.MULTILINE)
    assert uri is not None
    assert uri[1] in decoded
    assert "authfactor factors verify auth_challenge_" in shown.stdout


def test_exit_codes_distinguish_valid_refused_and_locked(data: Path, user_id: str) -> None:
    made = json.loads(run(data, "--json", "factors", "enroll", user_id).stdout)
    challenge_id, secret = made["challenge"]["id"], made["factor"]["totp"]["secret"]

    wrong = authenticator.wrong_code(secret)
    refused = run(data, "factors", "verify", challenge_id, wrong)
    assert (refused.returncode, refused.stderr) == (5, "")
    assert "Attempts left: 4" in refused.stdout
    right = run(data, "factors", "verify", challenge_id, authenticator.code(secret))
    assert (right.returncode, right.stdout) == (0, "Valid.\n")
    repeated = run(data, "factors", "verify", challenge_id, authenticator.code(secret, 1))
    assert repeated.returncode == 5
    assert_one_line(repeated.stderr, "already been verified")
    other = json.loads(run(data, "--json", "factors", "challenge", made["factor"]["id"]).stdout)
    codes = [run(data, "factors", "verify", other["id"], wrong).returncode for _ in range(6)]
    assert codes == [5, 5, 5, 5, 5, 6]


def test_an_unknown_id_exits_with_4_and_one_line(data: Path) -> None:
    for arguments in (
        ("users", "get", UNKNOWN_USER),
        ("factors", "list", UNKNOWN_USER),
        ("factors", "enroll", UNKNOWN_USER),
        ("users", "delete", UNKNOWN_USER, "--yes"),
    ):
        done = run(data, *arguments)
        assert (done.returncode, done.stdout) == (4, "")
        assert_one_line(done.stderr, UNKNOWN_USER)


def test_wrong_usage_and_invalid_values_exit_with_2(data: Path, user_id: str) -> None:
    assert run(data, "factors", "explode").returncode == 2
    assert run(data, "factors", "enroll").returncode == 2
    assert run(data, "--no-such-option", "users", "list").returncode == 2
    secret = run(data, "factors", "enroll", user_id, "--secret", "0189018901890189")
    assert secret.returncode == 2
    assert "0189018901890189" not in secret.stderr + secret.stdout
    assert "base32" in secret.stderr
    taken = run(data, "users", "create", "kim@example.org")
    assert taken.returncode == 2
    assert "not available" in taken.stderr
    for done in (secret, taken):
        assert "Traceback" not in done.stderr


def test_deletion_without_confirmation_deletes_nothing(data: Path, user_id: str) -> None:
    made = json.loads(run(data, "--json", "factors", "enroll", user_id).stdout)
    factor_id = made["factor"]["id"]

    asked = run(data, "factors", "delete", factor_id)

    assert asked.returncode == 1
    assert f"Delete {factor_id}?" in asked.stdout + asked.stderr
    assert run(data, "factors", "get", factor_id).returncode == 0
    assert run(data, "factors", "delete", factor_id, "--yes").returncode == 0
    assert run(data, "factors", "get", factor_id).returncode == 4


def test_ids_are_not_truncated_in_a_narrow_terminal(data: Path, user_id: str) -> None:
    made = json.loads(run(data, "--json", "factors", "enroll", user_id, "--account", "k" * 60).stdout)

    shown = run(data, "factors", "list", user_id, COLUMNS="40")

    assert made["factor"]["id"] in shown.stdout


@pytest.mark.parametrize("command", [("users", "list"), ("serve", "--port", "0")])
def test_an_unknown_variable_is_refused_with_a_suggestion(data: Path, command: tuple[str, ...]) -> None:
    done = start(data, *command, AUTHFACTOR_CHALENGE_LIFE="60")

    assert (done.returncode, done.stdout) == (8, "")
    assert_one_line(done.stderr, "AUTHFACTOR_CHALENGE_LIFE", "Did you mean AUTHFACTOR_CHALLENGE_LIFE?")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("AUTHFACTOR_WINDOW", "3", "0, 1 or 2"),
        ("AUTHFACTOR_WINDOW", "one", "whole number"),
        ("AUTHFACTOR_MAX_BODY", "-1", "at least"),
        ("AUTHFACTOR_DATABASE_URL", "mysql://x", "sqlite:///"),
    ],
)
def test_an_invalid_setting_is_named_with_its_valid_values(
    data: Path, variable: str, value: str, expected: str
) -> None:
    done = run(data, "users", "list", **{variable: value})

    assert done.returncode == 8
    assert_one_line(done.stderr, variable, expected)


def test_a_port_in_use_is_reported_in_one_line(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = start(data, "serve", "--host", "127.0.0.1", "--port", port)

    assert done.returncode == 1
    assert_one_line(done.stderr, port, "in use")
    # The command must not claim to listen before it fails to.
    assert "listening" not in done.stdout


def test_a_foreign_bind_address_is_reported_in_one_line(data: Path) -> None:
    done = start(data, "serve", "--host", "192.0.2.1", "--port", str(free_port()))

    assert done.returncode == 1
    assert_one_line(done.stderr, "192.0.2.1")


@pytest.mark.parametrize("command", [("users", "list"), ("serve", "--port", "0")])
@pytest.mark.parametrize("broken", ["folder", "no key", "open to others", "empty", "binary"])
def test_an_unusable_key_ring_exits_with_8_and_names_the_file(
    tmp_path: Path, broken: str, command: tuple[str, ...]
) -> None:
    path = tmp_path / "data" / "keys"
    if broken == "folder":
        path.mkdir(parents=True)
    else:
        path.parent.mkdir()
        content = {"no key": b"not a key\n", "empty": b"", "binary": b"\xff\xfe\x00"}
        path.write_bytes(content.get(broken, b"A" * 43 + b"=\n"))
        path.chmod(0o644 if broken == "open to others" else 0o600)

    done = start(path.parent, *command)

    assert (done.returncode, done.stdout) == (8, "")
    assert_one_line(done.stderr, str(path))


def test_a_replaced_key_ring_exits_with_8(tmp_path: Path) -> None:
    data = tmp_path / "data"
    user = json.loads(run(data, "--json", "users", "create", "kim@example.org").stdout)
    made = json.loads(run(data, "--json", "factors", "enroll", user["id"]).stdout)
    (data / "keys").unlink()

    done = start(data, "factors", "verify", made["challenge"]["id"], "123456")

    assert done.returncode == 8
    assert_one_line(done.stderr, "key")


def test_a_foreign_database_file_is_reported_in_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "authfactor.db").write_bytes(b"this file is not a database" * 50)

    done = start(data, "users", "list")

    assert done.returncode in {7, 8}
    assert_one_line(done.stderr, "database")


def test_files_with_secrets_are_readable_only_by_their_owner(data: Path, user_id: str) -> None:
    assert (data / "keys").stat().st_mode & 0o077 == 0
    assert data.stat().st_mode & 0o077 == 0


def test_api_keys_are_shown_once_and_revoked_on_a_running_server(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        made = json.loads(server.run("--json", "keys", "create", "--name", "billing").stdout)
        assert status_with(server, made["api_key"]) == 200

        listed = server.run("keys", "list")
        assert made["id"] in listed.stdout
        assert made["api_key"] not in listed.stdout

        assert server.run("keys", "revoke", made["id"]).returncode == 0
        # The server may cache a key for a second.
        statuses = [status_with(server, made["api_key"])]
        while statuses[-1] == 200 and len(statuses) < 200:
            time.sleep(0.05)
            statuses.append(status_with(server, made["api_key"]))
        assert statuses[-1] == 401
        assert server.run("keys", "revoke", "api_key_01ZZZZZZZZZZZZZZZZZZZZZZZZ").returncode == 4


def status_with(server: Server, key: str) -> int:
    with server.client(key) as client:
        return client.get("/user_management/users").status_code


def test_the_command_line_resets_the_only_owner_but_does_not_disable_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = json.loads(run(data, "--json", "operators", "invite", "kim@example.org").stdout)
    with closing(sqlite3.connect(data / "authfactor.db")) as database, database:
        database.execute("UPDATE operators SET state = 'active'")
    refused = run(data, "operators", "disable", made["id"], "--reason", "x")
    assert refused.returncode == 5
    assert_one_line(refused.stderr, "only owner")
    reset = run(data, "--json", "operators", "reset", made["id"], "--reason", "lost phone")
    assert (reset.returncode, json.loads(reset.stdout)["state"]) == (0, "invited")


def test_several_environments_require_the_environment_option(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = json.loads(run(data, "--json", "environments", "create", "staging").stdout)
    assert made["api_key"].startswith("sk_")

    unnamed = run(data, "users", "list")
    assert unnamed.returncode == 2
    assert_one_line(unnamed.stderr, "--environment", "staging", "default")
    assert run(data, "--environment", "staging", "users", "list").returncode == 0
    assert run(data, "--environment", made["client_id"], "users", "list").returncode == 0
    unknown = run(data, "--environment", "nope", "users", "list")
    assert unknown.returncode == 4
    assert_one_line(unknown.stderr, "nope")
    names = [item["name"] for item in json.loads(run(data, "--json", "environments", "list").stdout)]
    assert names == ["default", "staging"]


def test_the_demo_prints_a_working_enrollment_command(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start("--demo")
    try:
        line = next(line for line in server.output().splitlines() if line.startswith("curl "))
        # As a shell expands it: the key is in a file, because this output is not a terminal.
        words = subprocess.run(
            ["sh", "-c", line.replace("curl -s", "printf '%s\\n'")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        url, key, content = words[0], words[2], words[6]
        with server.client(key=None) as client:
            headers = dict([key.split(": ")])
            response = client.post(url, headers=headers, content=content)
            assert url.startswith("http://localhost:"), "browsers take no passkeys at an IP address"
            user = url.split("/")[-2]
            begun = client.post(
                f"/authfactor/users/{user}/passkey_registrations", headers=dict([key.split(": ")])
            )
            assert begun.json()["public_key"]["rp"]["id"] == "localhost"
        assert response.status_code == 201, response.text
        assert key.split()[-1] not in server.output()
    finally:
        assert server.stop() == 0


def test_a_user_of_the_demo_signs_in_by_password_at_once(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start("--demo")
    try:
        headers = {"authorization": f"Bearer {(server.data / 'demo-api-key').read_text().strip()}"}
        with server.client(key=None) as client:
            user = {"email": "lee@example.org", "password": "seven green bottles"}
            fields(client.post("/user_management/users", headers=headers, json=user), 201)
            line = next(line for line in server.output().splitlines() if "client id" in line)
            grant = {"grant_type": "password", "client_id": line.split()[-1], "client_secret": ""}
            grant["client_secret"] = headers["authorization"].split()[-1]
            signed_in = client.post("/user_management/authenticate", json=grant | user)
            assert fields(signed_in, 200)["user"]["email"] == "lee@example.org"
    finally:
        assert server.stop() == 0
