"""The page docs/how-to/remember-this-device.md, its commands run as written, and `authfactor devices`."""

import json
import os
import time
from pathlib import Path
from typing import Any, Final

import pytest

from tests.reliability.test_trusted_devices_kill import sign_in, trust
from tests.support import documented_commands
from tests.support.server_process import API_KEY, Server, clean_environment, fields, running

PAGE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "remember-this-device.md"


@pytest.mark.timeout(120)
def test_commands_of_the_page_work_in_order(tmp_path: Path) -> None:
    blocks = documented_commands.blocks(PAGE)
    assert len(blocks) == 5
    with running(tmp_path / "data") as server, server.client() as client:
        assert server.run("environments", "update", "default", "--mfa-policy", "required").returncode == 0
        environment = {
            **clean_environment(AUTHFACTOR_DATA=str(server.data)),
            "BASE_URL": server.url,
            "API_KEY": API_KEY,
            "HOME": os.environ.get("HOME", "/"),
        }

        def run(*commands: str, **words: str) -> list[str]:
            shell = documented_commands.in_one_shell(list(commands), tmp_path, environment | words)
            return shell.outputs

        run(blocks[0])
        time.sleep(1)  # callers are cached
        body = {"email": "kim@example.org", "password": "seven green bottles"}
        user = fields(client.post("/user_management/users", json=body), 201)["id"]
        factor = {"type": "totp", "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}
        fields(client.post(f"/user_management/users/{user}/auth_factors", json=factor), 201)
        (made,) = run(blocks[1], SESSION_ID=sign_in(client, "kim@example.org"))
        device = json.loads(made)
        (rotated,) = run(blocks[2], DEVICE_TOKEN=device["token"])
        assert json.loads(rotated)["token"] != device["token"]
        (link,) = run(blocks[3].replace("USER_ID", user))
        assert "completed by" in link
        (revoked,) = run(blocks[4].replace("USER_ID", user).replace("DEVICE_ID", device["id"]))
        assert "Firefox on Linux" in revoked
        listed = client.get(f"/authfactor/users/{user}/trusted_devices")
        assert [each["status"] for each in fields(listed, 200)["data"]] == ["ended"]


def read(server: Server, *words: str) -> Any:  # noqa: ANN401 - JSON
    done = server.run("--json", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_devices_are_listed_and_revoked_with_an_audit_entry(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.client() as client:
        changed = read(server, "environments", "update", "default", "--trusted-devices", "allowed")
        assert (changed["trusted_devices"], changed["trusted_device_days"]) == ("allowed", 30)
        refused = server.run("environments", "update", "default", "--trusted-device-days", "91")
        assert refused.returncode == 2
        time.sleep(1)  # callers are cached
        (token,) = trust(client, "kim@example.org")
        user = read(server, "users", "list")["data"][0]["id"]
        (device,) = read(server, "devices", "list", user)["data"]
        assert device["status"] == "active"
        assert token not in server.run("devices", "list", user).stdout
        for words in ((), (device["id"], "--all")):
            assert server.run("devices", "revoke", user, *words, "--yes").returncode == 2
        assert server.run("devices", "revoke", user, "trusted_device_x", "--yes").returncode == 4
        asked = server.run("devices", "revoke", user, device["id"])
        assert asked.returncode == 1
        assert read(server, "devices", "list", user)["data"] == [device]
        told = read(server, "devices", "revoke", user, device["id"], "--yes", "--reason", "lost laptop")
        assert told == {"user_id": user, "device_id": device["id"], "revoked": 1}
        assert read(server, "devices", "revoke", user, "--all", "--yes")["revoked"] == 0
        assert read(server, "devices", "list", user)["data"][0]["status"] == "ended"
        exported = server.run("audit", "export").stdout
        assert '"trusted_device.revoke"' in exported
        assert "lost laptop" in exported
        assert token not in exported
