"""A command in a wrong folder says so; only commands that create make an installation."""

import json
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from authfactor.cli import app
from authfactor.store import migrations
from tests.cli.test_command_line import COMMANDS, UNKNOWN_USER
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import command_line

ID: Final = UNKNOWN_USER
# With arguments that pass the checks of usage.
POLICY: Final = Path(__file__).with_name("policy.json")
ROOT: Final = Path(__file__).with_name("metadata-root.pem")
SENDER: Final = Path(__file__).with_name("sender.json")
ARGUMENTS: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    ("audit", "export"): (),
    ("audit", "list"): (),
    ("audit", "verify"): (),
    ("backup",): ("backup-file",),
    ("copy",): ("--from", "sqlite:///nowhere.db", "--to", "sqlite:///copied.db"),
    ("cors-origins", "add"): ("https://app.example.org",),
    ("cors-origins", "list"): (),
    ("cors-origins", "remove"): (ID, "--yes"),
    ("doctor",): (),
    ("environments", "brand"): ("default",),
    ("environments", "list"): (),
    ("environments", "update"): ("default",),
    ("export",): ("--all", "--plain", "--format", "json", "--to", "export-file", "--reason", "test", "--yes"),
    ("factors", "challenge"): (ID,),
    ("factors", "delete"): (ID, "--yes"),
    ("factors", "enroll"): (ID,),
    ("factors", "get"): (ID,),
    ("factors", "list"): (ID,),
    ("factors", "passkeys"): (ID,),
    ("factors", "rename"): (ID, "Phone"),
    ("factors", "resync"): (ID, "123456", "654321"),
    ("factors", "verify"): (ID, "123456"),
    ("import",): (str(POLICY),),
    ("invitations", "create"): ("kim@example.org",),
    ("invitations", "list"): (),
    ("invitations", "resend"): (ID,),
    ("invitations", "revoke"): (ID, "--yes"),
    ("keys", "list"): (),
    ("keys", "revoke"): (ID,),
    ("keys", "rotate-signing"): (),
    ("links", "challenge"): (ID,),
    ("links", "enroll"): (ID,),
    ("links", "factors"): (ID,),
    ("links", "get"): (ID,),
    ("migrate", "--check"): (),
    ("operators", "disable"): (ID,),
    ("operators", "list"): (),
    ("operators", "reset"): (ID,),
    ("policy", "preview"): (str(POLICY),),
    ("policy", "set"): (str(POLICY),),
    ("policy", "show"): (),
    ("messages", "list"): (),
    ("messages", "preview"): ("magic_auth",),
    ("senders", "mail", "delete"): ("--yes",),
    ("senders", "mail", "set"): (str(SENDER),),
    ("senders", "mail", "show"): (),
    ("senders", "mail", "test"): ("ann@example.com",),
    ("devices", "list"): (ID,),
    ("devices", "revoke"): (ID, "--all", "--yes"),
    ("recovery-codes", "count"): (ID,),
    ("recovery-codes", "create"): (ID, "--yes"),
    ("recovery-codes", "delete"): (ID, "--yes"),
    ("recovery-codes", "import"): (ID, "-", "--yes"),
    ("restore", "--mark"): (),
    ("redirect-uris", "add"): ("https://app.example.org/callback",),
    ("redirect-uris", "list"): (),
    ("redirect-uris", "remove"): (ID, "--yes"),
    ("redirect-uris", "set-default"): (ID,),
    ("reports", "coverage"): (),
    ("sessions", "check"): (ID,),
    ("webauthn", "metadata", "load"): (str(POLICY), "--root", str(ROOT)),
    ("webauthn", "metadata", "show"): (),
    ("users", "grace"): (ID, "--days", "7", "--reason", "new phone"),
    ("users", "policy"): (ID,),
    ("users", "delete"): (ID, "--yes"),
    ("users", "get"): (ID,),
    ("users", "list"): (),
    ("users", "reset-password"): (ID, "--yes"),
    ("users", "unlock"): (ID,),
    ("users", "update"): (ID,),
    ("users", "verify-email"): (ID, "--yes"),
    ("vault", "retire"): (ID,),
    ("vault", "rotate"): (),
    ("vault", "status"): (),
    ("webhooks", "deliveries"): (),
    ("webhooks", "list"): (),
    ("webhooks", "ping"): (ID,),
    ("webhooks", "resend"): (ID,),
}
CREATING: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    ("environments", "create"): ("staging",),
    ("keys", "create"): (),
    ("operators", "invite"): ("kim@example.org",),
    ("users", "create"): ("kim@example.org",),
}
# They have no installation of their own, or their purpose is to create one.
OTHERS: Final = {("config", "check"), ("config", "show"), ("serve",), ("ready",), ("migrate",), ("restore",)}


def run(data: Path, *arguments: str, **settings: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["--data", str(data), *arguments], env={"COLUMNS": "300", **settings})
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done.exit_code, done.stdout, done.stderr


def test_every_command_is_tested_here() -> None:
    assert set(COMMANDS) == (
        {name for name in ARGUMENTS if not name[-1].startswith("--")} | set(CREATING) | OTHERS
    )


@pytest.mark.parametrize("leftover", ["no folder", "empty folder", "empty file"])
@pytest.mark.parametrize("command", ARGUMENTS, ids=" ".join)
def test_a_command_in_a_wrong_folder_exits_with_8_and_creates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], leftover: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    if leftover != "no folder":
        data.mkdir(mode=0o700)
    if leftover == "empty file":
        (data / "authfactor.db").touch(mode=0o600)
    before = sorted(tmp_path.rglob("*"))

    code, out, err = run(data, *command, *ARGUMENTS[command])

    assert code == 8, out + err
    assert sorted(tmp_path.rglob("*")) == before
    if command not in {("copy",), ("migrate", "--check"), ("restore", "--mark")}:
        assert "no installation in" in out + err
        assert str(data) in out + err


def test_a_wrong_working_directory_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = command_line("users", "list")

    assert (done.returncode, done.stdout) == (8, "")
    assert f"There is no installation in {tmp_path / '.authfactor'}." in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", CREATING, ids=" ".join)
def test_a_creating_command_reports_the_new_installation_once(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    code, _, err = run(tmp_path / "data", *command, *CREATING[command])
    assert (code, err) == (0, f"authfactor: created a new installation in {tmp_path / 'data'}\n")
    code, _, err = run(tmp_path / "data", "environments", "list")
    assert (code, err) == (0, "")


def test_a_key_ring_without_a_database_is_no_installation(tmp_path: Path) -> None:
    assert run(tmp_path / "data", "keys", "create")[0] == 0
    for path in (tmp_path / "data").glob("authfactor.db*"):
        path.unlink()

    for command in (("users", "list"), ("restore", "--mark"), ("vault", "status")):
        code, _, err = run(tmp_path / "data", *command)
        assert code == 8
        assert "no installation in" in err


def test_a_migrated_but_unused_database_is_no_installation(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    name = postgres_server.create_database()
    url = {"AUTHFACTOR_DATABASE_URL": postgres_server.url(name)}
    assert run(tmp_path / "data", "users", "list", **url)[0] == 8
    postgres_server.sql(migrations.script("postgresql"), name)

    code, _, err = run(tmp_path / "data", "users", "list", **url)
    assert code == 8
    assert "no installation in the database" in err
    assert not (tmp_path / "data").exists()
    assert run(tmp_path / "data", "keys", "create", **url)[0] == 0
    code, out, _ = run(tmp_path / "data", "--json", "users", "list", **url)
    assert (code, json.loads(out)["data"]) == (0, [])
    # On another machine, without the key ring, nothing is created either.
    assert run(tmp_path / "elsewhere", "users", "list", **url)[0] == 8
    assert not (tmp_path / "elsewhere").exists()
