"""The page docs/how-to/audit.md: its commands, run as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support import server_process

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "audit.md"


def test_commands_of_the_audit_page_work_in_order(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    checkpoint = ""
    for block in blocks:
        path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
        environment = {"PATH": path, "AUTHFACTOR_DATA": str(tmp_path / "data"), "KEPT": checkpoint}
        done = subprocess.run(
            ["bash", "-euc", block],
            env=server_process.clean_environment(**environment),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        lines = re.findall(r"audit_\d{15}:[0-9a-f]{64}", done.stdout)
        checkpoint = lines[0] if lines else checkpoint
    assert checkpoint
