"""The page docs/how-to/audit.md: its commands, run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support import server_process

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "audit.md"


def test_every_command_of_the_page_works_in_its_order(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    kept = ""
    for block in blocks:
        path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
        environment = {"PATH": path, "AUTHFACTOR_DATA": str(tmp_path / "data"), "KEPT": kept}
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
        kept = lines[0] if lines else kept
    assert kept
