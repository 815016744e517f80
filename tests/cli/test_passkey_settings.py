"""`authfactor environments update --webauthn-file`."""

import json
from pathlib import Path

from tests.cli.test_recovery_codes import run


def test_settings_of_passkeys_are_read_from_a_file_and_checked(tmp_path: Path) -> None:
    data, given = tmp_path / "data", tmp_path / "webauthn.json"
    assert run(data, "users", "create", "kim@example.org").returncode == 0
    settings = {"rp_id": "example.org", "origins": ["https://app.example.org"]}
    given.write_text(json.dumps(settings))
    command = ("environments", "update", "default", "--webauthn-file", str(given))
    done = run(data, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    given.write_text(json.dumps(settings | {"origins": ["http://app.example.org"]}))
    refused = run(data, *command)
    assert refused.returncode != 0
    assert "Passkeys need HTTPS" in refused.stdout + refused.stderr
    given.write_text("[]")
    refused = run(data, *command)
    assert refused.returncode != 0
    assert "is not a JSON object" in refused.stdout + refused.stderr
