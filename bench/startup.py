"""How long until the program answers: `serve` on an existing database, and help texts.

Usage: .venv/bin/python bench/startup.py [--runs N] [--json]

Medians of wall-clock milliseconds from the start of the process; a bare `python -c pass` is there to compare.
Runs in the repository's environment.
"""

import argparse
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PROGRAM = str(Path(sys.prefix) / "bin" / "authfactor")
PAUSE_SECONDS = 0.002
LONGEST_SECONDS = 30


def free_port() -> int:
    """Ask the system for a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_ready(folder: Path, environment: dict[str, str]) -> float:
    """Start a server, wait for `/readyz`, stop it; return the milliseconds until it was ready."""
    port = free_port()
    command = [PROGRAM, "serve", "--port", str(port), "--data", str(folder)]
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            while time.perf_counter() < started + LONGEST_SECONDS:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                        return (time.perf_counter() - started) * 1000
                except (urllib.error.URLError, OSError):
                    time.sleep(PAUSE_SECONDS)
            sys.exit(f"not ready after {LONGEST_SECONDS} s")
        finally:
            process.terminate()


def until_done(*command: str) -> float:
    """Run a command to its end and return the milliseconds."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Measure in turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=11, help="%(default)s")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    outside = {key: value for key, value in os.environ.items() if not key.startswith("AUTHFACTOR_")}
    outside["AUTHFACTOR_BOOTSTRAP_API_KEY"] = f"sk_{secrets.token_hex(24)}"
    samples: dict[str, list[float]] = {"serve, ready": [], "--help": [], "serve --help": [], "python": []}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name) / "data"
        first = until_ready(folder, outside)
        for _ in range(given.runs):
            samples["serve, ready"].append(until_ready(folder, outside))
            samples["--help"].append(until_done(PROGRAM, "--help"))
            samples["serve --help"].append(until_done(PROGRAM, "serve", "--help"))
            samples["python"].append(until_done(sys.executable, "-c", "pass"))
    medians = {"serve, first start": first} | {
        name: statistics.median(values) for name, values in samples.items()
    }
    if given.json:
        print(json.dumps(medians))
        return
    for name, value in medians.items():
        print(f"{name:<20} {value:>6,.0f} ms")


if __name__ == "__main__":
    main()
