"""`authfactor backup` and `authfactor restore`: what they refuse, keep and disclose."""

import asyncio
import json
import os
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from authfactor.cli import app
from authfactor.core import Authfactor
from authfactor.crypto.backup_format import CHUNK_BYTES
from authfactor.otp import base32
from authfactor.settings import Settings
from authfactor.wire.requests import CreateUser, EnrollUserFactor
from tests.support.server_process import command_line


@dataclass
class Installation:
    """A data folder with one user and one factor."""

    data: Path
    factor: str
    secret: str

    def run(self, *words: str) -> Result:
        """Run the command line on it, in this process."""
        return CliRunner().invoke(app, ["--data", str(self.data), *words])

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.data / "authfactor.db", isolation_level=None)) as database:
            return database.execute(statement, parameters).fetchall()

    def lose(self) -> None:
        for path in self.data.glob("authfactor.db*"):
            path.unlink()

    def backup(self, file: Path, *options: str) -> dict[str, Any]:
        done = self.run("--json", "backup", str(file), *options)
        assert done.exit_code == 0, done.stderr
        summary: dict[str, Any] = json.loads(done.stdout)
        return summary

    def names(self) -> list[str]:
        return sorted(path.name for path in self.data.iterdir())


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    for name in list(os.environ):
        if name.startswith("AUTHFACTOR_"):
            monkeypatch.delenv(name)

    async def fill() -> tuple[str, str]:
        af = await Authfactor.open(Settings(data=tmp_path / "data"))
        try:
            environment = (await af.read(lambda tx: tx.environments.all()))[0]
            user = await af.run(
                await af.users.prepare_create(environment, CreateUser(email="kim@example.org"))
            )
            request = EnrollUserFactor(type="totp")
            made = await af.run(af.factors.enroll(environment, user.id, request))
            return made.factor.id, made.secret
        finally:
            await af.close()

    return Installation(tmp_path / "data", *asyncio.run(fill()))


def test_a_backup_contains_no_plaintext(installation: Installation, tmp_path: Path) -> None:
    data, file = installation.data, tmp_path / "backup"
    summary = installation.backup(file)
    content = file.read_bytes()
    assert summary["bytes"] == len(content)
    assert file.stat().st_mode & 0o777 == 0o600
    # Long enough not to occur by chance in so many random bytes.
    seal = re.search(rb"v1:[0-9a-f]{6}:", (data / "authfactor.db").read_bytes())
    assert seal is not None
    known = [b"SQLite", b"kim@example.org", b"CREATE TABLE", b"auth_factor_", seal[0]]
    ring = [line for line in (data / "keys").read_bytes().splitlines() if not line.startswith(b"#")]
    value = base32.decode(installation.secret, min_bytes=1)
    known += [installation.secret.encode(), value, value.hex().encode()]
    assert [piece for piece in known + ring if piece in content] == []
    # The same search finds plaintext in the database itself.
    assert b"kim@example.org" in (data / "authfactor.db").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "data"]
    assert not [path for path in data.iterdir() if path.name.startswith(".")]


def test_an_existing_backup_file_is_replaced_only_with_force(
    installation: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    file.write_text("something of mine")
    refused = installation.run("backup", str(file))
    assert (refused.exit_code, "replace it with --force" in refused.stderr) == (5, True)
    assert file.read_text() == "something of mine"
    installation.backup(file, "--force")
    assert file.read_bytes().startswith(b"authfactor backup 1 ")


def test_an_existing_or_open_database_is_not_replaced(installation: Installation, tmp_path: Path) -> None:
    data, file = installation.data, tmp_path / "backup"
    installation.backup(file)
    existing = installation.run("restore", str(file))
    assert (existing.exit_code, "rename them with --force" in existing.stderr) == (5, True)
    with closing(sqlite3.connect(data / "authfactor.db")) as reader:
        reader.execute("SELECT count(*) FROM users").fetchall()
        # In another process, because SQLite's locks do not conflict within one process.
        in_use = command_line("--data", str(data), "restore", str(file), "--force")
        assert (in_use.returncode, "Stop it first" in in_use.stderr) == (5, True)
        assert reader.execute("SELECT count(*) FROM audit").fetchall() == [(0,)]
    # A write-ahead log without its database would be applied to the restored one.
    installation.lose()
    (data / "authfactor.db-wal").write_bytes(b"left")
    assert installation.run("restore", str(file)).exit_code == 5
    (data / "authfactor.db-wal").write_bytes(b"")
    assert installation.run("restore", str(file)).exit_code == 0
    assert installation.run("keys", "list").exit_code == 0


def test_a_damaged_backup_is_refused_and_leaves_no_files(installation: Installation, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    installation.sql("CREATE TABLE ballast (content)")
    installation.sql("INSERT INTO ballast VALUES (zeroblob(?))", 3 * CHUNK_BYTES)
    installation.backup(file)
    installation.sql("DROP TABLE ballast")
    installation.lose()
    intact = file.read_bytes()
    start = intact.index(b"\n") + 1
    size = 4 + CHUNK_BYTES + 16
    first, second, rest = intact[:start], intact[start : start + size], intact[start + size :]
    broken = {
        "cut": intact[: start + size],
        "cut by a byte": intact[:-1],
        "swapped": first + rest[:size] + second + rest[size:],
        "changed": intact[:-1] + bytes([intact[-1] ^ 1]),
        "longer": intact + second,
    }
    for name, content in broken.items():
        file.write_bytes(content)
        for option in ((), ("--check",)):
            damaged = installation.run("restore", str(file), *option)
            assert damaged.stderr == "authfactor: The backup is damaged or incomplete.\n", name
            assert damaged.exit_code == 5
    assert installation.names() == ["keys"]
    file.write_bytes(intact)
    assert installation.run("restore", str(file), "--check").exit_code == 0
    assert installation.names() == ["keys"]
    assert installation.run("restore", str(file)).exit_code == 0


def test_restore_names_the_missing_key(installation: Installation, tmp_path: Path) -> None:
    data, file = installation.data, tmp_path / "backup"
    summary = installation.backup(file)
    installation.lose()
    (data / "keys").write_text("A" * 43 + "=\n")
    locked = installation.run("restore", str(file))
    assert (
        locked.exit_code,
        f"the key '{summary['key']}', which is not on the key ring" in locked.stderr,
    ) == (
        8,
        True,
    )
    (data / "keys").unlink()
    assert installation.run("restore", str(file)).exit_code == 8
    assert not (data / "authfactor.db").exists()
    assert not (data / "keys").exists()


def test_a_backup_with_undecryptable_secrets_is_not_restored(
    installation: Installation, tmp_path: Path
) -> None:
    data, file = installation.data, tmp_path / "backup"
    installation.sql("UPDATE factors SET id = id || 'X'")
    installation.backup(file)
    installation.lose()
    refused = installation.run("restore", str(file))
    assert (refused.exit_code, "cannot decrypt 1 secrets" in refused.stderr) == (8, True)
    assert not (data / "authfactor.db").exists()


def test_forced_restore_keeps_the_old_database_and_its_restrictions(
    installation: Installation, tmp_path: Path
) -> None:
    data, file = installation.data, tmp_path / "backup"
    api_key = json.loads(installation.run("--json", "keys", "create", "--name", "shop").stdout)
    ((subject, number),) = installation.sql("SELECT id, environment FROM factors")
    installation.sql("INSERT INTO failures VALUES (?, ?, '5,7', 2, NULL)", number, subject)
    for name in ("demoted", "disabled", "new_factor", "reset", "unchanged"):
        installation.sql(
            "INSERT INTO operators VALUES (?, ?, 'owner', 'active', 'hash', 'auth_factor_x', NULL, 1, 1, ?)",
            f"operator_{name}",
            f"{name}@example.org",
            f"{name}@example.org",
        )
    installation.backup(file)
    for name in ("disabled", "reset"):
        changed = "UPDATE operators SET state = ?, password_hash = NULL, factor_id = NULL WHERE id = ?"
        installation.sql(changed, "disabled" if name == "disabled" else "invited", f"operator_{name}")
    installation.sql("UPDATE operators SET role = 'support' WHERE id = 'operator_demoted'")
    installation.sql("UPDATE operators SET factor_id = 'auth_factor_y' WHERE id = 'operator_new_factor'")
    assert installation.run("keys", "revoke", api_key["id"]).exit_code == 0
    installation.sql("UPDATE failures SET times = '7,9,9', in_a_row = 1, locked_until = 99")
    installation.sql("UPDATE factors SET last_step = 4000000000")
    installation.sql("INSERT INTO throttles VALUES (?, 'pw', 12)", number)
    done = installation.run("--json", "restore", str(file), "--force")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kept_stricter"] is True
    with closing(sqlite3.connect(report["kept_aside"])) as aside:
        assert aside.execute("SELECT last_step FROM factors").fetchall() == [(4000000000,)]
    assert installation.sql("SELECT times, in_a_row, locked_until FROM failures") == [("5,7,9,9", 2, 99)]
    assert installation.sql("SELECT last_step FROM factors") == [(4000000000,)]
    assert installation.sql("SELECT full_at FROM throttles") == [(12,)]
    assert installation.sql(
        "SELECT count(*) FROM api_keys WHERE id = ? AND revoked_at IS NULL", api_key["id"]
    ) == [(0,)]
    assert installation.sql(
        "SELECT id, role, state, password_hash, factor_id FROM operators ORDER BY id"
    ) == [
        ("operator_demoted", "support", "active", "hash", "auth_factor_x"),
        ("operator_disabled", "owner", "disabled", None, None),
        ("operator_new_factor", "owner", "invited", None, None),
        ("operator_reset", "owner", "invited", None, None),
        ("operator_unchanged", "owner", "active", "hash", "auth_factor_x"),
    ]
    assert (data / "authfactor.db").stat().st_mode & 0o777 == 0o600


def test_forced_restore_keeps_deadlines_and_withdrawn_exemptions(
    installation: Installation, tmp_path: Path
) -> None:
    file, columns = tmp_path / "backup", "environment, user_id, policy, until, grace_until, updated_at"
    ((number, user),) = installation.sql("SELECT environment, id FROM users")
    others = [f"{user}{letter}" for letter in "abcde"]
    for other in others:
        installation.sql(
            "INSERT INTO users (environment, id, email, email_verified, metadata, created_at, updated_at,"
            " email_key) VALUES (?, ?, ?, 0, '{}', 1, 1, ?)",
            *(number, other, f"{other}@example.org", f"{other}@example.org"),
        )
    insert = f"INSERT INTO user_mfa_policies ({columns}) VALUES (?, ?, ?, ?, ?, 1)"  # noqa: S608 - columns from above
    installation.sql(insert, number, user, "exempt", 99, None)
    installation.sql(insert, number, others[0], "exempt", 99, 50)
    installation.sql(insert, number, others[1], "default", None, 50)
    installation.sql(insert, number, others[4], "exempt", 99, None)
    installation.backup(file)
    installation.sql("UPDATE user_mfa_policies SET policy = 'default', until = NULL WHERE user_id = ?", user)
    installation.sql("UPDATE user_mfa_policies SET grace_until = 40 WHERE user_id = ?", others[0])
    installation.sql("UPDATE user_mfa_policies SET held_factor_at = 7 WHERE user_id = ?", others[1])
    installation.sql(insert, number, others[2], "exempt", 99, 60)
    installation.sql(insert, number, others[3], "required", None, None)
    installation.sql("DELETE FROM user_mfa_policies WHERE user_id = ?", others[4])
    assert installation.run("--json", "restore", str(file), "--force").exit_code == 0
    assert installation.sql(
        "SELECT user_id, policy, until, grace_until, held_factor_at FROM user_mfa_policies ORDER BY user_id"
    ) == [
        (user, "default", 99, None, None),
        (others[0], "exempt", 99, 40, None),
        (others[1], "default", None, 50, 7),
        (others[2], "default", None, 60, None),
        (others[3], "required", None, None, None),
        (others[4], "default", None, None, None),
    ]
    ((options,),) = installation.sql("SELECT options FROM environments WHERE number = ?", number)
    assert json.loads(options)["mfa"]["users_differ"] is True


def test_forced_restore_keeps_an_unreadable_database(installation: Installation, tmp_path: Path) -> None:
    data, file = installation.data, tmp_path / "backup"
    installation.backup(file)
    for path in data.glob("authfactor.db-*"):
        path.unlink()
    (data / "authfactor.db").write_bytes(b"ruined" * 1000)
    (data / "authfactor.db-wal").write_bytes(b"too")
    done = installation.run("restore", str(file), "--force")
    assert done.exit_code == 0, done.stderr
    assert "It could not be read" in done.stdout
    (aside,) = data.glob("authfactor.db.before-*[0-9]")
    assert aside.read_bytes() == b"ruined" * 1000
    assert not (data / "authfactor.db-wal").exists()
    assert installation.run("keys", "list").exit_code == 0


def test_restore_removes_the_files_of_a_killed_restore(installation: Installation, tmp_path: Path) -> None:
    data, file = installation.data, tmp_path / "backup"
    installation.backup(file)
    installation.lose()
    (data / ".restoring").mkdir()
    (data / ".restoring" / "authfactor.db").write_bytes(b"half")
    (data / ".restoring" / "authfactor.db-wal").write_bytes(b"of it")
    assert installation.run("restore", str(file)).exit_code == 0
    assert not (data / ".restoring").exists()


def test_restore_mark_spends_all_earlier_steps(installation: Installation) -> None:
    assert installation.run("restore").exit_code == 2
    assert installation.run("restore", "--mark", "--check").exit_code == 2
    marked = json.loads(installation.run("--json", "restore", "--mark").stdout)["marked"]
    assert marked["factors"] == 1
    assert installation.sql("SELECT last_step FROM factors") == [(marked["not_before"] - 1,)]


def test_backup_and_restore_are_refused_on_postgresql(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHFACTOR_DATABASE_URL", "postgresql://unused@127.0.0.1:1/unused")
    for command in ("backup", "restore"):
        refused = installation.run(command, str(tmp_path / "file"))
        assert refused.exit_code == 2
        assert "restore --mark" in refused.stderr
    assert not (tmp_path / "file").exists()


def test_backup_help_says_that_the_key_ring_is_excluded(installation: Installation) -> None:
    help_text = " ".join(installation.run("backup", "--help").stdout.split())
    assert "The key ring is NOT part of the backup: store a copy of it separately" in help_text
