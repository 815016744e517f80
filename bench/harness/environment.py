"""The benchmark's own virtual environment; standard library only, because it runs before that exists."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

BENCH = Path(__file__).resolve().parent.parent
REPOSITORY = BENCH.parent
FOLDER = BENCH / ".venv"
LOCK = BENCH / "requirements.lock"


def run_inside(module: str, arguments: list[str]) -> NoReturn:
    """Replace this process by `python -m module` in the benchmark's environment, made or refreshed first."""
    python = FOLDER / "bin" / "python"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    stamp = FOLDER / "lock.sha256"
    if not stamp.is_file() or stamp.read_text() != wanted:
        sys.stderr.write(f"installing {LOCK.name} into {FOLDER.relative_to(REPOSITORY)}\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)]
        subprocess.run(install, check=True)
        stamp.write_text(wanted)
    os.environ["PYTHONPATH"] = str(BENCH)
    os.execv(python, [str(python), "-m", module, *arguments])
