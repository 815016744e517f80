"""Run the tests that take too long for every change: `python -m tools.nightly [NAME ...]`.

Continues after a failed stage and prints a table of the results. Names select stages.
"""

import os
import subprocess
import sys
import time
from typing import NamedTuple

PYTEST = (sys.executable, "-m", "pytest", "-q")
LONG = (*PYTEST, "-m", "nightly", "-rP", "--durations=0", "--durations-min=1")


class Stage(NamedTuple):
    """One command of the nightly run and the settings it needs."""

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
        (
            *LONG,
            "tests/reliability/test_simulation.py",
            "tests/reliability/test_recovery_codes_simulation.py",
            "tests/reliability/test_trusted_devices_simulation.py",
        ),
    ),
    Stage(
        "restarts",
        "a worker is replaced five hundred times",
        (*LONG, "tests/reliability/test_rolling_restart.py"),
    ),
    Stage(
        "codes",
        "a million codes, 20,000 QR codes and 10,000 passkey responses against other implementations",
        (*LONG, "tests/unit"),
    ),
    Stage("webhooks", "a receiver that is down for a minute", (*LONG, "tests/http/webhooks")),
    Stage(
        "fuzz",
        "hostile input, 25 times as much as in CI",
        (*PYTEST, "tests/security/test_fuzz_inputs.py", "tests/security/test_fuzz_http.py"),
        (("FUZZ_EXAMPLES", "100"),),
    ),
    Stage(
        "files",
        "damaged files of factors, a hundred thousand of each format",
        (*PYTEST, "tests/security/test_fuzz_factor_files.py"),
        (("FUZZ_EXAMPLES", "4000"),),
    ),
    Stage("mutants", "every guard is removed once", (sys.executable, "tools/mutants.py")),
)


def run(stage: Stage) -> tuple[Stage, int, float]:
    """Run one stage with its output shown; return its exit code and seconds."""
    print(f"\n== {stage.name}: {stage.what}", flush=True)
    started = time.monotonic()
    code = subprocess.run(stage.command, env={**os.environ, **dict(stage.settings)}, check=False).returncode
    return stage, code, time.monotonic() - started


def main() -> int:
    """Run all stages, or those that are named."""
    known = {stage.name for stage in STAGES}
    if unknown := set(sys.argv[1:]) - known:
        print(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
        return 2
    outcomes = [run(stage) for stage in STAGES if not sys.argv[1:] or stage.name in sys.argv[1:]]
    print("\n== results")
    for stage, code, seconds in outcomes:
        result = "passed" if code == 0 else f"FAILED ({code})"
        print(f"{stage.name:<10} {result:<12} {seconds:6.0f} s   {stage.what}")
    failed = sum(code != 0 for _, code, _ in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
