"""Secrets of commands come from standard input, and `copy` names the key ring that the copy needs."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from authfactor.cli import app

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PASSWORD = "seven green bottles"


def run(data: Path, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["--data", str(data), *arguments], input=stdin, env={"COLUMNS": "300"})
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done.exit_code, done.stdout, done.stderr


def run_json(data: Path, *arguments: str, stdin: str = "") -> dict[str, Any]:
    code, out, err = run(data, "--json", *arguments, stdin=stdin)
    assert code == 0, out + err
    shape: dict[str, Any] = json.loads(out)
    return shape


@pytest.fixture
def user_id(tmp_path: Path) -> str:
    return str(run_json(tmp_path, "users", "create", "kim@example.org")["id"])


def test_a_factors_secret_and_code_can_come_from_standard_input(tmp_path: Path, user_id: str) -> None:
    enrolled = run_json(tmp_path, "factors", "enroll", user_id, "--secret", "-", stdin=f"{SECRET}\r\n")
    assert SECRET in json.dumps(enrolled)
    (factor,) = run_json(tmp_path, "factors", "list", user_id)["data"]
    challenge = run_json(tmp_path, "factors", "challenge", factor["id"])["id"]
    code, _, err = run(tmp_path, "factors", "verify", challenge, "-", stdin="000\n")
    assert code == 5, err


@pytest.mark.parametrize("command", ["create", "update"])
def test_a_password_can_come_from_standard_input(tmp_path: Path, user_id: str, command: str) -> None:
    target = user_id if command == "update" else "lee@example.org"
    weak = run(tmp_path, "users", command, target, "--password-stdin", stdin="1234\n")
    assert (weak[0], "password" in weak[2].lower()) == (2, True)
    assert run(tmp_path, "users", command, target, "--password-stdin", stdin=f"{PASSWORD}\n")[0] == 0


def test_an_empty_standard_input_is_refused(tmp_path: Path, user_id: str) -> None:
    for stdin in ("", "\n"):
        for arguments in (
            ("users", "update", user_id, "--password-stdin"),
            ("factors", "enroll", user_id, "--secret", "-"),
            ("copy", "--from", "sqlite:///x.db", "--to", "-"),
        ):
            code, _, err = run(tmp_path, *arguments, stdin=stdin)
            assert (code, "Standard input" in err) == (2, True), arguments


def secret_options(command: click.Command, path: str = "") -> list[str]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        names = {name: command.get_command(context, name) for name in command.list_commands(context)}
        return [
            found for name, each in names.items() if each for found in secret_options(each, f"{path} {name}")
        ]
    return [
        f"{path.strip()} {option}"
        for parameter in command.params
        for option in parameter.opts
        if any(word in option for word in ("secret", "password", "token", "code", "from", "to"))
        and not getattr(parameter, "is_flag", False)
    ]


def test_every_option_that_takes_a_secret_is_tested_here() -> None:
    expected = {"copy --from", "copy --to", "factors enroll --secret", "factors verify code"}
    assert expected <= set(secret_options(app))
    assert [name for name in secret_options(app) if "secret" in name or "password" in name] == [
        "environments update --password-reset-url",  # an address of a page, without a token
        "factors enroll --secret",
    ]


def test_copy_takes_urls_from_standard_input_and_names_the_true_key_ring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_id: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    source, target = tmp_path / "authfactor.db", tmp_path / "copied.db"
    code, out, err = run(
        elsewhere / ".authfactor",
        *("copy", "--from", "-", "--to", "-"),
        stdin=f"sqlite:///{source}\nsqlite:///{target}\n",
    )
    assert code == 0, err
    assert f"AUTHFACTOR_KEYS={tmp_path / 'keys'}\n" in out
    assert target.exists()
    assert list(elsewhere.iterdir()) == []


def test_copy_says_when_the_key_ring_is_not_where_it_looked(tmp_path: Path, user_id: str) -> None:
    run_json(tmp_path, "factors", "enroll", user_id)
    (tmp_path / "keys").rename(tmp_path / "moved-keys")
    databases = [f"sqlite:///{tmp_path / name}" for name in ("authfactor.db", "copied.db")]
    code, out, err = run(tmp_path / "nothing", "copy", "--from", databases[0], "--to", databases[1])
    assert code == 0, err
    assert "AUTHFACTOR_KEYS=…, the source's key ring. It is not" in out
    assert f"AUTHFACTOR_KEYS={tmp_path}" not in out
