"""`authfactor copy`: complete copies, resumed runs, refused targets, and partial copies not served."""

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

import jwt
import pytest

import authfactor
from authfactor.crypto import keyring
from authfactor.ids import EVENT, ulid
from authfactor.settings import Settings
from authfactor.store import migrations
from authfactor.store.copying.resealing import BOUND_TO_KEY_RING, SEALED_COLUMN_BY_TABLE
from tests.support import authenticator, databases
from tests.support.postgres_server import PostgresServer
from tests.support.server_process import API_KEY, CLIENT_ID, clean_environment, command_line, fields, running

PASSWORD: Final = "seven green bottles"
SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
MFA_TOTP: Final = "urn:workos:oauth:grant-type:mfa-totp"
EVENTS: Final = 60_000
NOT_COPIED: Final = {"alembic_version", "turns"}


@pytest.fixture(scope="module")
def source_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create an installation with rows in nearly every table and in every sealed column."""
    folder = tmp_path_factory.mktemp("source") / "data"
    with running(folder, {"AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true"}) as server, server.client() as api:
        hook = {"endpoint_url": "http://127.0.0.1:9/hook", "events": ["user.created"]}
        assert api.post("/webhook_endpoints", json=hook).status_code == 201
        user = fields(
            api.post(
                "/user_management/users",
                json={"email": "kim@example.org", "password": PASSWORD, "metadata": {"plan": "ä 7"}},
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
        trust(api, folder, signed_in)
        for kind in ("magic_auth", "password_reset"):
            fields(api.post(f"/user_management/{kind}", json={"email": "kim@example.org"}), 201)
        fields(api.post("/user_management/invitations", json={"email": "new@example.org"}), 201)
        mail(api)
        wrong = fields(api.post(f"{path}", json={"type": "totp"}), 201)
        code = {"code": authenticator.wrong_code(wrong["authentication_factor"]["totp"]["secret"])}
        fields(api.post(f"/auth/challenges/{wrong['authentication_challenge']['id']}/verify", json=code), 201)
    return folder


def trust(api: Any, folder: Path, session: dict[str, Any]) -> None:  # noqa: ANN401 - a client
    """Trust the device of a session, and spend its first token."""
    allowed = command_line(
        "--data", str(folder), "environments", "update", "default", "--trusted-devices", "allowed"
    )
    assert allowed.returncode == 0, allowed.stderr
    time.sleep(1)  # callers are cached
    sid = jwt.decode(session["access_token"], options={"verify_signature": False})["sid"]
    token = fields(api.post("/authfactor/trusted_devices", json={"session_id": sid}), 201)["token"]
    fields(api.post("/authfactor/trusted_devices/rotate", json={"token": token}), 200)


def mail(api: Any) -> None:  # noqa: ANN401 - a client
    """Set a sender that takes nothing, so that a message waits."""
    sender = {"kind": "webhook", "webhook": {"url": "http://127.0.0.1:9/mail"}}
    assert api.put("/authfactor/senders/mail", json=sender).status_code == 200
    time.sleep(1)  # callers are cached
    lee = {"email": "lee@example.org", "email_verified": True, "password": PASSWORD}
    user = fields(api.post("/user_management/users", json=lee), 201)
    changed = {"password": f"{PASSWORD} again"}
    fields(api.put(f"/user_management/users/{user['id']}", json=changed), 200)


def credentials(grant: dict[str, str]) -> dict[str, str]:
    return {"client_id": CLIENT_ID, "client_secret": API_KEY, **grant}


def sign_in(api: Any, step: int) -> dict[str, Any]:  # noqa: ANN401 - a client
    first = {"grant_type": "password", "email": "kim@example.org", "password": PASSWORD}
    pending = fields(api.post("/user_management/authenticate", json=credentials(first)), 403)
    second = {
        "grant_type": MFA_TOTP,
        "code": authenticator.code(SECRET, step),
        "pending_authentication_token": pending["pending_authentication_token"],
        "authentication_challenge_id": pending["authentication_challenge"]["id"],
    }
    return fields(api.post("/user_management/authenticate", json=credentials(second)), 200)


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'authfactor.db'}"


def content(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Read every row of every copied table, with the columns sorted by name."""
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
        if table in NOT_COPIED or table.startswith("sqlite_"):
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
def empty_url(postgres_server: PostgresServer) -> str:
    return postgres_server.url(postgres_server.create_database())


def copy(
    source: str, target: str, *options: str, keys: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environ = {} if keys is None else {"AUTHFACTOR_KEYS": str(keys)}
    return command_line("copy", "--from", source, "--to", target, *options, **environ)


def test_copy_to_postgresql_and_back_is_identical_and_works(
    source_folder: Path, empty_url: str, tmp_path: Path
) -> None:
    source = content(url_of(source_folder))
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
    there = copy(url_of(source_folder), empty_url, keys=source_folder / "keys")
    assert there.returncode == 0, there.stderr
    assert f"Copied and compared {sum(map(len, source.values()))} rows" in there.stdout
    assert content(empty_url) == source
    back = command_line("--json", "copy", "--from", empty_url, "--to", url_of(tmp_path / "back"))
    assert back.returncode == 0, back.stderr
    report = json.loads(back.stdout)
    assert report["rows"] == sum(map(len, source.values()))
    assert report["tables"]["users"] == 2
    assert report["resealed"] is False
    assert content(url_of(tmp_path / "back")) == source
    settings = {"AUTHFACTOR_DATABASE_URL": empty_url, "AUTHFACTOR_KEYS": str(source_folder / "keys")}
    with running(tmp_path / "server", settings) as server, server.client() as api:
        factor = factor_of(api)
        challenge = fields(api.post(f"/auth/factors/{factor}/challenge"), 201)
        path = f"/auth/challenges/{challenge['id']}/verify"
        (step,) = databases.sql(
            Settings(database_url=empty_url), "SELECT last_step FROM factors WHERE id = ?", factor
        )[0]
        # The last sign-in before the copy used the code of its step.
        reused = fields(api.post(path, json={"code": authenticator.code_at(SECRET, int(str(step)))}), 201)
        assert reused["valid"] is False
        assert fields(api.post(path, json={"code": authenticator.code(SECRET, 1)}), 201)["valid"] is True


def factor_of(api: Any) -> str:  # noqa: ANN401 - a client
    user = fields(api.get("/user_management/users", params={"email": "kim@example.org"}), 200)["data"][0]
    listed = fields(
        api.get(f"/user_management/users/{user['id']}/auth_factors", params={"order": "asc"}), 200
    )
    return str(listed["data"][0]["id"])


def test_copy_reseals_secrets_for_another_key_ring(
    source_folder: Path, empty_url: str, tmp_path: Path
) -> None:
    ring = tmp_path / "other-keys"
    new_key = keyring.create(ring, lambda count: bytes(range(count)))[-1].id
    done = copy(url_of(source_folder), empty_url, "--reseal", str(ring), keys=source_folder / "keys")
    assert done.returncode == 0, done.stderr
    before, after = content(url_of(source_folder)), content(empty_url)
    assert {table for table in before if before[table] != after[table]} == {
        *SEALED_COLUMN_BY_TABLE,
        *BOUND_TO_KEY_RING - {"recovery_codes"},
    }
    # The target records its own keys at its first start.
    assert not any(after[table] for table in BOUND_TO_KEY_RING)
    for table in SEALED_COLUMN_BY_TABLE.keys() - BOUND_TO_KEY_RING:
        sealed = [value for row in after[table] for value in row if str(value).startswith("v1:")]
        assert sealed
        assert all(str(value).startswith(f"v1:{new_key}:") for value in sealed)
    settings = {"AUTHFACTOR_DATABASE_URL": empty_url, "AUTHFACTOR_KEYS": str(ring)}
    with running(tmp_path / "server", settings) as server, server.client() as api:
        challenge = fields(api.post(f"/auth/factors/{factor_of(api)}/challenge"), 201)
        code = {"code": authenticator.code(SECRET, 1)}
        assert fields(api.post(f"/auth/challenges/{challenge['id']}/verify", json=code), 201)["valid"] is True


def test_resealing_without_the_old_key_is_refused(
    source_folder: Path, empty_url: str, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        keyring.create(tmp_path / name, lambda count, name=name: name.encode() * count)  # type: ignore[misc]  # bound now
    done = copy(url_of(source_folder), empty_url, "--reseal", str(tmp_path / "a"), keys=tmp_path / "b")
    assert done.returncode == 8
    assert "not on the key ring" in done.stderr


@pytest.mark.parametrize("direction", ["to postgres", "to sqlite"])
def test_killed_copy_is_not_served_and_can_be_resumed(
    source_folder: Path, empty_url: str, tmp_path: Path, direction: str
) -> None:
    source, target = url_of(tmp_path / "big"), empty_url
    (tmp_path / "big").mkdir()
    with closing(sqlite3.connect(source_folder / "authfactor.db")) as old:
        old.execute("VACUUM INTO ?", (str(tmp_path / "big" / "authfactor.db"),))
    with closing(sqlite3.connect(tmp_path / "big" / "authfactor.db")) as connection, connection:
        connection.executemany(
            "INSERT INTO events (environment, id, name, data, created_at) VALUES (1, ?, 'x', '{}', 1)",
            ((EVENT + ulid(number, 0),) for number in range(EVENTS)),
        )
    if direction == "to sqlite":
        assert copy(source, empty_url).returncode == 0
        source, target = empty_url, url_of(tmp_path / "small")
    command = [sys.executable, "-m", "authfactor", "copy", "--from", source, "--to", target]
    process = subprocess.Popen(
        command, env=clean_environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    settings = Settings(database_url=target)
    kill_during_the_copy(settings, process)
    assert 0 < count_copied_events(settings) < EVENTS

    refused = command_line(
        "environments", "list", AUTHFACTOR_DATABASE_URL=target, AUTHFACTOR_DATA=str(tmp_path)
    )
    assert refused.returncode == 8
    assert "unfinished copy" in refused.stderr
    done = copy(source, target)
    assert done.returncode == 0, done.stderr
    assert content(target) == content(source)
    listed = command_line(
        "environments", "list", AUTHFACTOR_DATABASE_URL=target, AUTHFACTOR_KEYS=str(source_folder / "keys")
    )
    assert listed.returncode == 0, listed.stderr


def kill_during_the_copy(settings: Settings, process: "subprocess.Popen[bytes]") -> None:
    """Kill the copy after the first rows of the big table arrived; it is stopped during each check."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        if count_copied_events(settings):
            process.kill()
            process.wait()
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.005)
    raise AssertionError("no rows arrived before the copy ended or timed out")


def count_copied_events(settings: Settings) -> int:
    """Count the rows of the big table; 0 while it does not exist."""
    try:
        return int(str(databases.sql(settings, "SELECT count(*) FROM events")[0][0]))
    except Exception:  # noqa: BLE001 - each driver raises its own error
        return 0


def test_target_that_is_not_empty_is_refused_unchanged(source_folder: Path, tmp_path: Path) -> None:
    with running(tmp_path / "other"):
        pass
    before = content(url_of(tmp_path / "other"))
    done = copy(url_of(source_folder), url_of(tmp_path / "other"))
    assert done.returncode == 5
    assert "is not empty" in done.stderr
    assert content(url_of(tmp_path / "other")) == before


def test_row_changed_in_the_target_during_a_copy_is_reported(
    source_folder: Path, empty_url: str, postgres_server: PostgresServer
) -> None:
    assert copy(url_of(source_folder), empty_url).returncode == 0
    database = empty_url.rpartition("/")[2]
    mark = f"copy {fingerprint(source_folder)}"
    databases.sql(Settings(database_url=empty_url), "INSERT INTO turns VALUES ('copy', ?, 0)", mark)
    postgres_server.sql("UPDATE users SET email = 'eve@example.org'", database)
    done = copy(url_of(source_folder), empty_url)
    assert done.returncode == 1
    assert re.search(r"A row of users \(1, user_\w{26}\) differs", done.stderr)


def fingerprint(folder: Path) -> str:
    rows = databases.sql(
        Settings(database_url=url_of(folder)), "SELECT client_id, created_at FROM environments"
    )
    return hashlib.sha256("".join(map(repr, rows)).encode()).hexdigest()


def test_an_unfinished_copy_of_another_database_is_refused(
    source_folder: Path, empty_url: str, postgres_server: PostgresServer
) -> None:
    database = empty_url.rpartition("/")[2]
    postgres_server.sql(migrations.script("postgresql"), database)
    postgres_server.sql("INSERT INTO turns VALUES ('copy', 'copy of something else', 0)", database)
    done = copy(url_of(source_folder), empty_url)
    assert done.returncode == 5
    assert "unfinished copy of another database" in done.stderr


def test_missing_source_and_copy_onto_itself_are_refused(source_folder: Path, tmp_path: Path) -> None:
    missing = copy(url_of(tmp_path / "nowhere"), url_of(tmp_path / "target"))
    assert (missing.returncode, "empty or missing" in missing.stderr) == (8, True)
    itself = copy(url_of(source_folder), url_of(source_folder))
    assert (itself.returncode, "the same database" in itself.stderr) == (2, True)


def test_copy_of_a_source_locked_by_a_writer_is_refused(source_folder: Path, empty_url: str) -> None:
    with closing(sqlite3.connect(source_folder / "authfactor.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        done = copy(url_of(source_folder), empty_url)
    assert done.returncode == 7
    assert "busy" in done.stderr


def test_every_sealed_column_is_known_to_the_copy() -> None:
    root = Path(authfactor.__file__).parent
    found = {
        (table, column)
        for path in root.rglob("*.py")
        for table, column in re.findall(r'\bSealedLocation\("(\w+)", "(\w+)"', path.read_text())
        if path.name != "crypto/vault.py"
    }
    assert found == set(SEALED_COLUMN_BY_TABLE.items())


def test_copy_creates_the_current_schema_in_postgresql(source_folder: Path, empty_url: str) -> None:
    assert copy(url_of(source_folder), empty_url).returncode == 0
    fresh = migrations.script("postgresql")
    assert set(re.findall(r"CREATE TABLE (\w+)", fresh)) - NOT_COPIED == set(content(empty_url))
