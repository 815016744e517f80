"""The application in examples/go."""

from pathlib import Path

import pytest

from tests.support.example_application import build_go, running_example, walk
from tests.support.server_process import Server

pytestmark = [pytest.mark.examples, pytest.mark.timeout(300)]


def test_a_user_signs_up_and_signs_in_with_password_and_code(server: Server, tmp_path: Path) -> None:
    program = build_go("go")
    with running_example(lambda _: [str(program)], tmp_path, server, tmp_path / "log") as url:
        walk(url, server, "kim.go@example.org")
