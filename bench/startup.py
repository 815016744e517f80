"""Start-up times: `serve` on an existing database, help texts, short commands.

Usage: .venv/bin/python bench/startup.py [--runs N] [--json]

Every run starts each program once. Prints milliseconds from the start of the process, minimum and median:
wall-clock time, and CPU time of the program with all its processes, which other load on the machine affects
less. A bare `python -c pass` is for comparison. Then the largest imports of `serve`, by package.

Programs run with compiled modules, as `pip install` leaves them: in a separate folder that a first, uncounted
run fills. Runs in the repository's environment.
"""

import argparse
import collections
import json
import os
import re
import resource
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

PROGRAM = str(Path(sys.prefix) / "bin" / "authfactor")
PAUSE_SECONDS = 0.002
TIMEOUT_SECONDS = 60
LARGEST = 12
IMPORT = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)


class Took(NamedTuple):
    """Milliseconds of one run."""

    wall: float
    cpu: float


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_ready(command: list[str], environment: dict[str, str], errors: Path) -> Took:
    """Start a server, wait for `/readyz`, stop it; return the times until it was ready."""
    port = free_port()
    started = time.perf_counter()
    with (
        errors.open("wb") as error_file,
        subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=subprocess.DEVNULL, stderr=error_file
        ) as process,
    ):
        try:
            while time.perf_counter() < started + TIMEOUT_SECONDS:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                        wall = (time.perf_counter() - started) * 1000
                        return Took(wall, cpu_of(process.pid))
                except (urllib.error.URLError, OSError):
                    time.sleep(PAUSE_SECONDS)
            sys.exit(f"not ready after {TIMEOUT_SECONDS} s: {errors.read_text()[-500:]}")
        finally:
            process.send_signal(signal.SIGTERM)


def cpu_of(pid: int) -> float:
    """Return the CPU milliseconds of a process, its threads and its child processes."""
    total = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0]) / 1e6
        total += sum(cpu_of(int(child)) for child in (task / "children").read_text().split())
    return total


def until_done(command: list[str], environment: dict[str, str]) -> Took:
    """Run a command to its end and return the times."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(wall * 1000, cpu * 1000)


def imports(command: list[str], environment: dict[str, str], errors: Path, runs: int) -> dict[str, float]:
    """Return the import time in milliseconds by package, using each module's fastest run."""
    best: dict[str, int] = {}
    for _ in range(runs):
        until_ready(command, {**environment, "PYTHONPROFILEIMPORTTIME": "1"}, errors)
        for microseconds, module in IMPORT.findall(errors.read_text()):
            best[module] = min(best.get(module, sys.maxsize), int(microseconds))
    packages: collections.Counter[str] = collections.Counter()
    for module, microseconds in best.items():
        packages[module.partition(".")[0]] += microseconds
    return {name: microseconds / 1000 for name, microseconds in packages.most_common()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15, help="%(default)s")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    outside = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AUTHFACTOR_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    outside["AUTHFACTOR_BOOTSTRAP_API_KEY"] = f"sk_{secrets.token_hex(24)}"
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        errors = Path(name) / "errors"
        outside["PYTHONPYCACHEPREFIX"] = str(Path(name) / "compiled")
        data = ["--data", str(Path(name) / "data")]
        serve = [PROGRAM, "serve", *data]
        servers = {"serve": serve, "serve --workers 2": [*serve, "--workers", "2"]}
        commands = {
            "--help": [PROGRAM, "--help"],
            "serve --help": [PROGRAM, "serve", "--help"],
            "users list": [PROGRAM, *data, "users", "list"],
            "vault status": [PROGRAM, *data, "vault", "status"],
            "python": [sys.executable, "-c", "pass"],
        }
        samples: dict[str, list[Took]] = {each: [] for each in (*servers, *commands)}
        # The first run makes the database and compiles every module; it is not counted.
        for counted in (False, *[True] * given.runs):
            for each, command in servers.items():
                took = until_ready(command, outside, errors)
                samples[each] += [took] * counted
            for each, command in commands.items():
                took = until_done(command, outside)
                samples[each] += [took] * counted
        largest = imports(serve, outside, errors, min(given.runs, 5))
    figures = {
        each: {
            "wall_least": min(took.wall for took in each_took),
            "wall_median": statistics.median(took.wall for took in each_took),
            "cpu_least": min(took.cpu for took in each_took),
            "cpu_median": statistics.median(took.cpu for took in each_took),
        }
        for each, each_took in samples.items()
    }
    if given.json:
        print(json.dumps({"milliseconds": figures, "imports": largest}))
        return
    print(f"{'ms':<20} {'wall: least':>12} {'median':>8} {'CPU: least':>12} {'median':>8}")
    for each, row in figures.items():
        least, median, cpu_least, cpu_median = row.values()
        print(f"{each:<20} {least:>12,.0f} {median:>8,.0f} {cpu_least:>12,.0f} {cpu_median:>8,.0f}")
    whole = sum(largest.values())
    print(f"\nimports of serve, {whole:,.0f} ms in all:")
    for package, milliseconds in list(largest.items())[:LARGEST]:
        print(f"{package:<20} {milliseconds:>6.1f} ms {milliseconds / whole:>6.0%}")


if __name__ == "__main__":
    main()
