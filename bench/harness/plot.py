"""Draw a comparison's rates as bars."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from harness.report import Row

OURS = ("#1f6feb", "#79b8ff", "#1a7f37", "#7bc98f")
PEERS = {"usual_stack": "#9aa4b2", "privacyidea": "#d4a72c"}


def draw(lines: Sequence[Row], servers: Sequence[str], path: Path) -> None:
    """Write a PNG: one panel per number of connections, one group of bars per operation.

    The label of the first server's bar is its ratio to the last server.
    """
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the backend must be chosen before
    from matplotlib.ticker import StrMethodFormatter  # noqa: PLC0415 - as above

    levels = list(dict.fromkeys(line.connections for line in lines))
    figure, panels = plt.subplots(1, len(levels), figsize=(4.6 * len(levels), 4), sharey=True, squeeze=False)
    highest = max(m.rate for line in lines for m in line.medians if m)
    width = 0.8 / len(servers)
    for panel, level in zip(panels[0], levels, strict=True):
        group = [line for line in lines if line.connections == level]
        for number, name in enumerate(servers):
            places = [at + number * width for at in range(len(group))]
            medians = [line.medians[number] for line in group]
            rates = [median.rate if median else 0 for median in medians]
            bars = panel.bar(
                places, rates, width * 0.95, label=name, color=PEERS.get(name, OURS[number % len(OURS)])
            )
            if number == 0 and len(servers) > 1:
                texts = [
                    "" if line.ratios[-1] is None else f"\N{MULTIPLICATION SIGN}{line.ratios[-1]:.1f}"
                    for line in group
                ]
                panel.bar_label(bars, texts, padding=2, fontsize=9)
        panel.set_title(f"{level} connection{'s' if level > 1 else ''}", fontsize=10)
        panel.set_xticks([at + width * (len(servers) - 1) / 2 for at in range(len(group))])
        panel.set_xticklabels([line.operation for line in group])
        panel.set_yscale("log")
        panel.set_ylim(10, highest * 2)
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", alpha=0.25)
        panel.set_axisbelow(True)
    panels[0][0].set_ylabel("requests per second (log)")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9, loc="upper center", ncols=len(servers))
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
