# ruff: noqa: T201 - it reports by printing
"""Walk every SDK through a running server and report what works: `python -m conformance.run [ROW ...]`.

ROW is part of a row's name; without one, all rows run and docs/compatibility.md is written.
A row whose toolchain is missing is left out, loudly; with the environment variable CI set that is a failure.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from conformance import matrix
from conformance.matrix import Outcome
from conformance.rows import HERE, ROWS, Row
from conformance.toolchains import Missing, prepare
from tests.support.server_process import API_KEY, CLIENT_ID, running

ROOT: Final = HERE.parent
DOCUMENT: Final = ROOT / "docs" / "compatibility.md"
# The programs' receivers are on loopback.
SETTINGS: Final = {"AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true"}
ROW_SECONDS: Final = 90
WHOLE_SECONDS: Final = 900


def walk(row: Row, base_url: str, seconds: float = ROW_SECONDS) -> Outcome:
    """Run one row's program against a server; its toolchain is made first."""
    try:
        prepare(row)
    except Missing as missing:
        return Outcome(row, missing=str(missing))
    environment = {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        "BASE_URL": base_url,
        "API_KEY": API_KEY,
        "CLIENT_ID": CLIENT_ID,
        "PYTHON": sys.executable,
    }
    began = time.monotonic()
    try:
        ended = subprocess.run(
            row.command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else ""
        output, code = f"{said}\nnot ok whole program\n# stopped after {seconds:.0f} s", 1
    else:
        output, code = ended.stdout, ended.returncode
    return matrix.read(row, output, code, time.monotonic() - began)


def walk_all(rows: Sequence[Row]) -> list[Outcome]:
    """Start a server with an empty data folder and run the rows one after the other."""
    end = time.monotonic() + WHOLE_SECONDS
    outcomes = []
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        running(Path(folder), SETTINGS) as server,
    ):
        for row in rows:
            left = end - time.monotonic()
            if left <= 0:
                outcomes.append(Outcome(row, missing=f"the whole run took more than {WHOLE_SECONDS} s"))
                continue
            outcome = walk(row, server.url, min(ROW_SECONDS, left))
            said = "NOT RUN" if outcome.missing else "ok" if outcome.passed else "FAILED"
            print(f"{row.name}: {said} ({outcome.seconds:.1f} s)", flush=True)
            outcomes.append(outcome)
    return outcomes


def main(arguments: Sequence[str]) -> int:
    rows = [row for row in ROWS if not arguments or any(part in row.name for part in arguments)]
    if not rows:
        print(f"no such row; there are: {', '.join(row.name for row in ROWS)}")
        return 2
    outcomes = walk_all(rows)
    print("", matrix.table(outcomes), *matrix.remarks(outcomes), sep="\n")
    if not arguments and not any(outcome.missing for outcome in outcomes):
        DOCUMENT.write_text(matrix.document(outcomes), encoding="utf-8")
    passed, failed = matrix.tally(outcomes, strict=bool(os.environ.get("CI")))
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
