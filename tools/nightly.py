"""Run what takes too long for every change, one after the other: `python -m tools.nightly [NAME ...]`.

Goes on after a stage that failed; the table at the end says how each went. Names pick stages.
"""

import os
import subprocess
import sys
import time
from typing import NamedTuple

PYTEST = (sys.executable, "-m", "pytest", "-q")
LONG = (*PYTEST, "-m", "nightly", "-rP", "--durations=0", "--durations-min=1")


class Stage(NamedTuple):
    """One part of the night."""

    name: str
    what: str
    command: tuple[str, ...]
    settings: tuple[tuple[str, str], ...] = ()


STAGES = (
    Stage(
        "server", "the server is killed two hundred times", (*LONG, "tests/reliability/test_server_kill.py")
    ),
    Stage(
        "database",
        "PostgreSQL is killed two hundred times",
        (*LONG, "tests/reliability/test_database_kill.py"),
    ),
    Stage(
        "schedules",
        "a hundred thousand schedules against the reference",
        (*LONG, "tests/reliability/test_simulation.py"),
    ),
    Stage(
        "restarts",
        "a worker is replaced five hundred times",
        (*LONG, "tests/reliability/test_rolling_restart.py"),
    ),
    Stage(
        "strangers",
        "a million codes, twenty thousand pictures",
        (*LONG, "tests/unit"),
    ),
    Stage("webhooks", "a receiver that is down for a minute", (*LONG, "tests/http/webhooks")),
    Stage(
        "fuzz",
        "hostile input, 25 times as much as in CI",
        (*PYTEST, "tests/security/test_fuzz_inputs.py", "tests/security/test_fuzz_http.py"),
        (("FUZZ_EXAMPLES", "100"),),
    ),
    Stage("mutants", "every guard is taken away once", (sys.executable, "tools/mutants.py")),
)


def run(stage: Stage) -> tuple[Stage, int, float]:
    """Run one stage, its output passed on; return its exit code and seconds."""
    print(f"\n== {stage.name}: {stage.what}", flush=True)
    started = time.monotonic()
    code = subprocess.run(stage.command, env={**os.environ, **dict(stage.settings)}, check=False).returncode
    return stage, code, time.monotonic() - started


def main() -> int:
    """Run all, or those that are named."""
    known = {stage.name for stage in STAGES}
    if unknown := set(sys.argv[1:]) - known:
        print(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
        return 2
    outcomes = [run(stage) for stage in STAGES if not sys.argv[1:] or stage.name in sys.argv[1:]]
    print("\n== the night")
    for stage, code, seconds in outcomes:
        told = "passed" if code == 0 else f"FAILED ({code})"
        print(f"{stage.name:<10} {told:<12} {seconds:6.0f} s   {stage.what}")
    failed = sum(code != 0 for _, code, _ in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
