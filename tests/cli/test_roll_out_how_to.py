"""The page docs/how-to/roll-out-mfa.md: its commands, run as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_recovery_codes import read
from tests.support import server_process

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "roll-out-mfa.md"


@pytest.mark.timeout(120)
def test_commands_of_the_rollout_page_work_in_order(tmp_path: Path) -> None:
    text, data = PAGE.read_text(encoding="utf-8"), tmp_path / "data"
    for name in ("export", "kim"):
        read(data, "users", "create", f"{name}@example.org")
    (policy,) = re.findall(r'```json title="policy.json"\n(.*?)```', text, re.DOTALL)
    (tmp_path / "policy.json").write_text(policy, encoding="utf-8")
    path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    outputs = []
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        done = subprocess.run(
            ["bash", "-euc", block.replace("/var/lib/authfactor", str(data))],
            cwd=tmp_path,
            env=server_process.clean_environment(PATH=path, PYTHONPATH=os.environ.get("PYTHONPATH", "")),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        outputs.append(done.stdout)
    report, preview, exempt, stored, helped = outputs
    assert re.search(r"password only, no factor +2", report)
    assert re.search(r"no factor, in grace +2", preview)
    assert re.search(r"next sign-in +password only", exempt)
    assert '"grace_days": 14' in stored
    assert re.search(r"in force +required \(by environment\)", helped)
    assert re.search(r"grace +running", helped)
    found = read(data, "reports", "coverage")
    assert (found["in_grace"], found["exempt"], found["overdue"]) == (1, 1, 0)
