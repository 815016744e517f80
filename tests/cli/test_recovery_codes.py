"""`authfactor recovery-codes` and `factors rename`, with their audit entries."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.server_process import clean_environment

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "authfactor", "--data", str(data), *arguments]
    return subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)


def read(data: Path, *arguments: str) -> dict[str, Any]:
    done = run(data, "--json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_codes_are_created_used_counted_and_deleted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    user = read(data, "users", "create", "kim@example.org")["id"]
    refused = run(data, "recovery-codes", "create", user, "--yes")
    assert refused.returncode != 0
    assert "no active one" in refused.stdout + refused.stderr
    factor = read(data, "factors", "enroll", user, "--secret", SECRET)["factor"]["id"]
    shown = run(data, "recovery-codes", "create", user, "--yes")
    codes = shown.stdout.split()
    assert len(codes) == 10
    challenge = read(data, "factors", "challenge", factor)["id"]
    assert read(data, "factors", "verify", challenge, codes[0])["recovery_codes_remaining"] == 9
    assert read(data, "recovery-codes", "count", user)["remaining"] == 9
    assert "unused" in run(data, "recovery-codes", "count", user).stdout
    assert read(data, "factors", "rename", factor, "Blue phone")["name"] == "Blue phone"
    assert read(data, "recovery-codes", "delete", user, "--yes")["deleted"] == 10
    exported = run(data, "audit", "export").stdout
    for action in ("recovery_codes.create", "recovery_codes.delete", "factor.rename"):
        assert f'"{action}"' in exported
    assert not any(code in exported for code in codes)


def test_codes_of_another_system_are_imported_from_a_file(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "codes.txt"
    user = read(data, "users", "create", "kim@example.org")["id"]
    factor = read(data, "factors", "enroll", user, "--secret", SECRET)["factor"]["id"]
    file.write_text("k7x9-q2mu-45wd\n\n8vhu-3rl6-zp1c\n")
    asked = run(data, "recovery-codes", "import", user, str(file))
    assert asked.returncode != 0
    assert "Earlier ones will stop working" in asked.stdout + asked.stderr
    assert read(data, "recovery-codes", "count", user)["total"] == 0
    assert "2 codes are unused" in run(data, "recovery-codes", "import", user, str(file), "--yes").stdout
    challenge = read(data, "factors", "challenge", factor)["id"]
    assert read(data, "factors", "verify", challenge, "k7x9-q2mu-45wd")["recovery_codes_remaining"] == 1
    assert read(data, "recovery-codes", "import", user, str(file), "--yes")["remaining"] == 1
    file.write_text("123456\n")
    refused = run(data, "recovery-codes", "import", user, str(file), "--yes")
    assert refused.returncode != 0
    assert "six digits are a code of the app" in refused.stdout + refused.stderr
    assert "123456" not in refused.stdout + refused.stderr
    exported = run(data, "audit", "export").stdout
    assert '"recovery_codes.import"' in exported
    assert "k7x9" not in exported
