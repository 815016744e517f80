"""Sample the server under each operation and add up the time by part of the program.

A sample counts for the innermost Python function, including its calls into C (SQLite, zlib, sockets).
"""

import argparse
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness import wrk
from harness.compare import MISSING_WRK
from harness.measure import Bench, Profiler
from harness.operations import OPERATIONS
from harness.rehearsal import Unequal, rehearse
from harness.servers import ServerFailed, running
from harness.stock import Stock
from harness.wrk import LoadFailed

PARTS: dict[str, tuple[str, ...]] = {
    "QR code": ("authfactor/otp/qr/",),
    "commit": ("_commit (authfactor/store/", "write_lock.py"),
    "database": ("authfactor/store/", "sqlite3/"),
    "encrypt and decrypt": ("authfactor/crypto/vault.py",),
    "TOTP code": ("authfactor/otp/totp.py", "authfactor/otp/base32.py", "authfactor/otp/key_uri.py"),
    "decode and encode": ("authfactor/wire/", "msgspec/"),
    "rules": ("authfactor/rules/", "authfactor/core.py", "authfactor/ids.py", "authfactor/models.py"),
    "HTTP protocol": ("http1/connection.py", "http1/request_cycle.py", "uvicorn/protocols/", "httptools/"),
    "dispatcher, with log and metrics": ("authfactor/http/",),
    "event loop and sockets": (
        "uvloop/",
        "asyncio/",
        "uvicorn/",
        "concurrent/",
        "selectors.py",
        "threading.py",
    ),
}
"""Parts and substrings of a function's `name (file)`, tested in this order."""
SECONDS = 5
CONNECTIONS = 16

console = Console(highlight=False)


def part_of(frame: str) -> str:
    """Return the part that a frame, written as `name (file:line)`, belongs to."""
    return next((part for part, marks in PARTS.items() if any(mark in frame for mark in marks)), "other")


def shares(stacks: Path) -> dict[str, float]:
    """Read collapsed stacks (`frame;frame;frame count`) and return each part's share."""
    counts: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        # Sampling a running process sometimes yields malformed stacks.
        if count.isdigit():
            counts[part_of(stack.rpartition(";")[2])] += int(count)
    total = counts.total() or 1
    return {part: count / total for part, count in counts.items()}


def main(arguments: list[str] | None = None) -> int:
    """Load, sample, and print a table of CPU microseconds by part, with a column per operation."""
    parser = argparse.ArgumentParser(prog="bench/where.py", description=__doc__)
    parser.add_argument("--only", default=",".join(OPERATIONS), metavar="OPERATIONS", help="%(default)s")
    given = parser.parse_args(arguments)
    if not wrk.installed():
        console.print(MISSING_WRK)
        return 2
    wanted = given.only.split(",")
    found: dict[str, tuple[float, dict[str, float]]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        running("authfactor", folder=Path(name) / "installation") as server,
    ):
        rehearse(server)
        bench = Bench(server, Stock(server), OPERATIONS)
        bench.stock.enroll(1000)
        for operation in wanted:
            bench.measure(operation, CONNECTIONS, 2)
            plain = bench.measure(operation, CONNECTIONS, SECONDS)
            stacks = Path(name) / f"{operation}.txt"
            bench.measure(operation, CONNECTIONS, SECONDS, watch=partial(Profiler, server, stacks))
            found[operation] = plain.cpu_us, shares(stacks)
    table = Table(title=f"server CPU by part, µs a request at {CONNECTIONS} connections")
    table.add_column("part")
    for operation in wanted:
        table.add_column(operation, justify="right")
    for part in (*PARTS, "other"):
        table.add_row(part, *(f"{cpu * by.get(part, 0):,.0f}" for cpu, by in found.values()))
    table.add_row("all", *(f"{cpu:,.0f}" for cpu, _ in found.values()))
    Console(width=max(100, console.width)).print(table)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LoadFailed, ServerFailed, Unequal) as failure:
        sys.exit(f"where: {failure}")
