"""The application in examples/express."""

from pathlib import Path

import pytest

from tests.support.example_application import install_node, running_example, walk
from tests.support.server_process import Server

pytestmark = [pytest.mark.examples, pytest.mark.timeout(300)]


def test_a_user_signs_up_and_signs_in_with_password_and_code(server: Server, tmp_path: Path) -> None:
    folder = install_node("express")
    with running_example(lambda _: ["node", "app.mjs"], folder, server, tmp_path / "log") as url:
        walk(url, server, "kim.express@example.org")
