"""Draw the results of `bench/growth.py` (JSON on standard input) as a PNG."""

import json
import sys
from pathlib import Path

import matplotlib as mpl


def main() -> None:
    """Draw a panel per database: latency by size, with a line per operation, and the bytes per factor."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the backend must be chosen before

    results = json.load(sys.stdin)
    path = Path(sys.argv[1])
    figure, panels = plt.subplots(
        1, len(results), figsize=(5.2 * len(results), 4), sharey=True, squeeze=False
    )
    for panel, result in zip(panels[0], results, strict=True):
        for operation, by_size in result["latency_us"].items():
            sizes = sorted(map(int, by_size))
            panel.plot(sizes, [by_size[str(size)] / 1000 for size in sizes], marker="o", label=operation)
        sizes = sorted(map(int, result["bytes_per_factor"]))
        used = ", ".join(f"{result['bytes_per_factor'][str(size)]:,}" for size in sizes)
        panel.set_title(f"{result['kind']} (bytes for each factor: {used})", fontsize=9)
        panel.set_xscale("log")
        panel.set_xlabel("factors (log)")
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    # After all panels are drawn, because they share an axis whose top depends on the slowest.
    panels[0][0].set_ylim(bottom=0)
    panels[0][0].set_ylabel("median latency, one client (ms)")
    panels[0][0].legend(frameon=False, fontsize=9)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
