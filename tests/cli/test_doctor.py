"""What the doctor finds in installations that something is wrong with."""

import asyncio
import contextlib
import dataclasses
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from authfactor.core import Authfactor, system_clock
from authfactor.crypto import backup_format, keyring
from authfactor.doctor import DoctorFinding, Level, examine
from authfactor.doctor.clock import judge
from authfactor.models import Clock
from authfactor.otp import base32
from authfactor.settings import Settings
from authfactor.wire.requests import CreateUser, EnrollUserFactor
from tests.support import databases
from tests.support.server_process import running

HOUR = 3600 * 1000
NOW = system_clock()


def settled(folder: Path) -> Settings:
    return Settings(data=folder / "installation", console=False, bootstrap_client_id="client_doctor")


async def enroll(af: Authfactor, secret: str | None = None, email: str = "kim@example.org") -> bytes:
    """Enrol a new user and return the secret's bytes."""
    environment = (await af.read(lambda tx: tx.environments.all()))[0]
    user = await af.run(await af.users.prepare_create(environment, CreateUser(email=email)))
    request = EnrollUserFactor(type="totp", totp_secret=secret)
    made = await af.run(af.factors.enroll(environment, user.id, request))
    return base32.decode(made.secret, min_bytes=10)


@pytest.fixture
async def secret(tmp_path: Path) -> bytes:
    """A sound installation in `tmp_path`, closed again, and the secret of its one factor."""
    af = await Authfactor.open(settled(tmp_path))
    try:
        return await enroll(af)
    finally:
        await af.close()


async def look(folder: Path, *backups: Path, at: Clock = system_clock, **more: str) -> list[DoctorFinding]:
    return await examine(settled(folder), at, os.urandom, backups=backups, **more)  # type: ignore[arg-type]  # url


def bad(found: list[DoctorFinding], check: str) -> DoctorFinding:
    """Return the one finding of a check that is no good."""
    (finding,) = (each for each in found if each.check == check and each.level is not Level.OK)
    assert finding.advice
    return finding


async def test_nothing_is_wrong_with_a_new_installation(tmp_path: Path, secret: bytes) -> None:
    found = await look(tmp_path)
    assert [finding for finding in found if finding.level is not Level.OK] == []
    assert {finding.check for finding in found} >= {
        "files", "disk", "keys", "schema", "integrity", "clock", "webhooks", "secrets", "strength", "seeds"
    }  # fmt: skip


async def test_looking_changes_nothing(tmp_path: Path, secret: bytes) -> None:
    path = settled(tmp_path).data / "authfactor.db"
    before = path.read_bytes()
    await look(tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["authfactor.db", "keys"])
async def test_a_file_that_others_may_read(tmp_path: Path, secret: bytes, name: str) -> None:
    path = settled(tmp_path).data / name
    path.chmod(0o640)
    finding = bad(await look(tmp_path), "files")
    assert finding.level is Level.PROBLEM
    assert (str(path) in finding.text, "chmod 600" in finding.advice) == (True, True)


async def test_a_folder_that_others_may_write(tmp_path: Path, secret: bytes) -> None:
    settled(tmp_path).data.chmod(0o777)
    assert bad(await look(tmp_path), "files").level is Level.PROBLEM


async def test_a_key_that_is_missing_is_named_with_the_number_of_its_secrets(
    tmp_path: Path, secret: bytes
) -> None:
    path = settled(tmp_path).keys_path
    (old,) = keyring.read(path)
    path.unlink()
    keyring.create(path, os.urandom)
    finding = bad(await look(tmp_path), "secrets")
    assert finding.level is Level.PROBLEM
    assert finding.text.startswith(f"1 secrets are encrypted with the key '{old.id}'")


async def test_a_needed_key_that_is_missing_is_named_whatever_it_sealed(
    tmp_path: Path, secret: bytes
) -> None:
    path = settled(tmp_path).keys_path
    (old,) = keyring.read(path)
    with contextlib.closing(sqlite3.connect(settled(tmp_path).data / "authfactor.db")) as database:
        database.execute("DELETE FROM factors")
        database.commit()
    path.unlink()
    # No ring at all, then another one.
    for make in (lambda: None, lambda: keyring.create(path, os.urandom)):
        make()
        found = [
            each for each in await look(tmp_path) if each.check == "keys" and each.level is Level.PROBLEM
        ]
        assert [finding.text.startswith(f"the key '{old.id}' is needed") for finding in found] == [True]
        assert "no server starts" in found[0].text


async def test_a_ring_that_a_command_prints_is_looked_at(tmp_path: Path, secret: bytes) -> None:
    ring = settled(tmp_path).keys_path
    ring.rename(tmp_path / "ring")
    by_command = dataclasses.replace(settled(tmp_path), key_command=f"cat {tmp_path / 'ring'}")
    found = await examine(by_command, system_clock, os.urandom)
    assert [finding for finding in found if finding.level is not Level.OK] == []
    broken = dataclasses.replace(by_command, key_command="false")
    assert (
        bad(
            [each for each in await examine(broken, system_clock, os.urandom) if "needed" not in each.text],
            "keys",
        ).level
        is Level.PROBLEM
    )


async def test_a_sealed_value_of_another_table_that_does_not_open(tmp_path: Path, secret: bytes) -> None:
    with contextlib.closing(sqlite3.connect(settled(tmp_path).data / "authfactor.db")) as database:
        database.execute("UPDATE signing_keys SET private_key = (SELECT secret FROM factors)")
        database.execute(
            "INSERT INTO webhook_endpoints SELECT environment, 'we_1', 'https://a.example', secret,"
            " 'enabled', '[]', 1, 1 FROM factors"
        )
        database.commit()
    finding = bad(await look(tmp_path), "keys")
    assert (finding.level, "webhook_endpoints we_1" in finding.text) == (Level.PROBLEM, True)


def archived(folder: Path, content: bytes, made_at: int = 1_700_000_000_000) -> Path:
    """Write an encrypted backup of anything."""
    key = keyring.read(settled(folder).keys_path)[-1]
    file = folder / "backup"
    with file.open("wb") as target:
        backup_format.write(
            io.BytesIO(content), target, key, backup_format.BackupHeader(key.id, bytes(16), made_at)
        )
    return file


async def test_an_encrypted_backup_is_opened_and_searched(tmp_path: Path, secret: bytes) -> None:
    database = (settled(tmp_path).data / "authfactor.db").read_bytes()
    found = await look(tmp_path, archived(tmp_path, database))
    assert [finding for finding in found if finding.level is not Level.OK] == []
    (finding,) = (each for each in found if each.check == "backups")
    assert "of 2023-11-14 22:13 UTC is complete and can be decrypted" in finding.text
    plain = await look(tmp_path, archived(tmp_path, database + base32.encode(secret).encode()))
    assert bad(plain, "seeds").level is Level.PROBLEM
    names = await asyncio.to_thread(os.listdir, tmp_path)
    assert sorted(names) == ["backup", "installation"]


async def test_an_encrypted_backup_that_is_cut_or_of_a_lost_key(tmp_path: Path, secret: bytes) -> None:
    file = archived(tmp_path, b"content" * 1000)
    kept = file.read_bytes()
    file.write_bytes(kept[:-1])
    assert "damaged or incomplete" in bad(await look(tmp_path, file), "backups").text
    file.write_bytes(kept.replace(keyring.read(settled(tmp_path).keys_path)[-1].id.encode(), b"0000ff"))
    assert "'0000ff', which is not on the key ring" in bad(await look(tmp_path, file), "backups").text


async def test_a_running_server_is_asked_for_its_time(tmp_path: Path) -> None:
    with running(tmp_path / "installation", {"AUTHFACTOR_CONSOLE": "false"}) as server:
        found = await asyncio.to_thread(lambda: asyncio.run(look(tmp_path, url=server.url)))
    (finding,) = (each for each in found if server.url in each.text)
    assert (finding.check, finding.level) == ("clock", Level.OK)


async def test_a_secret_in_the_clear_in_any_table_of_postgresql(
    tmp_path: Path, postgres_database: str
) -> None:
    settings = dataclasses.replace(settled(tmp_path), database_url=postgres_database)
    af = await Authfactor.open(settings)
    try:
        secret = await enroll(af)
    finally:
        await af.close()
    assert all(each.level is Level.OK for each in await examine(settings, system_clock, os.urandom))
    databases.sql(settings, 'CREATE TABLE "Left over" (a int, content bytea)')
    try:
        databases.sql(settings, 'INSERT INTO "Left over" SELECT n, NULL FROM generate_series(1, 2500) AS n')
        databases.sql(settings, 'INSERT INTO "Left over" VALUES (1, ?)', b"x" + secret)
        finding = bad(await examine(settings, system_clock, os.urandom), "seeds")
    finally:
        databases.sql(settings, 'DROP TABLE "Left over"')
    assert (finding.level, 'public."Left over"' in finding.text) == (Level.PROBLEM, True)


async def test_a_secret_moved_to_another_row_does_not_open(tmp_path: Path, secret: bytes) -> None:
    af = await Authfactor.open(settled(tmp_path))
    await enroll(af, email="pat@example.org")
    await af.close()
    with contextlib.closing(sqlite3.connect(settled(tmp_path).data / "authfactor.db")) as database:
        database.execute("UPDATE factors SET secret = (SELECT secret FROM factors ORDER BY id LIMIT 1)")
        database.commit()
    assert bad(await look(tmp_path), "secrets").text.startswith("1 secrets cannot be decrypted")


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Level.PROBLEM),  # RFC 6238 appendix B
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Level.PROBLEM),
        ("JBSWY3DPFQQHO33S", Level.WARNING),  # 80 bits
    ],
)
async def test_a_weak_secret(tmp_path: Path, given: str, level: Level) -> None:
    af = await Authfactor.open(settled(tmp_path))
    await enroll(af, given)
    await af.close()
    assert bad(await look(tmp_path), "strength").level is level


@pytest.mark.parametrize(
    "write",
    [
        lambda value: b"secret=" + base32.encode(value).encode() + b"\n",
        lambda value: b"otpauth://totp/A:b?secret=" + base32.encode(value).lower().encode() + b"&issuer=A",
        lambda value: b"\x00\x01" + value.hex().upper().encode(),
        lambda value: b"row\x00" + value + b"\x00",
    ],
    ids=["base32", "uri", "hex", "bytes"],
)
async def test_a_secret_in_the_clear_is_found_in_every_form(
    tmp_path: Path, secret: bytes, write: Callable[[bytes], bytes]
) -> None:
    left = tmp_path / "export.csv"
    left.write_bytes(b"x" * 5000 + write(secret) + os.urandom(5000))
    finding = bad(await look(tmp_path, left), "seeds")
    assert finding.level is Level.PROBLEM
    assert str(left) in finding.text
    assert base32.encode(secret) not in repr(finding)


async def test_a_backup_of_sealed_secrets_is_clean(tmp_path: Path, secret: bytes) -> None:
    copy = tmp_path / "backup.db"
    shutil.copyfile(settled(tmp_path).data / "authfactor.db", copy)
    assert all(finding.level is Level.OK for finding in await look(tmp_path, copy))


async def test_a_clock_that_went_back(tmp_path: Path, secret: bytes) -> None:
    finding = bad(await look(tmp_path, at=lambda: system_clock() - HOUR), "clock")
    assert "in the future" in finding.text


@pytest.mark.parametrize(
    ("apart", "level"),
    [(0, Level.OK), (900, Level.OK), (-1_900, Level.OK), (2_500, Level.OK), (3_500, Level.WARNING),
     (-2_500, Level.WARNING), (16_500, Level.PROBLEM), (-16_000, Level.PROBLEM)],
)  # fmt: skip
def test_clocks_are_compared_within_the_grain_of_a_date(apart: int, level: Level) -> None:
    assert judge("the server", NOW + apart, NOW, grain=1000).level is level


async def test_a_url_that_does_not_answer(tmp_path: Path, secret: bytes) -> None:
    assert bad(await look(tmp_path, url="http://127.0.0.1:1/"), "clock").level is Level.WARNING


async def test_deliveries_that_wait(tmp_path: Path, secret: bytes) -> None:
    with contextlib.closing(sqlite3.connect(settled(tmp_path).data / "authfactor.db")) as database:
        database.execute(
            "INSERT INTO deliveries (environment, id, endpoint_id, event_id, state, attempts, due_at,"
            " created_at, updated_at) SELECT number, 'd', 'we_1', 'e', 'pending', 3, ?1, ?1, ?1"
            " FROM environments",
            (NOW - 5 * HOUR,),
        )
        database.commit()
    finding = bad(await look(tmp_path), "webhooks")
    assert finding.text == "1 deliveries to we_1 pending, oldest for 5 h"


async def test_an_older_schema_and_a_newer_one(tmp_path: Path, secret: bytes) -> None:
    for version, advice in (("0000", "authfactor migrate"), ("9999", "newer")):
        with contextlib.closing(sqlite3.connect(settled(tmp_path).data / "authfactor.db")) as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (version,))
            database.commit()
        finding = bad(await look(tmp_path), "schema")
        assert advice in finding.text + finding.advice


async def test_a_damaged_file_is_a_finding_and_no_traceback(tmp_path: Path, secret: bytes) -> None:
    path = settled(tmp_path).data / "authfactor.db"
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    found = await look(tmp_path)
    assert any(finding.level is Level.PROBLEM for finding in found)


def test_the_command_prints_a_line_each_and_its_exit_code_tells(tmp_path: Path) -> None:
    async def make() -> None:
        af = await Authfactor.open(settled(tmp_path))
        await af.close()

    asyncio.run(make())
    program = str(Path(sys.prefix) / "bin" / "authfactor")
    outside = {key: value for key, value in os.environ.items() if not key.startswith("AUTHFACTOR_")}
    outside["AUTHFACTOR_CONSOLE"] = "false"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [program, "--data", str(settled(tmp_path).data), *words]
        return subprocess.run(command, env=outside, capture_output=True, text=True, check=False, timeout=60)

    sound = run("doctor")
    assert (sound.returncode, sound.stderr) == (0, "")
    assert sound.stdout.splitlines()[-1].startswith("problems: 0, warnings: 0, ok: ")
    (settled(tmp_path).data / "keys").chmod(0o644)
    ill = run("--json", "doctor")
    assert ill.returncode == 8
    levels = {(finding["check"], finding["level"]) for finding in json.loads(ill.stdout)["findings"]}
    assert {("files", "problem"), ("keys", "problem")} <= levels
