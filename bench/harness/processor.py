"""Limit processes to a share of a processor, so that one worker and two can be compared on a small machine.

On two processors the load generator, the database and two workers compete. With the same small share for each
worker, the ratio is that of workers with processors of their own (Linux control groups, as root).
"""

from collections.abc import Iterable
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
PERIOD_US = 10_000
"""Short, so that a worker that has used up its share waits only milliseconds."""


class NoControlGroups(Exception):
    """The system has no control groups for processors, or this user cannot create them."""


def limit(processes: Iterable[psutil.Process], share: float) -> None:
    """Limit each process, in a control group of its own, to a share of one processor.

    The empty groups are removed at the next call, because a group outlives its process.

    Raises:
        NoControlGroups: the groups cannot be created.
    """
    top = GROUPS / "cpu" if (GROUPS / "cpu").is_dir() else GROUPS
    quota = str(int(share * PERIOD_US))
    try:
        for left in top.glob("authfactor-bench-*"):
            if not (left / "cgroup.procs").read_text():
                left.rmdir()
        for process in processes:
            group = top / f"authfactor-bench-{process.pid}"
            group.mkdir()
            if top == GROUPS:
                (group / "cpu.max").write_text(f"{quota} {PERIOD_US}")
            else:
                (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (group / "cpu.cfs_quota_us").write_text(quota)
            (group / "cgroup.procs").write_text(str(process.pid))
    except OSError as error:
        message = f"no share of a processor can be set here: {error}"
        raise NoControlGroups(message) from error
