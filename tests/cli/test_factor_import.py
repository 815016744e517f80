"""`authfactor import`: options, report, repetition; secrets appear nowhere."""

import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

from authfactor.otp import base32
from tests.cli.test_command_line import CommandResult, run
from tests.support.factor_files import SAMPLES, sample
from tests.support.server_process import clean_environment

SECRET: Final = base32.encode(bytes(range(20)))
SAMPLE: Final = str(SAMPLES / "otpauth.txt")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for email in ("kim@example.org", "lee@example.org"):
        assert run(folder, "users", "create", email).returncode == 0
    return folder


def read(result: CommandResult, exit_code: int = 0) -> dict[str, Any]:
    assert result.returncode == exit_code, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def counts(found: dict[str, Any]) -> tuple[int, ...]:
    return tuple(found[status] for status in ("imported", "exists", "user_unknown", "refused"))


def user_id(data: Path, email: str) -> str:
    users = json.loads(run(data, "--json", "users", "list").stdout)["data"]
    return str(next(user["id"] for user in users if user["email"] == email))


def actions(data: Path) -> list[tuple[str, str, str | None]]:
    lines = run(data, "audit", "export").stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    return [
        (each["action"], each["target"], each["reason"]) for each in entries if "import" in each["action"]
    ]


def test_file_is_imported_once_and_a_second_run_says_so(data: Path) -> None:
    first = read(run(data, "--json", "import", SAMPLE, "--reason", "ticket 7"), 5)
    assert (first["format"], counts(first)) == ("otpauth", (2, 0, 0, 5))
    assert first["problems"][0] == {
        "at": "line 5",
        "status": "refused",
        "reason": "profile_not_supported: digits=7",
    }
    assert counts(read(run(data, "--json", "import", SAMPLE), 5)) == (0, 2, 0, 5)
    # The run that imported nothing changed nothing.
    assert actions(data) == [("factors.import", "2 factors (otpauth)", "ticket 7")]


def test_dry_run_tells_the_same_and_changes_nothing(data: Path) -> None:
    shown = run(data, "import", SAMPLE, "--dry-run")
    assert shown.returncode == 5
    assert "Would import 2 factors" in shown.stdout
    assert "line 5: profile_not_supported: digits=7" in shown.stdout
    assert actions(data) == []
    assert counts(read(run(data, "--json", "import", SAMPLE), 5)) == (2, 0, 0, 5)


def test_report_has_every_entry_and_only_its_owner_reads_it(data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    run(data, "import", SAMPLE, "--report", str(report))
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(report.read_text())))
    assert [(row["at"], row["status"]) for row in rows[:3]] == [
        ("line 2", "imported"),
        ("line 3", "imported"),
        ("line 5", "refused"),
    ]
    assert rows[0]["user_id"].startswith("user_")
    assert rows[0]["factor_id"].startswith("auth_factor_")


def test_no_secret_is_in_report_output_audit_log_or_database(data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    shown = [run(data, *more, "import", SAMPLE, "--report", str(report)) for more in ((), ("--json",))]
    text = "".join(each.stdout + each.stderr for each in shown) + report.read_text()
    text += run(data, "audit", "export").stdout
    stored = b"".join(file.read_bytes() for file in data.iterdir())
    for secret in (SECRET, bytes(range(20)).hex()):
        assert secret not in text
        assert secret.encode() not in stored
    assert bytes(range(20)) not in stored


def test_standard_input_is_read_so_that_no_secret_is_on_disk_or_in_a_process_list(data: Path) -> None:
    command = [sys.executable, "-m", "authfactor", "--data", str(data), "--json", "import", "-"]
    done = subprocess.run(
        command, input=sample("otpauth.txt"), env=clean_environment(), capture_output=True, check=False
    )
    assert counts(json.loads(done.stdout)) == (2, 0, 0, 5)
    # There is no option that takes a secret or a passphrase itself.
    shown = run(data, "import", "--help").stdout
    assert "--passphrase-file" in shown
    assert "--passphrase " not in shown


def test_names_are_matched_by_external_id_account_or_a_table(data: Path, tmp_path: Path) -> None:
    oath = str(SAMPLES / "oath-version-2.csv")
    assert counts(read(run(data, "--json", "import", oath), 5)) == (0, 0, 2, 0)
    assert counts(read(run(data, "--json", "import", oath, "--match", "external_id"), 5)) == (0, 0, 2, 0)
    table = tmp_path / "table.csv"
    table.write_text("TOK001,kim@example.org\nTOK009,lee@example.org\n\n")
    by_table = ("--match", "account", "--map", str(table))
    found = read(run(data, "--json", "import", oath, *by_table), 5)
    assert counts(found) == (1, 0, 1, 0)
    assert found["problems"] == [{"at": "line 3", "status": "user_unknown", "reason": "not_in_map"}]
    lee = user_id(data, "lee@example.org")
    table.write_text(f"TOK001,kim@example.org\nTOK002,{lee}\n")
    assert counts(read(run(data, "--json", "import", oath, *by_table))) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    "text", ["one\n", "a,b,c\n", "a,\n", "a,b\na,c\n", 'a,"b\n', "a,\x1b\n", "\xff"], ids=ascii
)
def test_table_that_is_not_clear_is_refused(data: Path, tmp_path: Path, text: str) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(text.encode("latin-1"))
    refused = run(data, "import", SAMPLE, "--map", str(table))
    assert refused.returncode == 2
    assert "table" in refused.stderr


def test_unknown_users_are_created_only_on_request(data: Path) -> None:
    file = str(SAMPLES / "keycloak.json")
    run(data, "users", "delete", user_id(data, "lee@example.org"), "--yes")
    assert counts(read(run(data, "--json", "import", file), 5)) == (1, 0, 1, 2)
    assert counts(read(run(data, "--json", "import", file, "--create-users"), 5)) == (1, 1, 0, 2)
    assert user_id(data, "lee@example.org")


def test_recovery_codes_of_kratos_come_along_for_users_without_a_set(data: Path) -> None:
    file = str(SAMPLES / "kratos.json")
    assert counts(read(run(data, "--json", "import", file))) == (2, 0, 0, 0)
    kim = user_id(data, "kim@example.org")
    assert json.loads(run(data, "--json", "recovery-codes", "count", kim).stdout)["remaining"] == 2
    assert [action for action, _, _ in actions(data)] == ["factors.import", "recovery_codes.import"]
    # They were used up or deleted since: no second run brings them back.
    run(data, "recovery-codes", "delete", kim, "--yes")
    read(run(data, "--json", "import", file))
    assert json.loads(run(data, "--json", "recovery-codes", "count", kim).stdout)["total"] == 0


def test_encrypted_file_needs_its_passphrase(data: Path, tmp_path: Path) -> None:
    file, passphrase = str(SAMPLES / "pskc-passphrase.xml"), tmp_path / "passphrase"
    table = tmp_path / "table.csv"
    table.write_text("987654321,kim@example.org\n")
    chosen = ("import", file, "--match", "account", "--map", str(table))
    assert "Give its passphrase" in run(data, *chosen).stderr
    for text, problem in (("\n", "no passphrase"), ("wrong\n", "wrong")):
        passphrase.write_text(text)
        refused = run(data, *chosen, "--passphrase-file", str(passphrase))
        assert refused.returncode in (2, 5)
        assert problem in refused.stderr + refused.stdout
    passphrase.write_text("qwerty\n")
    found = read(run(data, "--json", *chosen, "--passphrase-file", str(passphrase)))
    assert counts(found) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (sample("yubico.csv"), "Yubico CSV"),
        (b"hello", "format of the file is not known"),
        (b"", "empty"),
        (b"# nothing\notpauth://", "There is no factor in the file"),
        (b'[{"email":"kim@example.org"}]', "There is no factor in the file"),
    ],
)
def test_file_without_factors_is_an_error_in_one_line(
    data: Path, tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    refused = run(data, "import", str(file))
    if b"otpauth" in content:
        assert refused.returncode == 5
        return
    assert refused.returncode == 2
    assert problem in refused.stderr
    assert "Traceback" not in refused.stderr


def test_missing_file_and_unknown_format_are_errors_in_one_line(data: Path) -> None:
    assert run(data, "import", "nowhere.json").returncode == 1
    refused = run(data, "import", SAMPLE, "--format", "other")
    assert refused.returncode == 2
    assert "'other' is not one of 'auto', 'otpauth'" in refused.stderr


def test_long_list_of_problems_is_cut_with_a_hint(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    rows = [f"user{number}@example.com,{SECRET}" for number in range(30)]
    file.write_text("email,totp_secret\n" + "\n".join(rows))
    shown = run(data, "import", str(file))
    assert "30 have no known user." in shown.stdout
    assert "and 10 more. --report FILE" in shown.stdout


def test_run_that_is_killed_half_way_is_finished_by_the_next(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "many.csv"
    assert run(data, "environments", "create", "shop").returncode == 0
    count = 20_000
    rows = (
        f"user{number}@example.com,{base32.encode(number.to_bytes(20, 'big'))}" for number in range(count)
    )
    file.write_text("email,totp_secret\n" + "\n".join(rows))
    chosen = ["--environment", "shop", "--json", "import", str(file), "--create-users"]
    command = [sys.executable, "-m", "authfactor", "--data", str(data), *chosen]
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE) as process:
        database = data / "authfactor.db-wal"
        deadline = time.monotonic() + 60
        while not (database.exists() and database.stat().st_size > 1_000_000) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    first = read(run(data, *chosen))
    assert first["imported"] + first["exists"] == count
    assert 0 < first["exists"] < count
    assert counts(read(run(data, *chosen))) == (0, count, 0, 0)
