"""`authfactor factors passkeys`, and what the other commands tell of a passkey."""

import json
import secrets
from pathlib import Path

from authfactor import Client
from authfactor.testing.software_authenticator import SoftwareAuthenticator
from tests.cli.test_recovery_codes import read, run

ORIGIN = "http://localhost"


def test_passkeys_are_listed_renamed_and_deleted(tmp_path: Path) -> None:
    data, given = tmp_path / "data", tmp_path / "webauthn.json"
    user = read(data, "users", "create", "kim@example.org")["id"]
    assert "No passkeys." in run(data, "factors", "passkeys", user).stdout
    given.write_text(json.dumps({"rp_id": "localhost", "origins": [ORIGIN]}))
    changed = run(data, "environments", "update", "default", "--webauthn-file", str(given))
    assert changed.returncode == 0, changed.stdout + changed.stderr
    device = SoftwareAuthenticator(secrets.token_bytes)
    with Client(data=data) as client:
        begun = client.mfa.begin_passkey_registration(user)
        credential = device.create(begun.public_key, ORIGIN)
        made = client.mfa.finish_passkey_registration(user, begun.id, credential)
    assert read(data, "factors", "list", user)["data"] == []
    renamed = read(data, "factors", "rename", made.id, "Work laptop")
    assert (renamed["name"], renamed["webauthn"]["name"]) == ("Work laptop", "Work laptop")
    (listed,) = read(data, "factors", "passkeys", user)["data"]
    assert (listed["id"], listed["webauthn"]["name"]) == (made.id, "Work laptop")
    shown = run(data, "factors", "passkeys", user).stdout
    for text in (made.id, "Work laptop", "00000000-0000", "active", "never"):
        assert text in shown
    got = run(data, "factors", "get", made.id).stdout
    assert "webauthn" in got
    assert "last code" not in got
    assert read(data, "factors", "delete", made.id, "--yes")["deleted"] is True
    assert read(data, "factors", "passkeys", user)["data"] == []
