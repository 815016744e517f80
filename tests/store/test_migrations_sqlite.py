"""SQLite migrations: in one run, step by step, from concurrent processes, and never downward."""

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from authfactor.settings import Settings
from authfactor.store import migrations, schema
from authfactor.store.opening import WrongSchema, open_store

PROCESSES = 3


def revisions() -> list[str]:
    """Return every revision, first to last."""
    walked = ScriptDirectory.from_config(migrations.configuration()).walk_revisions()
    return [script.revision for script in walked][::-1]


def dump(path: Path) -> list[tuple[object, ...]]:
    """Return the schema as SQLite stores it, and the row of the version table."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        objects = connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
        )
        return [
            *objects.fetchall(),
            *connection.execute("SELECT version_num FROM alembic_version").fetchall(),
        ]


def test_last_revision_is_the_required_schema() -> None:
    assert revisions()[-1] == schema.NEEDED


def test_a_fresh_database_equals_one_migrated_step_by_step(tmp_path: Path) -> None:
    fresh, stepped = tmp_path / "fresh.db", tmp_path / "stepped.db"
    migrations.upgrade(f"sqlite:///{fresh}")
    for revision in revisions():
        migrations.upgrade(f"sqlite:///{stepped}", revision)
        assert dump(stepped)[-1] == (revision,)
    assert dump(fresh) == dump(stepped)


def test_second_upgrade_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "twice.db"
    migrations.upgrade(f"sqlite:///{path}")
    before = path.read_bytes()
    migrations.upgrade(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_every_table_is_clustered_by_environment(tmp_path: Path) -> None:
    path = tmp_path / "fresh.db"
    migrations.upgrade(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        listed = connection.execute("PRAGMA table_list").fetchall()
        clustered = {
            row[1]: row[4] for row in listed if row[0] == "main" and not row[1].startswith("sqlite_")
        }
        del clustered["alembic_version"]
        keys = {
            table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[5] == 1]
            for table in clustered
        }
    assert {table for table, without_rowid in clustered.items() if not without_rowid} == {"idempotency"}
    assert keys.pop("environments") == ["number"]
    # Leases of background jobs, which span all environments.
    assert keys.pop("turns") == ["name"]
    # The key ring belongs to the installation.
    assert keys.pop("vault_keys") == ["id"]
    # Operators manage all environments.
    assert keys.pop("operators") == ["id"]
    assert keys.pop("audit") == ["id"]
    # Models of authenticators are the same in all environments.
    assert keys.pop("authenticator_metadata") == ["id"]
    assert keys.pop("authenticator_models") == ["aaguid"]
    assert keys.pop("operator_links") == ["token_hash"]
    assert keys.pop("operator_sessions") == ["token_hash"]
    assert {table for table, key in keys.items() if key != ["environment"]} == set()


async def test_opening_migrates_only_a_new_file(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    for _ in range(2):
        store = await open_store(settings)
        assert await store.schema_version() == schema.NEEDED
        await store.close()


async def test_newer_schema_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "authfactor.db"
    migrations.upgrade(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = dump(path)
    with pytest.raises(WrongSchema) as refused:
        await open_store(Settings(data=tmp_path))
    message = str(refused.value)
    assert str(path) in message
    assert "9999" in message
    assert schema.NEEDED in message
    assert "newer release" in message
    assert "backup" in message
    assert dump(path) == before


STARTER = """
import asyncio, sys
from pathlib import Path
from authfactor.settings import Settings
from authfactor.store import migrations  # imported before the start signal, so only opening races
from authfactor.store.opening import open_store

async def main():
    store = await open_store(Settings(data=Path(sys.argv[1])))
    print(await store.schema_version())
    await store.close()

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main())
"""


def test_concurrent_first_starts_all_find_the_file_migrated(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, tmp_path / "data"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outcomes = [(*process.communicate(), process.returncode) for process in processes]
    assert outcomes == [(f"{schema.NEEDED}\n", "", 0)] * PROCESSES
    reference = tmp_path / "reference.db"
    migrations.upgrade(f"sqlite:///{reference}")
    assert dump(tmp_path / "data" / "authfactor.db") == dump(reference)
