"""Official SDKs verify emails, sign in with magic codes, reset passwords and invite."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from conformance.rows import CACHE, HERE
from tests.support.server_process import API_KEY, CLIENT_ID, clean_environment, running
from tests.support.skip_or_fail import skip_or_fail

STEPS: Final = (
    "password_reset true",
    "email_verification true",
    "magic_auth true MagicAuth",
    "invitation true 1 pending",
    "accepted accepted",
    "revoked revoked",
)

# The Go SDK 6 has no method that accepts an invitation.
WITHOUT: Final = {"go-6": "accepted"}


def program(environment: str) -> tuple[list[str], Path]:
    """Return the command that walks through the flows, and the folder in which it finds its packages."""
    folder = CACHE / environment
    if not folder.exists():
        skip_or_fail(f"`make conformance` has not created {environment} yet")
    if environment.startswith("python"):
        return [str(folder / "bin" / "python"), str(HERE / "python" / "mail_flows.py")], HERE
    if environment.startswith("java"):
        source = HERE / "java" / "mail_flows" / "MailFlows.java"
        return [shutil.which("java") or "java", "-cp", f"{folder / 'jars'}/*", str(source)], HERE
    if environment.startswith("go"):
        source = HERE / "go" / "mail_flows" / "main.go"
        return [shutil.which("go") or "go", "run", str(source)], HERE / "go" / "6"
    text = (HERE / "js" / "mail_flows.mjs").read_text()
    return ["node", "--input-type=module", "--eval", text], folder


@pytest.mark.conformance
@pytest.mark.parametrize("environment", ["python-5", "python-newest", "js-7", "js-newest", "go-6", "java-7"])
def test_sdk_walks_through_all_flows(environment: str, tmp_path: Path) -> None:
    command, folder = program(environment)
    with running(tmp_path / "data") as server:
        told = server.run("environments", "update", "default", "--verify-email", "required")
        assert told.returncode == 0, told.stdout
        done = subprocess.run(
            command,
            env=clean_environment(BASE_URL=server.url, API_KEY=API_KEY, CLIENT_ID=CLIENT_ID),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    seen = [line.replace("True", "true") for line in done.stdout.splitlines()]
    left_out = WITHOUT.get(environment, "nothing")
    wanted = [step for step in STEPS if not step.startswith(left_out)]
    assert seen[: len(wanted)] == wanted
