"""`authfactor policy`, `reports`, `users policy` and `users grace`, with their audit entries."""

import json
from pathlib import Path

from tests.cli.test_recovery_codes import read, run


def test_policy_is_shown_previewed_set_and_reported(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "policy.json"
    user = read(data, "users", "create", "kim@example.org")["id"]
    shown = json.loads(run(data, "policy", "show").stdout)
    file.write_text(json.dumps({**shown, "policy": "required", "grace_days": 7}), encoding="utf-8")
    preview = read(data, "policy", "preview", str(file))
    assert preview["outcomes"]["in_grace"] == 1
    assert "no factor, in grace" in run(data, "policy", "preview", str(file)).stdout
    assert read(data, "policy", "show") == shown
    assert read(data, "policy", "set", str(file), "--reason", "step 1")["grace_days"] == 7
    report = read(data, "reports", "coverage")
    assert (report["users"], report["in_grace"]) == (1, 1)
    assert "users" in run(data, "reports", "coverage").stdout
    outdated = run(data, "policy", "set", str(file))
    assert (outdated.returncode, "changed" in outdated.stderr) == (5, True)
    file.write_text('{"policy": "off"}', encoding="utf-8")
    asked = run(data, "policy", "set", str(file))
    assert asked.returncode != 0
    assert "for less" in asked.stdout
    assert read(data, "policy", "show")["policy"] == "required"
    assert read(data, "policy", "set", str(file), "--yes")["policy"] == "off"
    file.write_text('{"policy": "off", "trusted_devices": "allowed"}', encoding="utf-8")
    assert "trust devices" in run(data, "policy", "set", str(file)).stdout
    assert read(data, "policy", "set", str(file), "--yes")["trusted_devices"] == "allowed"
    file.write_text('{"policy": "off", "grace": 1}', encoding="utf-8")
    wrong = run(data, "policy", "set", str(file))
    assert (wrong.returncode, "unknown field `grace`" in wrong.stderr) == (2, True)
    assert run(data, "policy", "preview", str(tmp_path / "absent.json")).returncode != 0
    missing = run(data, "users", "policy", "absent@example.org")
    assert missing.returncode == 4
    exported = run(data, "audit", "export").stdout
    assert '"mfa_policy.update"' in exported
    assert '"step 1"' in exported
    assert user


def test_decisions_about_one_user(tmp_path: Path) -> None:
    data = tmp_path / "data"
    user = read(data, "users", "create", "kim@example.org")["id"]
    read(data, "environments", "update", "default", "--mfa-policy", "required")
    assert read(data, "users", "policy", "kim@example.org")["outcome"] == "must_enroll"
    assert (
        run(data, "users", "policy", user, "--set", "exempt", "--days", "91", "--reason", "x").returncode == 2
    )
    assert run(data, "users", "policy", user, "--set", "exempt", "--days", "9").returncode == 2
    assert run(data, "users", "policy", user, "--days", "9").returncode == 2
    exempt = ("--set", "exempt", "--days", "9", "--reason", "robot")
    assert read(data, "users", "policy", user, *exempt)["outcome"] == "exempt"
    assert "robot" in run(data, "users", "policy", user).stdout
    assert read(data, "users", "policy", user, "--set", "default")["outcome"] == "must_enroll"
    assert run(data, "users", "grace", user, "--days", "7").returncode == 2
    assert run(data, "users", "grace", user, "--days", "7", "--reason", " ").returncode == 2
    granted = read(data, "users", "grace", "kim@example.org", "--days", "7", "--reason", "new phone")
    assert (granted["grace"], granted["outcome"]) == ("running", "in_grace")
    exported = run(data, "audit", "export").stdout
    for text in ("user.set_mfa_policy", "user.grant_grace", "robot", "new phone"):
        assert f'"{text}"' in exported
