"""`authfactor config`: values and their origins, and whether a server could start."""

import json
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import pytest

from authfactor.settings import Settings
from tests.support.server_process import command_line

SECRET = "hunter2hunter2"


def run_json(*arguments: str, **environment: str) -> dict[str, Any]:
    done = command_line("--json", *arguments, **environment)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def one_line(done: "subprocess.CompletedProcess[str]", code: int) -> str:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_config_show_prints_every_origin_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('lock_after = 5\nlog_level = "error"\n')
    found = run_json(
        *("--config", str(file), "--data", str(tmp_path), "config", "show"),
        AUTHFACTOR_METRICS_TOKEN=SECRET,
        AUTHFACTOR_DATABASE_URL=f"postgresql://a:{SECRET}@db/a",
        AUTHFACTOR_LOG_LEVEL="warning",
    )

    assert set(found) == {item.name for item in fields(Settings)}
    assert found["lock_after"] | {"value": 5, "origin": str(file)} == found["lock_after"]
    assert found["log_level"] | {"value": "warning", "origin": "AUTHFACTOR_LOG_LEVEL"} == found["log_level"]
    assert found["data"] | {"value": str(tmp_path), "origin": "command line"} == found["data"]
    assert found["metrics_token"]["value"] == found["database_url"]["value"] == "***"


def test_config_show_changed_prints_only_changed_settings(tmp_path: Path) -> None:
    done = command_line(
        "config", "show", "--changed", AUTHFACTOR_LOCK_AFTER="7", AUTHFACTOR_METRICS_TOKEN=SECRET
    )

    assert done.returncode == 0, done.stderr
    assert "lock_after" in done.stdout
    assert "AUTHFACTOR_LOCK_AFTER" in done.stdout
    assert "lock_time" not in done.stdout
    assert SECRET not in done.stdout


def test_a_variable_can_name_the_configuration_file(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("lock_after = 5\n")

    assert run_json("config", "show", AUTHFACTOR_CONFIG=str(file))["lock_after"]["value"] == 5


def test_config_check_lists_what_a_first_start_creates(tmp_path: Path) -> None:
    found = run_json("--data", str(tmp_path / "data"), "config", "check")

    assert found["settings"] == "valid"
    assert found["key ring"].startswith("will be created")
    assert found["database"].startswith("will be created")
    assert not (tmp_path / "data").exists(), "a check changes nothing"


def test_config_check_finds_key_ring_and_schema(tmp_path: Path) -> None:
    assert command_line("--data", str(tmp_path), "keys", "create").returncode == 0

    found = run_json("--data", str(tmp_path), "config", "check")

    assert found["key ring"].startswith("readable")
    assert found["database"].startswith("has schema")


PUBLIC: Final = {
    "AUTHFACTOR_BASE_URL": "https://mfa.example.org",
    "AUTHFACTOR_TRUSTED_PROXIES": "10.0.0.1",
}
DOUBTFUL: Final[list[tuple[dict[str, str], str, str]]] = [
    ({"AUTHFACTOR_HOST": "::"}, "AUTHFACTOR_BASE_URL is not set", "Set it to the server's https URL"),
    ({"AUTHFACTOR_BASE_URL": "http://mfa.example.org"}, "unencrypted", "Set it to an https URL"),
    (
        {"AUTHFACTOR_BASE_URL": "https://mfa.example.org"},
        "a proxy must be in front",
        "Set AUTHFACTOR_TRUSTED_PROXIES",
    ),
    ({**PUBLIC, "AUTHFACTOR_DOCS_TRY": "true"}, "AUTHFACTOR_DOCS_TRY", "Turn it off"),
    (
        {**PUBLIC, "AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true"},
        "into its own network",
        "Turn it off unless",
    ),
    (
        {"AUTHFACTOR_METRICS_HOST": "192.0.2.1", "AUTHFACTOR_METRICS_PORT": "9000"},
        "The metrics port 9000 listens on 192.0.2.1 without a token",
        "AUTHFACTOR_METRICS_TOKEN",
    ),
    ({"AUTHFACTOR_WINDOW": "2"}, "AUTHFACTOR_WINDOW is 2", "Set AUTHFACTOR_FAILURES_PER_MONTH to 20"),
]


@pytest.mark.parametrize(("environment", "problem", "advice"), DOUBTFUL)
def test_config_check_warns_of_doubtful_settings_and_says_what_to_do(
    tmp_path: Path, environment: dict[str, str], problem: str, advice: str
) -> None:
    checked = command_line("--data", str(tmp_path), "config", "check", **environment)
    (line,) = [line for line in checked.stdout.splitlines() if line.startswith("warning: ")]
    assert problem in line
    assert advice in line
    assert checked.returncode == 0

    found = run_json("--data", str(tmp_path), "config", "check", **environment)
    assert found["warnings"] == [line.removeprefix("warning: ")]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        PUBLIC,
        {"AUTHFACTOR_DOCS_TRY": "true", "AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true"},
        {"AUTHFACTOR_WINDOW": "2", "AUTHFACTOR_FAILURES_PER_MONTH": "20"},
        {"AUTHFACTOR_METRICS_PORT": "9000"},
    ],
)
def test_config_check_does_not_warn_of_sound_settings(tmp_path: Path, environment: dict[str, str]) -> None:
    assert run_json("--data", str(tmp_path), "config", "check", **environment)["warnings"] == []


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"AUTHFACTOR_LOCK_AFTR": "1"}, "Did you mean AUTHFACTOR_LOCK_AFTER?"),
        ({"AUTHFACTOR_CONFIG": "/no/such.toml"}, "/no/such.toml cannot be read: No such file"),
        ({"AUTHFACTOR_TLS_CERT": "/no/such.pem"}, "set both or neither"),
        ({"AUTHFACTOR_WORKERS": "65"}, "must be at most 64"),
    ],
)
def test_a_wrong_setting_is_reported_in_one_line_with_exit_code_8(
    environment: dict[str, str], expected: str
) -> None:
    assert expected in one_line(command_line("config", "check", **environment), 8)


def test_config_check_reports_a_broken_key_ring(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("not a key ring\n")
    (tmp_path / "keys").chmod(0o600)

    assert str(tmp_path / "keys") in one_line(command_line("--data", str(tmp_path), "config", "check"), 8)


def test_config_check_reports_invalid_tls_files(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("not PEM\n")
    done = command_line(
        *("--data", str(tmp_path), "config", "check"),
        AUTHFACTOR_TLS_CERT=str(tmp_path / "cert.pem"),
        AUTHFACTOR_TLS_KEY=str(tmp_path / "key.pem"),
    )

    assert "cert.pem" in one_line(done, 8)
