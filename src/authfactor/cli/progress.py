"""Progress on standard error: one bar that names the current step, for commands that may take seconds."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress

# A command that ends sooner shows no bar, and loads nothing that draws one.
DELAY_SECONDS = 0.5
_WIDE = 60


class Report(Protocol):
    """Called with the state of a command."""

    def __call__(self, step: str, done: int = 0, total: int | None = None, /) -> None:
        """`step` has handled `done` of `total` parts; without a total, how many there are is unknown."""


@contextlib.contextmanager
def bar(step: str, *, silent: bool) -> Iterator[Report]:
    """Show one bar until the end, and then remove it. It begins with `step`.

    It is drawn only if standard error is a terminal, and not if `silent`, which --json makes a command.
    """
    if silent or not sys.stderr.isatty():
        yield lambda *_: None
        return
    shown = _Bar(step)
    try:
        yield shown.report
    finally:
        shown.close()


def adding(report: Report, step: str, total: int) -> Callable[[int], None]:
    """Begin a step, and return a function that adds what has been done since its last call."""
    done = 0
    report(step, done, total)

    def add(count: int) -> None:
        nonlocal done
        done += count
        report(step, done, total)

    return add


class _Bar:
    """A bar that appears after `DELAY_SECONDS`, drawn by a thread of its own."""

    def __init__(self, step: str) -> None:
        self._state: tuple[str, int, int | None] = (step, 0, None)
        self._lock = threading.Lock()
        self._drawn: Progress | None = None
        self._closed = False
        self._timer = threading.Timer(DELAY_SECONDS, self._show)
        self._timer.daemon = True
        self._timer.start()

    def report(self, step: str, done: int = 0, total: int | None = None, /) -> None:
        with self._lock:
            changed, self._state = step != self._state[0], (step, done, total)
            if self._drawn is not None:
                self._update(self._drawn, changed=changed)

    def close(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._closed = True
            if self._drawn is not None:
                self._drawn.stop()
        self._timer.join()

    def _show(self) -> None:
        drawn = _make()
        with self._lock:
            if self._closed:
                return
            drawn.add_task("")
            self._update(drawn, changed=True)
            drawn.start()
            self._drawn = drawn

    def _update(self, drawn: Progress, *, changed: bool) -> None:
        step, done, total = self._state
        (task,) = drawn.tasks
        if changed:
            # `reset` also forgets the speed of the step before. None would leave the total unchanged.
            task.total = total
            drawn.reset(task.id, description=step)
        drawn.update(task.id, total=total, completed=done, amount=_amount(done, total))


def _amount(done: int, total: int | None) -> str:
    if not total:
        return f"{done:,}" if done else ""
    return f"{min(100, done * 100 // total)} %"


def _make() -> Progress:
    """Return a bar that fits in one line of any terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    console = Console(stderr=True)
    name = Column(no_wrap=True, overflow="ellipsis", max_width=max(8, console.width // 2))
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[amount]}", markup=False),
    ]
    if console.width >= _WIDE:
        columns.append(TimeRemainingColumn())
    # Standard output stays where it is: rich would print it on standard error.
    return Progress(*columns, console=console, transient=True, expand=True, redirect_stdout=False)
