"""The results of a comparison: medians, ratios, a table, a JSON document."""

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.table import Table

from harness.environment import REPOSITORY
from harness.measure import Sample


@dataclass(frozen=True)
class Median:
    """One operation on one server over all valid rounds."""

    server: str
    operation: str
    connections: int
    rounds: int
    errors: int
    rate: float
    p50_us: float
    p99_us: float
    cpu_us: float
    resident_bytes: int


@dataclass(frozen=True)
class Row:
    """A row of the table: each server's medians, and the first server's ratio to each other one.

    None where a server does not have the operation.
    """

    operation: str
    connections: int
    medians: list[Median | None]
    ratios: list[float | None]


def middle(samples: Sequence[Sample]) -> Median:
    """Return the medians of the rounds without wrong responses."""
    first = samples[0]
    valid = [sample for sample in samples if not sample.errors]

    def of(name: str) -> float:
        return median(getattr(sample, name) for sample in valid) if valid else float("nan")

    return Median(
        server=first.server,
        operation=first.operation,
        connections=first.connections,
        rounds=len(valid),
        errors=sum(sample.errors for sample in samples),
        rate=of("rate"),
        p50_us=of("p50_us"),
        p99_us=of("p99_us"),
        cpu_us=of("cpu_us"),
        resident_bytes=max(sample.resident_bytes for sample in samples),
    )


def ratio(ours: Iterable[Sample], theirs: Iterable[Sample]) -> float | None:
    """Return the median ratio of the rates; a round's two runs are neighbors in time, so noise cancels."""
    other = {sample.round: sample.rate for sample in theirs if not sample.errors}
    pairs = [s.rate / other[s.round] for s in ours if not s.errors and other.get(s.round)]
    return median(pairs) if pairs else None


def rows(samples: Sequence[Sample], servers: Sequence[str]) -> list[Row]:
    """Group the samples by operation and connections, in the order of their first round."""
    lines = []
    for operation, connections in dict.fromkeys((s.operation, s.connections) for s in samples):
        groups = [
            [s for s in samples if (s.operation, s.connections, s.server) == (operation, connections, name)]
            for name in servers
        ]
        medians = [middle(group) if group else None for group in groups]
        lines.append(Row(operation, connections, medians, [ratio(groups[0], group) for group in groups[1:]]))
    return lines


def table(lines: Sequence[Row], servers: Sequence[str]) -> Table:
    """Return a table: per server the requests per second, latency and CPU per request, then the ratios."""
    title = "requests/s (p50 / p99 ms, server CPU µs per request)"
    drawn = Table(title=title, caption=f"Python {python_build()}")
    drawn.add_column("operation")
    drawn.add_column("conns", justify="right")
    for name in servers:
        drawn.add_column(name, justify="right")
    for name in servers[1:]:
        drawn.add_column(f"\N{MULTIPLICATION SIGN} {name}", justify="right")
    for line in lines:
        cells = [line.operation, str(line.connections)]
        for m in line.medians:
            if m is None:
                cells.append("-")
                continue
            wrong = f" {m.errors} WRONG" if m.errors else ""
            cells.append(
                f"{m.rate:,.0f} ({m.p50_us / 1000:.2f} / {m.p99_us / 1000:.2f}, {m.cpu_us:,.0f}){wrong}"
            )
        cells += ["-" if value is None else f"{value:.1f}" for value in line.ratios]
        drawn.add_row(*cells)
    return drawn


_BUILD = """
import os, platform, sys, sysconfig
given = sysconfig.get_config_var("CONFIG_ARGS") or ""
options = [name for name in ("--enable-optimizations", "--with-lto") if name in given]
print(platform.python_version(), os.path.realpath(sys.executable), *(options or ["no PGO or LTO recorded"]))
"""


def python_build() -> str:
    """Return version, path and recorded optimizations of the Python that runs our servers.

    Debian's is built with PGO and LTO without recording it.
    """
    python = str(REPOSITORY / ".venv" / "bin" / "python")
    done = subprocess.run([python, "-c", _BUILD], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def machine() -> dict[str, str | int | None]:
    """Return a description of the machine."""
    wrk_version = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "python": python_build(),
        "wrk": wrk_version.partition(" [")[0].strip(),
    }


def document(settings: dict[str, Any], samples: Sequence[Sample], lines: Sequence[Row]) -> dict[str, Any]:
    """Return all results as one JSON object."""
    return {
        "settings": settings,
        "machine": machine(),
        "rows": [asdict(line) for line in lines],
        "samples": [asdict(sample) for sample in samples],
    }
