"""The page docs/how-to/move-an-authkit-application.md: its commands, run as written."""

import json
import re
import shlex
from pathlib import Path

from authfactor.http.api import unserved
from tests.cli.test_command_line import run

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "move-an-authkit-application.md"


def test_commands_of_the_page_prepare_an_environment(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run(data, "users", "create", "kim@example.org").returncode == 0
    blocks = re.findall(r"^```\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert len(commands) == 7
    for program, *words in commands:
        assert program == "authfactor"
        done = run(data, *words)
        assert done.returncode == 0, (words, done.stderr)
    uris = json.loads(run(data, "--json", "redirect-uris", "list").stdout)["data"]
    assert [(item["uri"], item["default"]) for item in uris] == [
        ("https://pr-*.preview.example.org/callback", False),
        ("https://app.example.org/callback", True),
    ]
    (environment,) = json.loads(run(data, "--json", "environments", "list").stdout)
    assert environment["production"] is True
    assert environment["sign_in_url"] == "https://app.example.org/sign-in"
    refused = run(data, "redirect-uris", "add", "http://app.example.org/callback")
    assert refused.returncode != 0
    assert "https in production" in refused.stderr


def test_served_operations_are_not_listed_as_missing() -> None:
    missing = {path for _, path in unserved.OPERATIONS}
    assert not [path for path in missing if "redirect_uris" in path or "cors_origins" in path]
    assert "/user_management/authorize" not in missing
