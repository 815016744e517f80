"""`authfactor audit verify` on sealed events, also in restored and copied installations."""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from authfactor.core import Authfactor, system_clock
from authfactor.rules.audit.event_sealing import HORIZON, INTERVAL
from authfactor.settings import Settings
from tests.cli.test_command_line import run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two users, whose events are sealed as by a server a quarter of an hour later."""
    folder = tmp_path / "data"
    for name in ("kim", "lee"):
        assert run(folder, "users", "create", f"{name}@example.org").returncode == 0

    async def seal() -> int:
        def later() -> int:
            return system_clock() + HORIZON + INTERVAL + 60_000

        af = await Authfactor.open(Settings(data=folder), clock=later)
        try:
            return await af.event_sealing.run(af.store)
        finally:
            await af.close()

    assert asyncio.run(seal()) == 2
    return folder


def sql(data: Path, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(data / "authfactor.db", isolation_level=None)) as connection:
        return connection.execute(statement, parameters).fetchall()


def assert_intact(data: Path, events: int = 2) -> None:
    done = run(data, "audit", "verify")
    assert done.returncode == 0, done.stdout
    assert f"{events} events up to " in done.stdout
    assert "unchanged since they were sealed" in done.stdout


def test_verify_names_a_changed_event_and_exits_with_5(data: Path) -> None:
    assert_intact(data)
    [(event,)] = sql(data, "SELECT id FROM events ORDER BY id LIMIT 1")
    sql(data, "UPDATE events SET data = '{}' WHERE id = ?", event)
    done = run(data, "audit", "verify")
    assert done.returncode == 5
    assert f"Changed: {event}. audit_" in done.stdout
    report = json.loads(run(data, "--json", "audit", "verify").stdout)
    assert (report["intact"], report["broken_at"]) == (False, None)
    [finding] = report["events"]["findings"]
    assert (finding["what"], finding["suspects"]) == ("changed", [event])
    entry = finding["sealed_by"]
    assert run(data, "audit", "verify", "--entries-only").returncode == 0
    assert run(data, "audit", "verify", "--accept", entry).returncode == 0


def test_an_export_with_event_seals_is_verified_offline(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_text(run(data, "audit", "export").stdout, encoding="utf-8")
    assert '"actor_kind":"server"' in file.read_text(encoding="utf-8")
    assert run(tmp_path / "nowhere", "audit", "verify", "--file", str(file)).returncode == 0
    assert run(data, "audit", "verify", "--file", str(file), "--with-keys").returncode == 0


def test_event_seals_are_listed_only_on_request(data: Path) -> None:
    assert "events.sealed" not in run(data, "audit", "list").stdout
    shown = run(data, "audit", "list", "--actor", "server").stdout
    assert "events.sealed" in shown
    assert "2 events from event_" in shown


def test_sealed_events_verify_after_a_restore(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    assert run(data, "backup", str(file)).returncode == 0
    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.copy(data / "keys", restored / "keys")
    done = run(restored, "restore", str(file))
    assert done.returncode == 0, done.stderr
    assert_intact(restored)


def test_sealed_events_verify_after_a_copy(data: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    copied.mkdir()
    shutil.copy(data / "keys", copied / "keys")
    done = run(
        data, "copy", "--from", f"sqlite:///{data}/authfactor.db", "--to", f"sqlite:///{copied}/authfactor.db"
    )
    assert done.returncode == 0, done.stderr
    assert_intact(copied)
