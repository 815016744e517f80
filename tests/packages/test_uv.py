"""The wheel installed by uv, as the page about Python says, with its dependencies from the package index."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

from authfactor import __version__
from tests.support import install_stand_ins
from tests.support.documented_commands import blocks, in_one_shell
from tests.support.server_process import clean_environment

pytestmark = [pytest.mark.packages, pytest.mark.timeout(300)]

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "install" / "python.md"


def test_uv_installs_the_command_as_the_page_says(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    install_stand_ins.install(programs)
    (with_uv,) = [block for block in blocks(PAGE) if "uv tool install" in block]
    environment = clean_environment(
        UV_TOOL_DIR=str(tmp_path / "tools"), UV_TOOL_BIN_DIR=str(tmp_path / "bin"), PYTHONPATH=""
    )

    in_one_shell(["make dist", with_uv], tmp_path, environment, programs)

    command = [str(tmp_path / "bin" / "authfactor"), "--version"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[0] == f"authfactor {__version__}"
