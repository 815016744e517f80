"""Enroll many factors and report the server's memory before and after."""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from harness import wrk
from harness.compare import MISSING_WRK
from harness.rehearsal import Unequal, rehearse
from harness.servers import LAUNCHES, ServerFailed, running
from harness.stock import FACTORS_PER_USER, Stock
from harness.wrk import LoadFailed

MIB = 1 << 20
STEPS = 10
WARM_FACTORS = 500

console = Console(highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """Warm one server up, enroll, and print resident memory after every tenth of the way."""
    parser = argparse.ArgumentParser(prog="bench/memory.py", description=__doc__)
    parser.add_argument("--server", default="authfactor", choices=list(LAUNCHES))
    parser.add_argument("--factors", type=int, default=100_000, help="%(default)s")
    parser.add_argument("--workers", type=int, default=1, help="%(default)s")
    parser.add_argument("--connections", type=int, default=16, help="%(default)s")
    given = parser.parse_args(arguments)
    if not wrk.installed():
        console.print(MISSING_WRK)
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        running(given.server, folder=Path(name) / "data", workers=given.workers) as server,
    ):
        rehearse(server)
        stock = Stock(server)
        stock.enroll(WARM_FACTORS)
        before = server.usage().resident_bytes
        console.print(f"{'factors':>9}  resident MiB")
        console.print(f"{WARM_FACTORS:>9,}  {before / MIB:.1f}")
        for tenth in range(1, STEPS + 1):
            batch = given.factors * tenth // STEPS - given.factors * (tenth - 1) // STEPS
            stock.enroll(batch, connections=given.connections)
            stock.factors.clear()
            now = server.usage().resident_bytes
            console.print(f"{WARM_FACTORS + given.factors * tenth // STEPS:>9,}  {now / MIB:.1f}")
        after = server.usage().resident_bytes
    growth = (after - before) / given.factors
    users = -(-given.factors // FACTORS_PER_USER)
    console.print(f"{given.server}: {given.factors:,} factors of {users:,} users, {given.workers} worker(s):")
    console.print(f"resident {before / MIB:.1f} -> {after / MIB:.1f} MiB, {growth:,.0f} bytes a factor")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LoadFailed, ServerFailed, Unequal) as failure:
        sys.exit(f"bench: {failure}")
