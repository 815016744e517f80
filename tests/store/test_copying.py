"""`authfactor copy`: all of it arrives, a killed run goes on, nothing is overwritten, no half is served."""

import hashlib
import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

import authfactor
from authfactor.crypto import keyring
from authfactor.ids import EVENT, ulid
from authfactor.settings import Settings
from authfactor.store import migrations
from authfactor.store.copying.resealing import SEALED_COLUMN_BY_TABLE
from tests.support import authenticator, databases
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import API_KEY, CLIENT_ID, clean_environment, command_line, fields, running

PASSWORD: Final = "seven green bottles"
SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
MFA_TOTP: Final = "urn:workos:oauth:grant-type:mfa-totp"
EVENTS: Final = 60_000
OWN: Final = {"alembic_version", "turns"}


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an installation with a row in nearly every table, one of them sealed in each way."""
    folder = tmp_path_factory.mktemp("lived-in") / "data"
    with running(folder, {"AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true"}) as server, server.client() as api:
        hook = {"endpoint_url": "http://127.0.0.1:9/hook", "events": ["user.created"]}
        assert api.post("/webhook_endpoints", json=hook).status_code == 201
        user = fields(
            api.post(
                "/user_management/users",
                json={"email": "kim@example.org", "password": PASSWORD, "metadata": {"seat": "ä 7"}},
                headers={"idempotency-key": "once"},
            ),
            201,
        )
        path = f"/user_management/users/{user['id']}/auth_factors"
        fields(api.post(path, json={"type": "totp", "totp_secret": SECRET}), 201)
        sign_in(api, -1)
        signed_in = sign_in(api, 0)
        refresh = {"grant_type": "refresh_token", "refresh_token": signed_in["refresh_token"]}
        fields(api.post("/user_management/authenticate", json=credentials(refresh)), 200)
        wrong = fields(api.post(f"{path}", json={"type": "totp"}), 201)
        code = {"code": authenticator.wrong_code(wrong["authentication_factor"]["totp"]["secret"])}
        fields(api.post(f"/auth/challenges/{wrong['authentication_challenge']['id']}/verify", json=code), 201)
    return folder


def credentials(grant: dict[str, str]) -> dict[str, str]:
    return {"client_id": CLIENT_ID, "client_secret": API_KEY, **grant}


def sign_in(api: Any, ahead: int) -> dict[str, Any]:  # noqa: ANN401 - a client
    first = {"grant_type": "password", "email": "kim@example.org", "password": PASSWORD}
    pending = fields(api.post("/user_management/authenticate", json=credentials(first)), 403)
    second = {
        "grant_type": MFA_TOTP,
        "code": authenticator.code(SECRET, ahead),
        "pending_authentication_token": pending["pending_authentication_token"],
        "authentication_challenge_id": pending["authentication_challenge"]["id"],
    }
    return fields(api.post("/user_management/authenticate", json=credentials(second)), 200)


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'authfactor.db'}"


def content(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Read every row of every table but those of the database itself, columns by name."""
    settings = Settings(database_url=url)
    if settings.sqlite_path is None:
        tables = [
            row[0]
            for row in databases.sql(settings, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
    else:
        tables = [
            row[0] for row in databases.sql(settings, "SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
    found = {}
    for table in sorted(str(name) for name in tables):
        if table in OWN or table.startswith("sqlite_"):
            continue
        if settings.sqlite_path is None:
            listed = databases.sql(
                settings,
                "SELECT attname FROM pg_attribute WHERE attrelid = ?::text::regclass AND attnum > 0",
                table,
            )
        else:
            listed = databases.sql(settings, "SELECT name FROM pragma_table_info(?)", table)
        columns = ", ".join(sorted(str(row[0]) for row in listed))
        found[table] = sorted(databases.sql(settings, f"SELECT {columns} FROM {table}"), key=repr)  # noqa: S608 - our own names
    return found


@pytest.fixture
def empty(postgres_server: PostgresServer) -> str:
    return postgres_server.url(postgres_server.create_database())


def copy(source: str, target: str, *more: str, keys: Path | None = None) -> subprocess.CompletedProcess[str]:
    named = {} if keys is None else {"AUTHFACTOR_KEYS": str(keys)}
    return command_line("copy", "--from", source, "--to", target, *more, **named)


def test_there_and_back_again_is_the_same_and_goes_on_as_if_nothing_had_happened(
    lived_in: Path, empty: str, tmp_path: Path
) -> None:
    source = content(url_of(lived_in))
    filled = {table for table, rows in source.items() if rows}
    assert filled >= {
        *SEALED_COLUMN_BY_TABLE,
        "users",
        "api_keys",
        "challenges",
        "events",
        "deliveries",
        "failures",
        "sessions",
    }
    there = copy(url_of(lived_in), empty, keys=lived_in / "keys")
    assert there.returncode == 0, there.stderr
    assert f"Copied and compared {sum(map(len, source.values()))} rows" in there.stdout
    assert content(empty) == source
    back = command_line("--json", "copy", "--from", empty, "--to", url_of(tmp_path / "back"))
    assert back.returncode == 0, back.stderr
    told = json.loads(back.stdout)
    assert told["rows"] == sum(map(len, source.values()))
    assert told["tables"]["users"] == 1
    assert told["resealed"] is False
    assert content(url_of(tmp_path / "back")) == source
    settings = {"AUTHFACTOR_DATABASE_URL": empty, "AUTHFACTOR_KEYS": str(lived_in / "keys")}
    with running(tmp_path / "server", settings) as server, server.client() as api:
        factor = factor_of(api)
        challenge = fields(api.post(f"/auth/factors/{factor}/challenge"), 201)
        path = f"/auth/challenges/{challenge['id']}/verify"
        (step,) = databases.sql(
            Settings(database_url=empty), "SELECT last_step FROM factors WHERE id = ?", factor
        )[0]
        # The last sign-in before the move spent the code of its step.
        spent = fields(api.post(path, json={"code": authenticator.code_at(SECRET, int(str(step)))}), 201)
        assert spent["valid"] is False
        assert fields(api.post(path, json={"code": authenticator.code(SECRET, 1)}), 201)["valid"] is True


def factor_of(api: Any) -> str:  # noqa: ANN401 - a client
    user = fields(api.get("/user_management/users", params={"email": "kim@example.org"}), 200)["data"][0]
    listed = fields(
        api.get(f"/user_management/users/{user['id']}/auth_factors", params={"order": "asc"}), 200
    )
    return str(listed["data"][0]["id"])


def test_secrets_can_be_sealed_anew_for_another_key_ring(lived_in: Path, empty: str, tmp_path: Path) -> None:
    ring = tmp_path / "other-keys"
    new = keyring.create(ring, lambda count: bytes(range(count)))[-1].id
    done = copy(url_of(lived_in), empty, "--reseal", str(ring), keys=lived_in / "keys")
    assert done.returncode == 0, done.stderr
    old, now = content(url_of(lived_in)), content(empty)
    assert {table for table in old if old[table] != now[table]} == {*SEALED_COLUMN_BY_TABLE, "vault_keys"}
    assert now["vault_keys"] == []  # the target notes its own at its first start
    for table in SEALED_COLUMN_BY_TABLE:
        sealed = [value for row in now[table] for value in row if str(value).startswith("v1:")]
        assert sealed
        assert all(str(value).startswith(f"v1:{new}:") for value in sealed)
    settings = {"AUTHFACTOR_DATABASE_URL": empty, "AUTHFACTOR_KEYS": str(ring)}
    with running(tmp_path / "server", settings) as server, server.client() as api:
        challenge = fields(api.post(f"/auth/factors/{factor_of(api)}/challenge"), 201)
        code = {"code": authenticator.code(SECRET, 1)}
        assert fields(api.post(f"/auth/challenges/{challenge['id']}/verify", json=code), 201)["valid"] is True


def test_without_the_key_that_sealed_them_nothing_is_sealed_anew(
    lived_in: Path, empty: str, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        keyring.create(tmp_path / name, lambda count, name=name: name.encode() * count)  # type: ignore[misc]  # bound now
    done = copy(url_of(lived_in), empty, "--reseal", str(tmp_path / "a"), keys=tmp_path / "b")
    assert done.returncode == 8
    assert "not on the key ring" in done.stderr


@pytest.mark.parametrize("way", ["to postgres", "to sqlite"])
def test_a_killed_copy_goes_on_and_nobody_serves_it_meanwhile(
    lived_in: Path, empty: str, tmp_path: Path, way: str
) -> None:
    source, target = url_of(tmp_path / "big"), empty
    (tmp_path / "big").mkdir()
    with closing(sqlite3.connect(lived_in / "authfactor.db")) as old:
        old.execute("VACUUM INTO ?", (str(tmp_path / "big" / "authfactor.db"),))
    with closing(sqlite3.connect(tmp_path / "big" / "authfactor.db")) as connection, connection:
        connection.executemany(
            "INSERT INTO events (environment, id, name, data, created_at) VALUES (1, ?, 'x', '{}', 1)",
            ((EVENT + ulid(number, 0),) for number in range(EVENTS)),
        )
    if way == "to sqlite":
        assert copy(source, empty).returncode == 0
        source, target = empty, url_of(tmp_path / "small")
    command = [sys.executable, "-m", "authfactor", "copy", "--from", source, "--to", target]
    process = subprocess.Popen(
        command, env=clean_environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    settings = Settings(database_url=target)
    kill_half_way(settings, process)
    assert 0 < arrived(settings) < EVENTS

    refused = command_line(
        "environments", "list", AUTHFACTOR_DATABASE_URL=target, AUTHFACTOR_DATA=str(tmp_path)
    )
    assert refused.returncode == 8
    assert "unfinished copy" in refused.stderr
    done = copy(source, target)
    assert done.returncode == 0, done.stderr
    assert content(target) == content(source)
    listed = command_line(
        "environments", "list", AUTHFACTOR_DATABASE_URL=target, AUTHFACTOR_KEYS=str(lived_in / "keys")
    )
    assert listed.returncode == 0, listed.stderr


def kill_half_way(settings: Settings, process: "subprocess.Popen[bytes]") -> None:
    """Kill the copy once the first rows of the big table are there; it stands still while one looks."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        if arrived(settings):
            process.kill()
            process.wait()
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.005)
    raise AssertionError("no rows arrive, or all did at once")


def arrived(settings: Settings) -> int:
    """Count the rows of the big table; none while there is no such table."""
    try:
        return int(str(databases.sql(settings, "SELECT count(*) FROM events")[0][0]))
    except Exception:  # noqa: BLE001 - each database and driver says it in its own way
        return 0


def test_a_target_with_content_is_refused_and_left_alone(lived_in: Path, tmp_path: Path) -> None:
    with running(tmp_path / "other"):
        pass
    before = content(url_of(tmp_path / "other"))
    done = copy(url_of(lived_in), url_of(tmp_path / "other"))
    assert done.returncode == 5
    assert "is not empty" in done.stderr
    assert content(url_of(tmp_path / "other")) == before


def test_a_row_that_was_changed_meanwhile_is_found(
    lived_in: Path, empty: str, postgres_server: PostgresServer
) -> None:
    assert copy(url_of(lived_in), empty).returncode == 0
    database = empty.rpartition("/")[2]
    mark = f"copy {fingerprint(lived_in)}"
    databases.sql(Settings(database_url=empty), "INSERT INTO turns VALUES ('copy', ?, 0)", mark)
    postgres_server.sql("UPDATE users SET email = 'eve@example.org'", database)
    done = copy(url_of(lived_in), empty)
    assert done.returncode == 1
    assert re.search(r"A row of users \(1, user_\w{26}\) differs", done.stderr)


def fingerprint(folder: Path) -> str:
    rows = databases.sql(
        Settings(database_url=url_of(folder)), "SELECT client_id, created_at FROM environments"
    )
    return hashlib.sha256("".join(map(repr, rows)).encode()).hexdigest()


def test_an_unfinished_copy_of_another_database_is_refused(
    lived_in: Path, empty: str, postgres_server: PostgresServer
) -> None:
    database = empty.rpartition("/")[2]
    postgres_server.sql(migrations.script("postgresql"), database)
    postgres_server.sql("INSERT INTO turns VALUES ('copy', 'copy of something else', 0)", database)
    done = copy(url_of(lived_in), empty)
    assert done.returncode == 5
    assert "unfinished copy of another database" in done.stderr


def test_a_source_that_is_not_there_and_a_copy_onto_itself_are_refused(
    lived_in: Path, tmp_path: Path
) -> None:
    missing = copy(url_of(tmp_path / "nowhere"), url_of(tmp_path / "target"))
    assert (missing.returncode, "empty or missing" in missing.stderr) == (8, True)
    itself = copy(url_of(lived_in), url_of(lived_in))
    assert (itself.returncode, "the same database" in itself.stderr) == (2, True)


def test_a_source_in_use_is_locked_while_it_is_read(lived_in: Path, empty: str) -> None:
    with closing(sqlite3.connect(lived_in / "authfactor.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        done = copy(url_of(lived_in), empty)
    assert done.returncode == 7
    assert "busy" in done.stderr


def test_every_column_that_a_vault_seals_is_known() -> None:
    root = Path(authfactor.__file__).parent
    found = {
        (table, column)
        for path in root.rglob("*.py")
        for table, column in re.findall(r'\bSealedLocation\("(\w+)", "(\w+)"', path.read_text())
        if path.name != "crypto/vault.py"
    }
    assert found == set(SEALED_COLUMN_BY_TABLE.items())


def test_a_new_postgres_gets_the_schema_of_this_release(lived_in: Path, empty: str) -> None:
    assert copy(url_of(lived_in), empty).returncode == 0
    fresh = migrations.script("postgresql")
    assert set(re.findall(r"CREATE TABLE (\w+)", fresh)) - OWN == set(content(empty))
