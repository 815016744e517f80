"""The page docs/how-to/import-and-export.md: its commands, run as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from authfactor.factor_files.detection import FORMATS
from tests.cli.test_recovery_codes import read
from tests.support import server_process

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "import-and-export.md"


@pytest.mark.timeout(120)
def test_commands_of_the_import_page_work_in_order(tmp_path: Path) -> None:
    text, data = PAGE.read_text(encoding="utf-8"), tmp_path / "data"
    read(data, "users", "create", "kim@example.org")
    (table,) = re.findall(r'```csv title="factors.csv"\n(.*?)```', text, re.DOTALL)
    (tmp_path / "factors.csv").write_text(table, encoding="utf-8")
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
    tried, imported, exported, again = outputs
    assert "Would import 1 factors" in tried
    assert "Imported 2 factors" in imported
    assert "line 4: profile_not_supported: digits=7" in imported
    assert "export.bin: 2 factors of 2 users, encrypted" in exported
    assert "kim.txt: 1 factors of 1 users, not encrypted" in exported
    assert "2 were there already" in again
    assert (tmp_path / "report.csv").exists()


def test_every_format_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for form in FORMATS:
        # Refused, with the reason.
        assert f"`{form}`" in text or form == "yubico-csv", form
