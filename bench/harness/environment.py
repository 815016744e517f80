"""The benchmark's virtual environment. Standard library only, because it runs before that exists."""

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


def installed(folder: Path, lock: Path) -> Path:
    """Return the `bin` folder of an environment with the locked packages, created or updated first."""
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / "lock.sha256"
    if not stamp.is_file() or stamp.read_text() != wanted:
        sys.stderr.write(f"installing {lock.relative_to(REPOSITORY)} into {folder.relative_to(REPOSITORY)}\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        python = str(folder / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]
        subprocess.run(install, check=True)
        stamp.write_text(wanted)
    return folder / "bin"


def run_inside(module: str, arguments: list[str]) -> NoReturn:
    """Replace this process by `python -m module` in the benchmark's environment."""
    python = installed(FOLDER, LOCK) / "python"
    os.environ["PYTHONPATH"] = str(BENCH)
    os.execv(python, [str(python), "-m", module, *arguments])
