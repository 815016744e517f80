"""Measure and check every target for speed and size: `make targets`.

Usage: .venv/bin/python bench/targets.py [--database-url URL] [--list] [PART ...]

Runs the other benchmarks one after the other (nothing else should run meanwhile), prints the target and the
measured value, and exits with 1 if a target was missed. All parts take two and a half hours, of which the
soak takes half an hour and the comparison on both databases one hour. Without `--database-url` (a PostgreSQL
server where databases may be created) a PostgreSQL from a wheel or the system's packages is started. Needs
wrk.

Results are kept in bench/results/targets.json. Runs in the repository's environment.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

BENCH = Path(__file__).resolve().parent
RESULTS = BENCH / "results" / "targets.json"
TIMES = {"enroll": 40, "challenge": 15, "verify": 20, "get": 20, "list": 12}
CPU_US = {"enroll": 620, "challenge": 250, "verify": 400, "get": 140, "list": 180}

Json = Any
"""What a benchmark printed."""

console = Console(stderr=True, highlight=False)


class Found(NamedTuple):
    """A target: the wanted and the measured value as text, and whether it was met."""

    what: str
    wanted: str
    found: str
    met: bool


def least(what: str, wanted: float, found: float, unit: str = "") -> Found:
    """Check a value that must be at least `wanted`."""
    return Found(what, f"≥ {wanted:,g}{unit}", f"{found:,.4g}{unit}", found >= wanted)


def most(what: str, wanted: float, found: float, unit: str = "") -> Found:
    """Check a value that must be at most `wanted`."""
    return Found(what, f"≤ {wanted:,g}{unit}", f"{found:,.4g}{unit}", found <= wanted)


def medians(result: Json) -> dict[str, list[Json]]:
    """Return the servers' medians by operation."""
    return {row["operation"]: row["medians"] for row in result["rows"]}


def against_the_stack(result: Json) -> Iterator[Found]:
    """Check rates, 99th percentiles and CPU time at 16 connections."""
    for row in result["rows"]:
        name, (ours, theirs) = row["operation"], row["medians"]
        yield least(f"{name}: times as many as the usual stack", TIMES[name], row["ratios"][0])
        yield most(f"{name}: p99, of the stack's", 0.05, ours["p99_us"] / theirs["p99_us"])
        yield most(f"{name}: CPU a request", CPU_US[name], ours["cpu_us"], " µs")


def at_64(result: Json) -> Iterator[Found]:
    """Enrollments beside challenges, and how even verifications are."""
    of = {name: ours for name, (ours,) in medians(result).items()}
    enroll, challenge = of["enroll"]["rate"], of["challenge"]["rate"]
    met = (enroll >= 1500 and challenge >= 5500) or enroll / challenge >= 0.27
    found = f"{enroll:,.0f} beside {challenge:,.0f}, {enroll / challenge:.2f}"
    yield Found(
        "enrollments/s beside challenges/s, 64 connections", "≥ 1,500 beside 5,500, or 0.27", found, met
    )
    verify = of["verify"]
    yield most("verify: p99, times its median, 64 connections", 4, verify["p99_us"] / verify["p50_us"])


def commits(result: Json) -> Iterator[Found]:
    """Check the costs of durability."""
    sync, alone = result["sync"], result["enroll"] - result["picture"]
    yield least("16 writers: commits shared, times as many", 3, result["shared"] / result["each"])
    yield most("a challenge alone, in syncs of the disk", 3, result["alone"] / sync)
    yield most("an enrollment alone but for its picture, in syncs", 3, alone / sync)
    yield most("a QR picture", 250, result["picture"], " µs")


def second_worker(wanted: float) -> Callable[[Json], Iterator[Found]]:
    """Return a check of two workers against one, which is the run's first server."""

    def judge(result: Json) -> Iterator[Found]:
        store = result["settings"]["store"]
        for row in result["rows"]:
            yield least(f"{row['operation']}: two workers for one, {store}", wanted, 1 / row["ratios"][0])

    return judge


def against_privacyidea(result: Json) -> Iterator[Found]:
    """Check the ratio of the rates."""
    for row in result["rows"]:
        yield least(f"{row['operation']}: times as many as privacyIDEA", 100, row["ratios"][0])


def keys(result: Json) -> Iterator[Found]:
    """Check the cost of an Idempotency-Key."""
    for name in ("challenge", "enroll"):
        yield most(f"{name}: an Idempotency-Key", 60, result[f"{name} keyed"] - result[name], " µs")


def start(result: Json) -> Iterator[Found]:
    """Check start-up times."""
    for name, wanted in (("serve", 500), ("--help", 200)):
        yield most(
            f"{name}: start-up time, median", wanted, result["milliseconds"][name]["wall_median"], " ms"
        )


def growth(result: Json) -> Iterator[Found]:
    """Check the costs of a hundred times as many factors."""
    for database in result:
        for operation, by_size in database["ratio"].items():
            what = f"{operation} at a million factors for ten thousand, {database['kind']}"
            yield most(what, 1.25, by_size[max(by_size, key=int)])
        own = database["own_bytes"][max(database["own_bytes"], key=int)]
        if own is not None:
            yield most("a factor with a challenge", 450, own, " bytes")


def soak(result: Json) -> Iterator[Found]:
    """Check memory growth under half load, after the first tenth of the time."""
    last = result[-1]
    warm = next(line for line in result if line["seconds"] >= last["seconds"] * 0.1)
    grown = (last["resident_bytes"] / warm["resident_bytes"] - 1) * 100
    yield most(f"memory more after {last['seconds'] / 60:.0f} minutes", 5, grown, " %")
    yield most(f"wrong responses of {last['requests']:,}", 0, last["errors"])


def no_target(_result: Json) -> Iterator[Found]:
    """Check nothing."""
    return iter(())


class Part(NamedTuple):
    """Targets that one command measures; `store` is PostgreSQL if the command gets a PostgreSQL server."""

    command: list[str]
    judge: Callable[[Json], Iterator[Found]]
    store: str = "SQLite"


ONE_AND_TWO = ["run.py", "--servers", "authfactor:1,authfactor-2:2"]
BOTH = "authfactor,authfactor:2,authfactor-postgresql,authfactor-postgresql:2,usual_stack"
PARTS = {
    "start": Part(["startup.py"], start),
    "commits": Part(["commits.py"], commits),
    "keys": Part(["keys.py"], keys),
    "stack": Part(["run.py", "--connections", "16"], against_the_stack),
    "64": Part(
        ["run.py", "--servers", "authfactor", "--only", "enroll,challenge,verify", "--connections", "64"],
        at_64,
    ),
    "two": Part(
        [*ONE_AND_TWO, "--only", "get,challenge,verify", "--connections", "16", "--rounds", "10"],
        second_worker(1),
    ),
    "two-postgresql": Part(
        [*ONE_AND_TWO, "--only", "get,verify", "--connections", "32", "--share", "0.3"],
        second_worker(1.5),
        "PostgreSQL",
    ),
    "privacyidea": Part(
        ["run.py", "--servers", "authfactor,privacyidea", "--only", "enroll,verify", "--connections", "16"],
        against_privacyidea,
    ),
    "growth": Part(["growth.py"], growth, "PostgreSQL"),
    "soak": Part(["soak.py"], soak),
    # Both databases, one worker and two, and the usual stack: a table and a plot without targets.
    "both-stores": Part(
        ["run.py", "--servers", BOTH, "--plot", str(BENCH / "results" / "both-stores.png")],
        no_target,
        "PostgreSQL",
    ),
}


@contextlib.contextmanager
def database(given: str | None) -> Iterator[str]:
    """Yield the URL of a PostgreSQL server, which is started unless one is given."""
    if given:
        yield given
        return
    sys.path.insert(0, str(BENCH.parent))
    from tests.support.postgres_server import PostgresServer, find_programs  # noqa: PLC0415 - one that is given needs none

    server = PostgresServer(find_programs(), fsync="on", autovacuum="on", shared_buffers="256MB")
    try:
        server.start()
        yield server.url()
    finally:
        server.stop()


def measured(name: str, url: str) -> Json:
    """Run a part and return its result. Raises `subprocess.CalledProcessError` without one."""
    part = PARTS[name]
    command = [sys.executable, str(BENCH / part.command[0]), *part.command[1:], "--json"]
    if part.store == "PostgreSQL":
        command += ["--database-url", url]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    # A report for people may precede the JSON.
    starts = [at for at in (done.stdout.find("\n["), done.stdout.find("\n{")) if at >= 0]
    text = done.stdout if done.stdout.startswith(("{", "[")) else done.stdout[min(starts, default=0) :]
    try:
        result = json.loads(text)
    except json.JSONDecodeError:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout) from None
    if isinstance(result, dict) and "settings" in result:
        result["settings"]["store"] = part.store
    return result


def main() -> int:
    """Measure, check and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or some of: {', '.join(PARTS)}")
    parser.add_argument("--database-url", help="a PostgreSQL where databases may be made")
    parser.add_argument("--list", action="store_true", help="name each part and its command, and stop")
    given = parser.parse_args()
    if given.list:
        for name, part in PARTS.items():
            print(f"{name:<16} {' '.join(part.command)}")
        return 0
    wanted = given.parts or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    lines: list[tuple[str, Found]] = []
    needed = any(PARTS[name].store == "PostgreSQL" for name in wanted)
    with database(given.database_url) if needed else contextlib.nullcontext("") as url:
        for number, name in enumerate(wanted, 1):
            console.print(f"{number} of {len(wanted)}: {name}", style="bold")
            started = time.monotonic()
            result = measured(name, url)
            kept[name] = result
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
            judged = list(PARTS[name].judge(result))
            lines += [(name, found) for found in judged]
            missed = sum(not found.met for found in judged)
            console.print(f"{len(judged) - missed} of {len(judged)} met, {time.monotonic() - started:.0f} s")
    show(lines)
    return 0 if all(found.met for _, found in lines) else 1


def show(lines: list[tuple[str, Found]]) -> None:
    """Print a row for each target."""
    table = Table(title="targets")
    for heading in ("part", "target", "wanted", "found", ""):
        table.add_column(heading)
    for name, found in lines:
        style = None if found.met else "bold red"
        table.add_row(
            name, found.what, found.wanted, found.found, "met" if found.met else "MISSED", style=style
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as failed:
        sys.exit(f"targets: {' '.join(failed.cmd)} ended with {failed.returncode}\n{failed.output[-2000:]}")
