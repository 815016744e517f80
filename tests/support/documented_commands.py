"""The shell blocks of a documentation page, and running them one after the other in one shell."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.skip_or_fail import skip_or_fail

BETWEEN: Final = "=== block {} ==="
TIMEOUT_SECONDS: Final = 120


class ShellRun(NamedTuple):
    """What the blocks printed, one text per block, and what they wrote to standard error."""

    outputs: list[str]
    errors: str


def blocks(page: Path, between: tuple[str, str] | None = None) -> list[str]:
    """Return the `sh` blocks of a page, or of its parts between two markers."""
    text = page.read_text(encoding="utf-8")
    if between is not None:
        start, end = map(re.escape, between)
        text = "\n".join(re.findall(f"{start}(.*?){end}", text, re.DOTALL))
    return re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def in_one_shell(
    commands: list[str], folder: Path, environment: dict[str, str], programs: Path | None = None
) -> ShellRun:
    """Run blocks in one bash; the first failure fails. `programs` and this Python's come first on PATH."""
    bash = shutil.which("bash")
    if bash is None:
        skip_or_fail("bash is not on PATH")
    script = "\n".join(f"echo '{BETWEEN.format(number)}'\n{block}" for number, block in enumerate(commands))
    path = os.pathsep.join(
        [*([str(programs)] if programs else []), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    done = subprocess.run(
        [bash, "-c", f"set -eo pipefail\n{script}"],
        cwd=folder,
        env=environment | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return ShellRun(re.split(r"=== block \d+ ===\n", done.stdout)[1:], done.stderr.strip())
