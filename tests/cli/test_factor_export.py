"""`authfactor export`: what is written can be imported again, and nothing is written unasked."""

import json
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from authfactor.otp import totp
from tests.cli.test_command_line import CommandResult, run
from tests.cli.test_factor_import import user_id
from tests.support.factor_files import SAMPLES, read, secrets, summary
from tests.support.skip_or_fail import skip_or_fail

REASON: Final = ("--reason", "moving out", "--yes")
FORMATS: Final = ("otpauth", "pskc", "json")
A, B = bytes(range(20)), bytes(range(32))
BASE32, BASE64 = b"AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT", b"AAECAwQFBgcICQoLDA0ODxAREhM="


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "data"
    assert run(folder, "import", str(SAMPLES / "kratos.json"), "--create-users").returncode == 8
    assert run(folder, "users", "create", "sam@example.org").returncode == 0
    assert run(folder, "import", str(SAMPLES / "kratos.json"), "--create-users").returncode == 0
    # A pending factor is not exported.
    sam = user_id(folder, "sam@example.org")
    assert run(folder, "factors", "enroll", sam).returncode == 0
    return folder


@pytest.fixture
def passphrase(tmp_path: Path) -> str:
    file = tmp_path / "passphrase"
    file.write_text("correct horse\n")
    return str(file)


def export(data: Path, *arguments: str) -> CommandResult:
    return run(data, "export", *arguments, *REASON)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("plain", [True, False])
def test_export_is_imported_again_with_the_same_secrets_and_profiles(
    data: Path, tmp_path: Path, passphrase: str, form: str, *, plain: bool
) -> None:
    file = tmp_path / "export"
    how = ("--plain",) if plain else ("--passphrase-file", passphrase)
    done = export(data, "--all", "--format", form, "--to", str(file), *how)
    assert (done.returncode, done.stderr) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    found = read(content, passphrase=None if plain else "correct horse")[1]
    assert secrets(found) == [A, B]
    assert [each[1:4] for each in summary(found)] == [("SHA1", 6, 30), ("SHA256", 8, 60)]
    written = {"otpauth": BASE32, "json": BASE32, "pskc": BASE64}[form]
    assert (written in content) == plain
    assert A not in content
    # Another installation takes it over; this one has all of it.
    other = tmp_path / "other"
    run(other, "environments", "create", "default2")
    for folder, options, expected in ((data, (), (0, 2)), (other, ("--create-users",), (2, 0))):
        more = ("--environment", "default2") if folder == other else ()
        arguments = (*more, "--json", "import", str(file), *options)
        if not plain:
            arguments += ("--passphrase-file", passphrase)
        result = json.loads(run(folder, *arguments).stdout)
        assert (result["imported"], result["exists"]) == expected


def test_json_has_users_without_factors_hashes_and_digests_of_recovery_codes(
    data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "export"
    assert export(data, "--all", "--format", "json", "--to", str(file), "--plain").returncode == 0
    head, *users = [json.loads(line) for line in file.read_text().splitlines()]
    assert (head["authfactor_export"], head["environment"]) == (1, "default")
    by_email: dict[str, Any] = {user["email"]: user for user in users}
    assert set(by_email) == {"kim@example.org", "lee@example.org", "sam@example.org"}
    assert [len(code["digest"]) for code in by_email["kim@example.org"]["recovery_codes"]] == [64, 64]
    assert by_email["sam@example.org"]["factors"] == []
    assert "ab3d5f7h" not in file.read_text()


def test_one_user_is_exported_by_id_or_email(data: Path, tmp_path: Path) -> None:
    kim = user_id(data, "kim@example.org")
    for number, user in enumerate((kim, "KIM@example.org")):
        file = tmp_path / f"export{number}"
        assert (
            export(data, "--user", user, "--format", "otpauth", "--to", str(file), "--plain").returncode == 0
        )
        assert secrets(read(file.read_bytes())[1]) == [A]
    for user in ("user_01", "unknown@example.org"):
        file = tmp_path / "nothing"
        refused = export(data, "--user", user, "--format", "otpauth", "--to", str(file), "--plain")
        assert refused.returncode == 4
        # A file that failed is not left behind.
        assert not file.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--plain",),
        ("--all", "--user", "kim@example.org", "--plain"),
        ("--all",),
        ("--all", "--plain", "--passphrase-file", "x"),
        ("--all", "--plain", "--reason", " "),
    ],
)
def test_export_that_does_not_say_whose_or_how_is_refused(
    data: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    file = tmp_path / "export"
    refused = run(data, "export", *REASON, "--format", "json", "--to", str(file), *arguments)
    assert refused.returncode == 2
    assert not file.exists()


def test_export_needs_a_reason_and_a_confirmation(data: Path, tmp_path: Path) -> None:
    chosen = ("export", "--all", "--plain", "--format", "json", "--to", str(tmp_path / "export"))
    assert "Missing option '--reason'" in run(data, *chosen).stderr
    asked = run(data, *chosen, "--reason", "moving out")
    assert asked.returncode == 1
    assert "WITHOUT ENCRYPTION" in asked.stdout
    assert not (tmp_path / "export").exists()


def test_file_that_exists_is_never_replaced(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "export"
    file.write_text("mine")
    assert export(data, "--all", "--plain", "--format", "json", "--to", str(file)).returncode == 1
    assert file.read_text() == "mine"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    assert export(data, "--all", "--plain", "--format", "json", "--to", str(link)).returncode == 1
    assert not (tmp_path / "elsewhere").exists()


def test_every_export_is_in_the_audit_log_with_its_reason(data: Path, tmp_path: Path) -> None:
    export(data, "--all", "--plain", "--format", "json", "--to", str(tmp_path / "export"))
    entries = [json.loads(line) for line in run(data, "audit", "export").stdout.splitlines()]
    found = [(each["target"], each["reason"]) for each in entries if each["action"] == "factors.export"]
    assert ("all users (json)", "moving out") in found


def test_export_without_the_key_ring_is_refused(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    (copy / "keys").unlink()
    file = tmp_path / "export"
    refused = export(copy, "--all", "--plain", "--format", "json", "--to", str(file))
    assert refused.returncode == 8
    assert not file.exists()


@pytest.mark.parametrize("cut", [1, 20, 100, 200])
def test_sealed_export_that_is_damaged_or_cut_off_is_refused(
    data: Path, tmp_path: Path, passphrase: str, cut: int
) -> None:
    file = tmp_path / "export"
    export(data, "--all", "--format", "json", "--to", str(file), "--passphrase-file", passphrase)
    file.write_bytes(file.read_bytes()[:-cut])
    assert run(data, "import", str(file), "--passphrase-file", passphrase).returncode == 2


def test_oathtool_makes_the_codes_of_exported_secrets(data: Path, tmp_path: Path) -> None:
    oathtool = shutil.which("oathtool")
    if oathtool is None:
        skip_or_fail("oathtool is not installed")
    file = tmp_path / "export"
    export(data, "--all", "--plain", "--format", "json", "--to", str(file))
    users = [json.loads(line) for line in file.read_text().splitlines()[1:]]
    factors = [factor for user in users for factor in user["factors"]]
    assert len(factors) == 2
    for factor, secret in zip(factors, (A, B), strict=True):
        profile = totp.CodeProfile(factor["algorithm"], factor["digits"], factor["period"])
        command = [
            str(oathtool), f"--totp={profile.algorithm}", "--base32", f"--digits={profile.digits}",
            f"--time-step-size={profile.period}s", "--now=2026-11-30 12:00:00 UTC", factor["secret"],
        ]  # fmt: skip
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert shown == totp.code_at(secret, totp.step_at(1_796_040_000, profile.period), profile)
