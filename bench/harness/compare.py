"""Load authfactor and its peer alternately, round by round, and compare them.

Both servers run in new folders, but only one is loaded at a time: A, B, then B, A in the next round, so that
a slow minute of the machine affects both. Every verification carries a right, unused code, and every response
is checked; a round with a wrong response does not count and makes the run fail.
"""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from harness import privacyidea, report, wrk
from harness.database import NoDatabase, fresh
from harness.environment import BENCH
from harness.measure import Bench, Profiler, Sample
from harness.operations import OPERATIONS
from harness.plot import draw
from harness.processor import NoControlGroups
from harness.rehearsal import Unequal, rehearse
from harness.servers import LAUNCHES, Server, ServerFailed, kind, running
from harness.stock import Stock
from harness.wrk import LoadFailed

LATEST = BENCH / "results" / "latest.json"
MISSING_WRK = "wrk is missing: apt-get install wrk"
WARM_SECONDS = 1
POSTGRESQL = "-postgresql"
MAX_SECONDS = 25

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

    servers: list[str]
    operations: list[str]
    connections: list[int]
    rounds: int
    seconds: int
    workers: int
    share: float | None
    factors: int
    database_url: str | None
    idempotency: bool
    as_json: bool
    plot: Path | None
    profile: Path | None
    folder: str | None


def split(text: str) -> list[str]:
    """Split a comma-separated list."""
    return [part for part in text.split(",") if part]


def parse(arguments: list[str] | None = None) -> Options:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--servers", default="authfactor,usual_stack", help=f"of: {', '.join(LAUNCHES)}; :N for N workers"
    )
    parser.add_argument("--only", default=",".join(OPERATIONS), metavar="OPERATIONS", help="%(default)s")
    parser.add_argument("--connections", default="1,16,64", help="%(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="%(default)s")
    parser.add_argument("--seconds", type=int, default=3, help="of each run, at most 25 (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes of each server (%(default)s)")
    parser.add_argument(
        "--share", type=float, help="of a processor that each worker may have (Linux, as root)"
    )
    parser.add_argument("--factors", type=int, default=1000, help="enrolled on each before (%(default)s)")
    parser.add_argument(
        "--database-url",
        help="a PostgreSQL server: each of ours and of the usual stack's gets a new database on it"
        " (where some are named authfactor-postgresql, only those)",
    )
    parser.add_argument(
        "--idempotency", action="store_true", help="send a fresh Idempotency-Key on every POST"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the rates")
    parser.add_argument(
        "--profile", type=Path, metavar="SVG", help="flame graph of the first server's last run"
    )
    parser.add_argument("--folder", help="where the databases are made (the system's temporary folder)")
    given = parser.parse_args(arguments)
    options = Options(
        servers=split(given.servers),
        operations=split(given.only),
        connections=[int(number) for number in split(given.connections)],
        rounds=given.rounds,
        seconds=given.seconds,
        workers=given.workers,
        share=given.share,
        factors=given.factors,
        database_url=given.database_url,
        idempotency=given.idempotency,
        as_json=given.json,
        plot=given.plot,
        profile=given.profile,
        folder=given.folder,
    )
    if unknown := set(options.operations) - set(OPERATIONS):
        parser.error(f"unknown operations: {', '.join(sorted(unknown))}")
    if unknown := {kind(name) for name in options.servers} - set(LAUNCHES):
        parser.error(f"unknown servers: {', '.join(sorted(unknown))}")
    if any(POSTGRESQL in name for name in options.servers) and not options.database_url:
        parser.error("a server on PostgreSQL needs --database-url")
    if options.seconds > MAX_SECONDS:
        parser.error(f"--seconds: at most {MAX_SECONDS}, because the codes of a run share a step of 30 s")
    return options


def on_postgresql(name: str, servers: list[str]) -> bool:
    """Return whether a server gets a PostgreSQL: those named so or, if none is, all that support it."""
    named = [server for server in servers if POSTGRESQL in server]
    return name in named if named else kind(name) != "privacyidea"


def prepare(server: Server, options: Options) -> Bench:
    """Check that the server does the same work, fill it, and warm up every operation."""
    if kind(server.name) == "privacyidea":
        privacyidea.rehearse(server)
        bench = Bench(server, Stock(server), privacyidea.OPERATIONS)
    else:
        rehearse(server)
        bench = Bench(server, Stock(server), OPERATIONS, keyed=options.idempotency)
        console.print(f"{server.name}: enrolling {options.factors} factors")
        bench.stock.enroll(options.factors)
    for operation in bench.common(options.operations):
        for connections in options.connections:
            bench.measure(operation, connections, WARM_SECONDS)
    return bench


def compare(benches: list[Bench], options: Options) -> list[Sample]:
    """Run all rounds and print a line for each measurement."""
    samples: list[Sample] = []
    each = sum(len(bench.common(options.operations)) for bench in benches)
    total = options.rounds * len(options.connections) * each
    for number in range(options.rounds):
        for operation in options.operations:
            for connections in options.connections:
                for bench in benches if number % 2 == 0 else reversed(benches):
                    if operation not in bench.operations:
                        continue
                    sample = bench.measure(operation, connections, options.seconds, number)
                    samples.append(sample)
                    print_sample(sample, f"{len(samples)}/{total}")
    return samples


def print_sample(sample: Sample, place: str) -> None:
    """Print one measurement."""
    line = f"{place:>8} {sample.operation:<9} {sample.connections:>3} conns  {sample.server:<12}"
    line += f"{sample.rate:>9,.0f}/s  p50 {sample.p50_us / 1000:>7.2f}  p99 {sample.p99_us / 1000:>7.2f} ms"
    line += f"  cpu {sample.cpu_us:>6,.0f} µs  rss {sample.resident_bytes >> 20} MiB"
    line += f"  {sample.errors} WRONG: {sample.note}" if sample.errors else ""
    console.print(line, markup=False, soft_wrap=True)


def profile(bench: Bench, options: Options, picture: Path) -> None:
    """Write a flame graph of each operation's load; with several, file names contain the operation."""
    for operation in options.operations:
        several = len(options.operations) > 1
        path = picture.with_stem(f"{picture.stem}-{operation}") if several else picture
        path.parent.mkdir(parents=True, exist_ok=True)
        watch = partial(Profiler, bench.server, path)
        sample = bench.measure(operation, options.connections[-1], options.seconds, watch=watch)
        print_sample(sample, str(path))


def finish(samples: list[Sample], options: Options) -> int:
    """Write, draw and print the results; return the exit status."""
    lines = report.rows(samples, options.servers)
    settings = {"workers": options.workers, "rounds": options.rounds, "seconds": options.seconds}
    settings |= {"share": options.share, "factors": options.factors, "idempotency": options.idempotency}
    document = report.document(settings, samples, lines)
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(json.dumps(document, indent=1) + "\n")
    if options.plot:
        draw(lines, options.servers, options.plot)
    if options.as_json:
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        Console(width=max(40 + 34 * len(options.servers), console.width)).print(
            report.table(lines, options.servers)
        )
    wrong = sum(sample.errors for sample in samples)
    if wrong:
        console.print(f"invalid: {wrong} wrong responses, see {LATEST}")
    return 1 if wrong else 0


def main(arguments: list[str] | None = None) -> int:
    """Start the servers, compare them, and report."""
    options = parse(arguments)
    if not wrk.installed():
        console.print(MISSING_WRK)
        return 2
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder)))
        benches = []
        for name in options.servers:
            url = None
            if options.database_url and on_postgresql(name, options.servers):
                url = stack.enter_context(fresh(options.database_url))
            workers = int(name.partition(":")[2] or options.workers)
            server = running(name, folder=top / name, workers=workers, database_url=url, share=options.share)
            benches.append(prepare(stack.enter_context(server), options))
        if options.profile:
            profile(benches[0], options, options.profile)
            return 0
        return finish(compare(benches, options), options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LoadFailed, NoControlGroups, NoDatabase, ServerFailed, Unequal) as failure:
        sys.exit(f"bench: {failure}")
