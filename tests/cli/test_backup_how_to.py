"""The page docs/how-to/back-up.md: its commands, run as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_vault import enroll
from tests.support import server_process
from tests.support.authenticator import code as code_of

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "back-up.md"


@pytest.mark.timeout(120)
def test_commands_of_the_backup_page_work_in_order(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    for name in ("backups", "tmp"):
        (tmp_path / name).mkdir()
    data = tmp_path / "data"
    words = {
        "/var/lib/authfactor": str(data),
        "/backups": str(tmp_path / "backups"),
        "/var/tmp": str(tmp_path / "tmp"),  # noqa: S108 - the page names it
    }

    def run(block: str) -> str:
        for word, ours in words.items():
            block = block.replace(word, ours)
        path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euc", block],
            env=server_process.clean_environment(PATH=path, AUTHFACTOR_CONSOLE="false"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        return done.stdout

    server = server_process.Server(data)
    server.start()
    factor, secret = enroll(server)
    run(blocks[0])
    assert server.stop() == 0
    assert "can be restored" in run(blocks[1])
    assert "was restored" in run(blocks[2])
    with server_process.running(data) as server, server.client() as client:
        challenge = server_process.fields(client.post(f"/auth/factors/{factor}/challenge"), 201)
        answer = client.post(f"/auth/challenges/{challenge['id']}/verify", json={"code": code_of(secret)})
        assert server_process.fields(answer, 201)["reason"] == "code_already_used"
    assert "name" in run(blocks[3])
    assert "problems: 0" in run(blocks[4])
