"""`authfactor backup` and `authfactor restore`: what they refuse, keep and show."""

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
    """A data folder with one user and a factor."""

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
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def names(self) -> list[str]:
        return sorted(path.name for path in self.data.iterdir())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
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


def test_nothing_of_the_database_can_be_seen_in_a_backup(here: Installation, tmp_path: Path) -> None:
    data, file = here.data, tmp_path / "backup"
    told = here.backup(file)
    content = file.read_bytes()
    assert told["bytes"] == len(content)
    assert file.stat().st_mode & 0o777 == 0o600
    # Nothing as short as could come about by chance in so many random bytes.
    seal = re.search(rb"v1:[0-9a-f]{6}:", (data / "authfactor.db").read_bytes())
    assert seal is not None
    known = [b"SQLite", b"kim@example.org", b"CREATE TABLE", b"auth_factor_", seal[0]]
    ring = [line for line in (data / "keys").read_bytes().splitlines() if not line.startswith(b"#")]
    value = base32.decode(here.secret, min_bytes=1)
    known += [here.secret.encode(), value, value.hex().encode()]
    assert [piece for piece in known + ring if piece in content] == []
    # The same look at the database itself finds something, so it is a look that can.
    assert b"kim@example.org" in (data / "authfactor.db").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "data"]
    assert not [path for path in data.iterdir() if path.name.startswith(".")]


def test_a_file_that_is_there_is_replaced_only_by_force(here: Installation, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    file.write_text("something of mine")
    refused = here.run("backup", str(file))
    assert (refused.exit_code, "replace it with --force" in refused.stderr) == (5, True)
    assert file.read_text() == "something of mine"
    here.backup(file, "--force")
    assert file.read_bytes().startswith(b"authfactor backup 1 ")


def test_a_database_that_is_there_or_used_is_not_replaced(here: Installation, tmp_path: Path) -> None:
    data, file = here.data, tmp_path / "backup"
    here.backup(file)
    there = here.run("restore", str(file))
    assert (there.exit_code, "rename them with --force" in there.stderr) == (5, True)
    with closing(sqlite3.connect(data / "authfactor.db")) as somebody:
        somebody.execute("SELECT count(*) FROM users").fetchall()
        # From another process: locks of one and the same do not meet.
        used = command_line("--data", str(data), "restore", str(file), "--force")
        assert (used.returncode, "Stop it first" in used.stderr) == (5, True)
        assert somebody.execute("SELECT count(*) FROM audit").fetchall() == [(0,)]
    # A log that is left without its database would be written into the new one.
    here.lose()
    (data / "authfactor.db-wal").write_bytes(b"left")
    assert here.run("restore", str(file)).exit_code == 5
    (data / "authfactor.db-wal").write_bytes(b"")
    assert here.run("restore", str(file)).exit_code == 0
    assert here.run("keys", "list").exit_code == 0


def test_a_damaged_backup_is_refused_and_leaves_nothing(here: Installation, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    here.sql("CREATE TABLE ballast (content)")
    here.sql("INSERT INTO ballast VALUES (zeroblob(?))", 3 * CHUNK_BYTES)
    here.backup(file)
    here.sql("DROP TABLE ballast")
    here.lose()
    kept = file.read_bytes()
    start = kept.index(b"\n") + 1
    size = 4 + CHUNK_BYTES + 16
    first, second, rest = kept[:start], kept[start : start + size], kept[start + size :]
    broken = {
        "cut": kept[: start + size],
        "cut by a byte": kept[:-1],
        "swapped": first + rest[:size] + second + rest[size:],
        "changed": kept[:-1] + bytes([kept[-1] ^ 1]),
        "longer": kept + second,
    }
    for name, content in broken.items():
        file.write_bytes(content)
        for option in ((), ("--check",)):
            damaged = here.run("restore", str(file), *option)
            assert damaged.stderr == "authfactor: The backup is damaged or incomplete.\n", name
            assert damaged.exit_code == 5
    assert here.names() == ["keys"]
    file.write_bytes(kept)
    assert here.run("restore", str(file), "--check").exit_code == 0
    assert here.names() == ["keys"]
    assert here.run("restore", str(file)).exit_code == 0


def test_without_the_key_of_then_it_says_which_is_missing(here: Installation, tmp_path: Path) -> None:
    data, file = here.data, tmp_path / "backup"
    told = here.backup(file)
    here.lose()
    (data / "keys").write_text("A" * 43 + "=\n")
    locked = here.run("restore", str(file))
    assert (locked.exit_code, f"the key '{told['key']}', which is not on the key ring" in locked.stderr) == (
        8,
        True,
    )
    (data / "keys").unlink()
    assert here.run("restore", str(file)).exit_code == 8
    assert not (data / "authfactor.db").exists()
    assert not (data / "keys").exists()


def test_a_backup_whose_secrets_do_not_open_is_not_restored(here: Installation, tmp_path: Path) -> None:
    data, file = here.data, tmp_path / "backup"
    here.sql("UPDATE factors SET id = id || 'X'")
    here.backup(file)
    here.lose()
    refused = here.run("restore", str(file))
    assert (refused.exit_code, "cannot decrypt 1 secrets" in refused.stderr) == (8, True)
    assert not (data / "authfactor.db").exists()


def test_by_force_the_old_database_is_kept_and_so_is_what_it_knows_against_somebody(
    here: Installation, tmp_path: Path
) -> None:
    data, file = here.data, tmp_path / "backup"
    made = json.loads(here.run("--json", "keys", "create", "--name", "shop").stdout)
    ((subject, number),) = here.sql("SELECT id, environment FROM factors")
    here.sql("INSERT INTO failures VALUES (?, ?, '5,7', 2, NULL)", number, subject)
    for name in ("again", "away", "kept", "lesser", "lost"):
        here.sql(
            "INSERT INTO operators VALUES (?, ?, 'owner', 'active', 'hash', 'auth_factor_x', NULL, 1, 1, ?)",
            f"operator_{name}",
            f"{name}@example.org",
            f"{name}@example.org",
        )
    here.backup(file)
    for name in ("away", "lost"):
        changed = "UPDATE operators SET state = ?, password_hash = NULL, factor_id = NULL WHERE id = ?"
        here.sql(changed, "disabled" if name == "away" else "invited", f"operator_{name}")
    here.sql("UPDATE operators SET role = 'support' WHERE id = 'operator_lesser'")
    here.sql("UPDATE operators SET factor_id = 'auth_factor_y' WHERE id = 'operator_again'")
    assert here.run("keys", "revoke", made["id"]).exit_code == 0
    here.sql("UPDATE failures SET times = '7,9,9', in_a_row = 1, locked_until = 99")
    here.sql("UPDATE factors SET last_step = 4000000000")
    here.sql("INSERT INTO throttles VALUES (?, 'pw', 12)", number)
    done = here.run("--json", "restore", str(file), "--force")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kept_stricter"] is True
    with closing(sqlite3.connect(told["kept_aside"])) as aside:
        assert aside.execute("SELECT last_step FROM factors").fetchall() == [(4000000000,)]
    assert here.sql("SELECT times, in_a_row, locked_until FROM failures") == [("5,7,9,9", 2, 99)]
    assert here.sql("SELECT last_step FROM factors") == [(4000000000,)]
    assert here.sql("SELECT full_at FROM throttles") == [(12,)]
    assert here.sql("SELECT count(*) FROM api_keys WHERE id = ? AND revoked_at IS NULL", made["id"]) == [(0,)]
    assert here.sql("SELECT id, role, state, password_hash, factor_id FROM operators ORDER BY id") == [
        ("operator_again", "owner", "invited", None, None),
        ("operator_away", "owner", "disabled", None, None),
        ("operator_kept", "owner", "active", "hash", "auth_factor_x"),
        ("operator_lesser", "support", "active", "hash", "auth_factor_x"),
        ("operator_lost", "owner", "invited", None, None),
    ]
    assert (data / "authfactor.db").stat().st_mode & 0o777 == 0o600


def test_by_force_a_ruined_database_is_kept_too(here: Installation, tmp_path: Path) -> None:
    data, file = here.data, tmp_path / "backup"
    here.backup(file)
    for path in data.glob("authfactor.db-*"):
        path.unlink()
    (data / "authfactor.db").write_bytes(b"ruined" * 1000)
    (data / "authfactor.db-wal").write_bytes(b"too")
    done = here.run("restore", str(file), "--force")
    assert done.exit_code == 0, done.stderr
    assert "It could not be read" in done.stdout
    (aside,) = data.glob("authfactor.db.before-*[0-9]")
    assert aside.read_bytes() == b"ruined" * 1000
    assert not (data / "authfactor.db-wal").exists()
    assert here.run("keys", "list").exit_code == 0


def test_what_a_killed_restore_left_is_cleared_away(here: Installation, tmp_path: Path) -> None:
    data, file = here.data, tmp_path / "backup"
    here.backup(file)
    here.lose()
    (data / ".restoring").mkdir()
    (data / ".restoring" / "authfactor.db").write_bytes(b"half")
    (data / ".restoring" / "authfactor.db-wal").write_bytes(b"of it")
    assert here.run("restore", str(file)).exit_code == 0
    assert not (data / ".restoring").exists()


def test_marking_is_for_databases_restored_otherwise(here: Installation) -> None:
    assert here.run("restore").exit_code == 2
    assert here.run("restore", "--mark", "--check").exit_code == 2
    marked = json.loads(here.run("--json", "restore", "--mark").stdout)["marked"]
    assert marked["factors"] == 1
    assert here.sql("SELECT last_step FROM factors") == [(marked["not_before"] - 1,)]


def test_postgresql_is_told_where_its_backups_are_made(
    here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHFACTOR_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    for command in ("backup", "restore"):
        refused = here.run(command, str(tmp_path / "file"))
        assert refused.exit_code == 2
        assert "restore --mark" in refused.stderr
    assert not (tmp_path / "file").exists()


def test_the_help_says_that_the_key_ring_is_not_in_it(here: Installation) -> None:
    said = " ".join(here.run("backup", "--help").stdout.split())
    assert "The key ring is NOT part of the backup: store a copy of it separately" in said
