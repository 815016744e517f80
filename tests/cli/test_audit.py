"""`authfactor audit`: verification of the database and of exported files."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.test_command_line import assert_one_line, run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name in ("one", "two", "three"):
        assert run(folder, "keys", "create", "--name", name).returncode == 0
    return folder


def exported(data: Path) -> Path:
    file = data.parent / "audit.jsonl"
    file.write_text(run(data, "audit", "export").stdout, encoding="utf-8")
    return file


def change(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(data / "authfactor.db", isolation_level=None)) as connection:
        connection.execute(statement)


def test_expect_detects_a_truncated_audit_log(data: Path) -> None:
    checked = run(data, "audit", "verify")
    assert (checked.returncode, "3 entries, intact" in checked.stdout) == (0, True)
    [line] = re.findall(r"audit_\d{15}:[0-9a-f]{64}", checked.stdout)
    assert run(data, "audit", "verify", "--expect", line).returncode == 0
    change(data, "DELETE FROM audit WHERE id = 'audit_000000000000003'")
    assert run(data, "audit", "verify").returncode == 0
    cut = run(data, "audit", "verify", "--expect", line)
    assert (cut.returncode, "cut off" in cut.stdout) == (5, True)


def test_verify_names_the_first_changed_entry(data: Path) -> None:
    change(data, "UPDATE audit SET target = 'x' WHERE id = 'audit_000000000000002'")
    checked = run(data, "--json", "audit", "verify")
    assert checked.returncode == 5
    report = json.loads(checked.stdout)
    assert (report["intact"], report["broken_at"]) == (False, "audit_000000000000002")


def test_an_export_is_verified_offline_and_its_signatures_with_keys(data: Path) -> None:
    file = exported(data)
    nowhere = data.parent / "nowhere"
    alone = run(nowhere, "--json", "audit", "verify", "--file", str(file))
    assert (alone.returncode, json.loads(alone.stdout)["signatures_checked"]) == (0, False)
    assert not nowhere.exists()
    signed = file.read_text(encoding="utf-8")
    # Only the signature is forged: verification without the keys cannot detect it.
    last = json.loads(signed.splitlines()[-1])
    forged = signed.replace(last["signature"], "00" * 32)
    file.write_text(forged, encoding="utf-8")
    assert run(nowhere, "audit", "verify", "--file", str(file)).returncode == 0
    keyed = run(data, "audit", "verify", "--file", str(file), "--with-keys")
    assert (keyed.returncode, "signature is wrong" in keyed.stdout) == (5, True)
    file.write_text(signed, encoding="utf-8")
    assert run(data, "audit", "verify", "--file", str(file), "--with-keys").returncode == 0
    file.write_text(signed.replace('"api_key.create"', '"api_key.revoke"', 1), encoding="utf-8")
    assert run(nowhere, "audit", "verify", "--file", str(file)).returncode == 5


def test_an_export_resumes_after_an_entry_and_filters(data: Path) -> None:
    whole = exported(data).read_text(encoding="utf-8").splitlines()
    rest = run(data, "audit", "export", "--since", "audit_000000000000001").stdout.splitlines()
    assert rest == whole[1:]
    target = json.loads(whole[1])["target"]
    assert run(data, "audit", "export", "--target", target).stdout.splitlines() == [whole[1]]
    assert run(data, "audit", "export", "--action", "user.delete").stdout == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("verify", "--expect", "audit_000000000000001:xyz"), "--expect"),
        (("verify", "--with-keys"), "--file"),
        (("verify", "--file", "/nowhere/audit.jsonl"), "No such file"),
        (("export", "--since", "audit_000000000000009"), "audit_000000000000009"),
    ],
)
def test_invalid_audit_options_are_reported_in_one_line(
    data: Path, words: tuple[str, ...], message: str
) -> None:
    done = run(data, "audit", *words)
    assert done.returncode not in {0, 5}
    assert_one_line(done.stderr, message)


def test_verify_refuses_a_file_that_is_not_an_export(data: Path) -> None:
    file = data.parent / "no.jsonl"
    file.write_text('{"object":"user"}\n', encoding="utf-8")
    done = run(data, "audit", "verify", "--file", str(file))
    assert done.returncode not in {0, 5}
    assert_one_line(done.stderr, "Line 1")
