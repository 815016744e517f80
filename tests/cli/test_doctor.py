"""What `authfactor doctor` finds in sound and in faulty installations."""

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

import msgspec
import pytest

from authfactor.core import Authfactor, system_clock
from authfactor.crypto import backup_format, keyring
from authfactor.doctor import DoctorFinding, Level, examine
from authfactor.doctor.clock import judge
from authfactor.models import Clock
from authfactor.otp import base32
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.settings import Settings
from authfactor.wire.requests import CreateUser, EnrollUserFactor
from authfactor.wire.senders import SetMailSender, SetMessageWebhook
from tests.support import databases
from tests.support.server_process import running

HOUR = 3600 * 1000
NOW = system_clock()


def settings_for(folder: Path) -> Settings:
    return Settings(data=folder / "installation", console=False, bootstrap_client_id="client_doctor")


async def enroll(af: Authfactor, secret: str | None = None, email: str = "kim@example.org") -> bytes:
    """Enroll a new user and return the secret's bytes."""
    environment = (await af.read(lambda tx: tx.environments.all()))[0]
    user = await af.run(await af.users.prepare_create(environment, CreateUser(email=email)))
    request = EnrollUserFactor(type="totp", totp_secret=secret)
    made = await af.run(af.factors.enroll(environment, user.id, request))
    return base32.decode(made.secret, min_bytes=10)


@pytest.fixture
async def secret(tmp_path: Path) -> bytes:
    """The secret of the only factor in a sound, closed installation in `tmp_path`."""
    af = await Authfactor.open(settings_for(tmp_path))
    try:
        return await enroll(af)
    finally:
        await af.close()


async def examine_installation(
    folder: Path, *backups: Path, at: Clock = system_clock, **more: str
) -> list[DoctorFinding]:
    return await examine(settings_for(folder), at, os.urandom, backups=backups, **more)  # type: ignore[arg-type]  # url


def only_failed(found: list[DoctorFinding], check: str) -> DoctorFinding:
    """Return the only finding of a check that is not OK."""
    (finding,) = (each for each in found if each.check == check and each.level is not Level.OK)
    assert finding.advice
    return finding


async def test_doctor_finds_no_problem_in_a_new_installation(tmp_path: Path, secret: bytes) -> None:
    found = await examine_installation(tmp_path)
    assert [finding for finding in found if finding.level is not Level.OK] == []
    assert {finding.check for finding in found} >= {
        "files", "disk", "base URL", "keys", "schema", "integrity", "clock", "webhooks", "emails", "secrets",
        "strength", "duplicates", "seeds",
    }  # fmt: skip


async def test_emails_that_find_another_user_are_listed_with_the_commands(
    tmp_path: Path, secret: bytes
) -> None:
    af = await Authfactor.open(settings_for(tmp_path))
    try:
        environment = (await af.read(lambda tx: tx.environments.all()))[0]
        users = []
        for email in ("ceo@jose\u0301.fr", "ceo@jos\u00e9.fr"):
            users.append(await af.run(await af.users.prepare_create(environment, CreateUser(email=email))))
            databases.sql(af.settings, "UPDATE users SET email_key = email WHERE id = ?", users[-1].id)
        for email in ("lee@jose\u0301.fr", "lee@jos\u00e9.fr"):
            await af.run(af.operators.invite(email, "viewer"))
            databases.sql(af.settings, "UPDATE operators SET email_key = email WHERE email = ?", email)
    finally:
        await af.close()
    found = [each for each in await examine_installation(tmp_path) if each.check == "emails"]
    assert [each.level for each in found] == [Level.WARNING] * 2
    operator, user = found
    assert user.text.startswith(f"{users[0].id} has the same email as {users[1].id}, spelled differently")
    assert f"authfactor --environment '{environment.name}' users update {users[0].id} --email" in user.advice
    assert f"users delete {users[0].id}" in user.advice
    assert "authfactor operators disable operator_" in operator.advice
    assert not any(each.email in finding.text for each in users for finding in found)


async def test_emails_stored_by_an_earlier_release_are_counted(tmp_path: Path, secret: bytes) -> None:
    path = settings_for(tmp_path).data / "authfactor.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE users SET email = 'ceo@faß.de', email_key = 'ceo@fass.de'")
        database.commit()
    finding = only_failed(await examine_installation(tmp_path), "emails")
    assert finding.text.startswith("1 emails were stored by a server of an earlier release")
    assert "authfactor migrate" in finding.advice


async def test_doctor_does_not_change_the_database(tmp_path: Path, secret: bytes) -> None:
    path = settings_for(tmp_path).data / "authfactor.db"
    before = path.read_bytes()
    await examine_installation(tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["authfactor.db", "keys", "bootstrap-api-key", "console-set-up-link"])
async def test_a_file_readable_by_others_is_a_problem(tmp_path: Path, secret: bytes, name: str) -> None:
    path = settings_for(tmp_path).data / name
    path.touch()
    path.chmod(0o640)
    finding = only_failed(await examine_installation(tmp_path), "files")
    assert finding.level is Level.PROBLEM
    assert (str(path) in finding.text, "chmod 600" in finding.advice) == (True, True)


async def test_a_folder_writable_by_others_is_a_problem(tmp_path: Path, secret: bytes) -> None:
    settings_for(tmp_path).data.chmod(0o777)
    assert only_failed(await examine_installation(tmp_path), "files").level is Level.PROBLEM


async def test_a_missing_key_is_named_with_its_number_of_secrets(tmp_path: Path, secret: bytes) -> None:
    path = settings_for(tmp_path).keys_path
    (old,) = keyring.read(path)
    path.unlink()
    keyring.create(path, os.urandom)
    finding = only_failed(await examine_installation(tmp_path), "secrets")
    assert finding.level is Level.PROBLEM
    assert finding.text.startswith(f"1 secrets are encrypted with the key '{old.id}'")


async def test_a_missing_key_is_named_even_without_factors(tmp_path: Path, secret: bytes) -> None:
    path = settings_for(tmp_path).keys_path
    (old,) = keyring.read(path)
    with contextlib.closing(sqlite3.connect(settings_for(tmp_path).data / "authfactor.db")) as database:
        database.execute("DELETE FROM factors")
        database.commit()
    path.unlink()
    # Without a key ring, then with another one.
    for make in (lambda: None, lambda: keyring.create(path, os.urandom)):
        make()
        found = [
            each
            for each in await examine_installation(tmp_path)
            if each.check == "keys" and each.level is Level.PROBLEM
        ]
        assert [finding.text.startswith(f"the key '{old.id}' is needed") for finding in found] == [True]
        assert "no server starts" in found[0].text


async def test_a_key_ring_from_a_command_is_checked(tmp_path: Path, secret: bytes) -> None:
    ring = settings_for(tmp_path).keys_path
    ring.rename(tmp_path / "ring")
    by_command = dataclasses.replace(settings_for(tmp_path), key_command=f"cat {tmp_path / 'ring'}")
    found = await examine(by_command, system_clock, os.urandom)
    assert [finding for finding in found if finding.level is not Level.OK] == []
    broken = dataclasses.replace(by_command, key_command="false")
    assert (
        only_failed(
            [each for each in await examine(broken, system_clock, os.urandom) if "needed" not in each.text],
            "keys",
        ).level
        is Level.PROBLEM
    )


async def test_undecryptable_values_of_other_tables_are_found(tmp_path: Path, secret: bytes) -> None:
    with contextlib.closing(sqlite3.connect(settings_for(tmp_path).data / "authfactor.db")) as database:
        database.execute("UPDATE signing_keys SET private_key = (SELECT secret FROM factors)")
        database.execute(
            "INSERT INTO webhook_endpoints (environment, id, endpoint_url, secret, status, events,"
            " created_at, updated_at) SELECT environment, 'we_1', 'https://a.example', secret, 'enabled',"
            " '[]', 1, 1 FROM factors"
        )
        database.commit()
    finding = only_failed(await examine_installation(tmp_path), "keys")
    assert (finding.level, "webhook_endpoints we_1" in finding.text) == (Level.PROBLEM, True)


def write_backup(folder: Path, content: bytes, made_at: int = 1_700_000_000_000) -> Path:
    """Write an encrypted backup of any content."""
    key = keyring.read(settings_for(folder).keys_path)[-1]
    file = folder / "backup"
    with file.open("wb") as target:
        backup_format.write(
            io.BytesIO(content), target, key, backup_format.BackupHeader(key.id, bytes(16), made_at)
        )
    return file


async def test_an_encrypted_backup_is_decrypted_and_searched(tmp_path: Path, secret: bytes) -> None:
    database = (settings_for(tmp_path).data / "authfactor.db").read_bytes()
    found = await examine_installation(tmp_path, write_backup(tmp_path, database))
    assert [finding for finding in found if finding.level is not Level.OK] == []
    (finding,) = (each for each in found if each.check == "backups")
    assert "of 2023-11-14 22:13 UTC is complete and can be decrypted" in finding.text
    plain = await examine_installation(
        tmp_path, write_backup(tmp_path, database + base32.encode(secret).encode())
    )
    assert only_failed(plain, "seeds").level is Level.PROBLEM
    names = await asyncio.to_thread(os.listdir, tmp_path)
    assert sorted(names) == ["backup", "installation"]


async def test_a_truncated_backup_and_a_lost_backup_key_are_found(tmp_path: Path, secret: bytes) -> None:
    file = write_backup(tmp_path, b"content" * 1000)
    intact = file.read_bytes()
    file.write_bytes(intact[:-1])
    assert "damaged or incomplete" in only_failed(await examine_installation(tmp_path, file), "backups").text
    file.write_bytes(
        intact.replace(keyring.read(settings_for(tmp_path).keys_path)[-1].id.encode(), b"0000ff")
    )
    assert (
        "'0000ff', which is not on the key ring"
        in only_failed(await examine_installation(tmp_path, file), "backups").text
    )


async def test_the_clock_of_a_running_server_is_checked(tmp_path: Path) -> None:
    with running(tmp_path / "installation", {"AUTHFACTOR_CONSOLE": "false"}) as server:
        found = await asyncio.to_thread(lambda: asyncio.run(examine_installation(tmp_path, url=server.url)))
    (finding,) = (each for each in found if each.check == "clock" and server.url in each.text)
    assert finding.level is Level.OK


async def test_a_plaintext_secret_in_any_postgresql_table_is_found(
    tmp_path: Path, postgres_database: str
) -> None:
    settings = dataclasses.replace(settings_for(tmp_path), database_url=postgres_database)
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
        finding = only_failed(await examine(settings, system_clock, os.urandom), "seeds")
    finally:
        databases.sql(settings, 'DROP TABLE "Left over"')
    assert (finding.level, 'public."Left over"' in finding.text) == (Level.PROBLEM, True)


async def test_a_secret_moved_to_another_row_is_found(tmp_path: Path, secret: bytes) -> None:
    af = await Authfactor.open(settings_for(tmp_path))
    await enroll(af, email="pat@example.org")
    await af.close()
    with contextlib.closing(sqlite3.connect(settings_for(tmp_path).data / "authfactor.db")) as database:
        database.execute("UPDATE factors SET secret = (SELECT secret FROM factors ORDER BY id LIMIT 1)")
        database.commit()
    assert only_failed(await examine_installation(tmp_path), "secrets").text.startswith(
        "1 secrets cannot be decrypted"
    )


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Level.PROBLEM),  # RFC 6238 appendix B
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Level.PROBLEM),
        ("JBSWY3DPFQQHO33S", Level.WARNING),  # 80 bits
    ],
)
async def test_a_weak_secret_is_found(tmp_path: Path, given: str, level: Level) -> None:
    af = await Authfactor.open(settings_for(tmp_path))
    await enroll(af, given)
    await af.close()
    assert only_failed(await examine_installation(tmp_path), "strength").level is level


async def test_factors_of_one_user_with_the_same_secret_are_found(tmp_path: Path, secret: bytes) -> None:
    af = await Authfactor.open(settings_for(tmp_path))
    await enroll(af, base32.encode(secret), "lee@example.org")
    (environment, *_) = await af.read(lambda tx: tx.environments.all())
    number = environment.number
    (factor, *_) = await af.read(lambda tx: tx.diagnostics.secrets(-1, "", 1))
    stored = await af.read(lambda tx: tx.factors.by_id(number, factor.id))
    assert stored is not None
    # As an older release enrolled it; one more without a user, for which the user's app has no entry.
    for copy_id, user_id in (("auth_factor_copy", stored.user_id), ("auth_factor_other", None)):
        sealed = af.vault.seal(secret + b"\0", secret_row(number, copy_id))
        row = msgspec.structs.replace(stored, id=copy_id, user_id=user_id, secret=sealed)
        await af.run(lambda tx, row=row: tx.factors.insert(number, row))  # type: ignore[misc]  # bound now
    await af.close()
    finding = only_failed(await examine_installation(tmp_path), "duplicates")
    assert finding.level is Level.WARNING
    assert finding.text.startswith("1 factors have the secret of an older factor of their user")
    assert "auth_factor_copy" in finding.text


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
async def test_a_plaintext_secret_is_found_in_every_encoding(
    tmp_path: Path, secret: bytes, write: Callable[[bytes], bytes]
) -> None:
    left = tmp_path / "export.csv"
    left.write_bytes(b"x" * 5000 + write(secret) + os.urandom(5000))
    finding = only_failed(await examine_installation(tmp_path, left), "seeds")
    assert finding.level is Level.PROBLEM
    assert str(left) in finding.text
    assert base32.encode(secret) not in repr(finding)


async def test_a_backup_with_encrypted_secrets_passes(tmp_path: Path, secret: bytes) -> None:
    copy = tmp_path / "backup.db"
    shutil.copyfile(settings_for(tmp_path).data / "authfactor.db", copy)
    assert all(finding.level is Level.OK for finding in await examine_installation(tmp_path, copy))


async def test_a_clock_that_was_set_back_is_found(tmp_path: Path, secret: bytes) -> None:
    finding = only_failed(await examine_installation(tmp_path, at=lambda: system_clock() - HOUR), "clock")
    assert "in the future" in finding.text


@pytest.mark.parametrize(
    ("difference", "level"),
    [(0, Level.OK), (900, Level.OK), (-1_900, Level.OK), (2_500, Level.OK), (3_500, Level.WARNING),
     (-2_500, Level.WARNING), (16_500, Level.PROBLEM), (-16_000, Level.PROBLEM)],
)  # fmt: skip
def test_clocks_are_compared_at_the_precision_of_a_date_header(difference: int, level: Level) -> None:
    assert judge("the server", NOW + difference, NOW, grain=1000).level is level


async def test_an_unreachable_server_url_is_a_warning(tmp_path: Path, secret: bytes) -> None:
    assert (
        only_failed(await examine_installation(tmp_path, url="http://127.0.0.1:1/"), "clock").level
        is Level.WARNING
    )


async def test_overdue_webhook_deliveries_are_found(tmp_path: Path, secret: bytes) -> None:
    with contextlib.closing(sqlite3.connect(settings_for(tmp_path).data / "authfactor.db")) as database:
        database.execute(
            "INSERT INTO deliveries (environment, id, endpoint_id, event_id, state, attempts, due_at,"
            " created_at, updated_at) SELECT number, 'd', 'we_1', 'e', 'pending', 3, ?1, ?1, ?1"
            " FROM environments",
            (NOW - 5 * HOUR,),
        )
        database.commit()
    finding = only_failed(await examine_installation(tmp_path), "webhooks")
    assert finding.text == "1 deliveries to we_1 pending, oldest for 5 h"


async def test_an_older_and_a_newer_schema_are_found(tmp_path: Path, secret: bytes) -> None:
    for version, advice in (("0000", "authfactor migrate"), ("9999", "newer")):
        with contextlib.closing(sqlite3.connect(settings_for(tmp_path).data / "authfactor.db")) as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (version,))
            database.commit()
        finding = only_failed(await examine_installation(tmp_path), "schema")
        assert advice in finding.text + finding.advice


async def test_a_damaged_database_is_a_problem_without_a_traceback(tmp_path: Path, secret: bytes) -> None:
    path = settings_for(tmp_path).data / "authfactor.db"
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    found = await examine_installation(tmp_path)
    assert any(finding.level is Level.PROBLEM for finding in found)


def test_doctor_exit_code_reports_problems(tmp_path: Path) -> None:
    async def create() -> None:
        af = await Authfactor.open(settings_for(tmp_path))
        await af.close()

    asyncio.run(create())
    program = str(Path(sys.prefix) / "bin" / "authfactor")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AUTHFACTOR_")}
    environment["AUTHFACTOR_CONSOLE"] = "false"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [program, "--data", str(settings_for(tmp_path).data), *words]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    sound = run("doctor")
    assert (sound.returncode, sound.stderr) == (0, "")
    assert sound.stdout.splitlines()[-1].startswith("problems: 0, warnings: 0, ok: ")
    (settings_for(tmp_path).data / "keys").chmod(0o644)
    failing = run("--json", "doctor")
    assert failing.returncode == 8
    levels = {(finding["check"], finding["level"]) for finding in json.loads(failing.stdout)["findings"]}
    assert {("files", "problem"), ("keys", "problem")} <= levels


async def set_sender(folder: Path) -> None:
    af = await Authfactor.open(settings_for(folder))
    try:
        environment = (await af.read(lambda tx: tx.environments.all()))[0]
        request = SetMailSender(kind="webhook", webhook=SetMessageWebhook("https://app.example.org/mail"))
        await af.run(af.senders.set(environment, request))
    finally:
        await af.close()


async def test_messages_that_keep_failing_are_found(tmp_path: Path, secret: bytes) -> None:
    await set_sender(tmp_path)
    (finding,) = [each for each in await examine_installation(tmp_path) if each.check == "messages"]
    assert finding.level is Level.OK
    with contextlib.closing(sqlite3.connect(settings_for(tmp_path).data / "authfactor.db")) as database:
        database.execute(
            "INSERT INTO messages (environment, id, channel, kind, recipient, locale, state, attempts,"
            " due_at, expires_at, last_error, created_at, updated_at)"
            " SELECT number, 'm', 'mail', 'magic_auth',"
            " 'a@example.com', 'en', 'pending', 5, 1, 1, 'the server cannot be reached', 1, 1"
            " FROM environments"
        )
        database.commit()
    finding = only_failed(await examine_installation(tmp_path), "messages")
    assert finding.text == "1 messages of 'default' keep failing: the server cannot be reached"
    assert "senders mail test" in finding.advice


async def test_sender_that_does_not_open_is_found(tmp_path: Path, secret: bytes) -> None:
    await set_sender(tmp_path)
    with contextlib.closing(sqlite3.connect(settings_for(tmp_path).data / "authfactor.db")) as database:
        database.execute("UPDATE senders SET settings = 'v1:000000:AAAA'")
        database.commit()
    finding = only_failed(await examine_installation(tmp_path), "messages")
    assert "cannot be unsealed" in finding.text
