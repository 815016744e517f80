"""The application in examples/flask."""

from pathlib import Path

import pytest

from tests.support.example_application import EXAMPLES, install_python, running_example, walk
from tests.support.server_process import Server

pytestmark = [pytest.mark.examples, pytest.mark.timeout(300)]


def test_a_user_signs_up_and_signs_in_with_password_and_code(server: Server, tmp_path: Path) -> None:
    programs = install_python("flask")

    def start(port: int) -> list[str]:
        return [str(programs / "flask"), "run", "--port", str(port)]

    with running_example(start, EXAMPLES / "flask", server, tmp_path / "log") as url:
        walk(url, server, "kim.flask@example.org")
