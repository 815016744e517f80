"""The page docs/how-to/send-mail.md: its commands, run as written, with a real SMTP server."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_messages import Box, mail_port
from tests.cli.test_recovery_codes import read
from tests.support import server_process

__all__ = ["mail_port"]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "send-mail.md"


@pytest.mark.timeout(120)
def test_commands_of_the_mail_page_work_in_order(tmp_path: Path, mail_port: tuple[int, Box]) -> None:
    text, data = PAGE.read_text(encoding="utf-8"), tmp_path / "data"
    port, box = mail_port
    read(data, "users", "create", "kim@example.org")
    for name, content in re.findall(r'```json title="([\w.]+)"\n(.*?)```', text, re.DOTALL):
        (tmp_path / name).write_text(content.replace('"port": 25', f'"port": {port}'), encoding="utf-8")
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
    tested, previewed, listed = outputs
    assert "The sender has taken the message." in tested
    assert box.subjects == ["Test message from authfactor"]
    assert "Ihr Anmeldecode" in previewed
    assert "No messages." in listed
    made = read(data, "senders", "mail", "set", str(tmp_path / "webhook.json"))
    assert made["webhook"]["secret"].startswith("whsec_")
