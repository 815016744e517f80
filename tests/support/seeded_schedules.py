"""Plays schedules that are drawn from seeds, and names the seed of one that fails."""

import os
from typing import Protocol


class Schedule(Protocol):
    def play(self) -> None: ...


class ScheduleType(Protocol):
    """A class of schedules; racy ones run on a store whose single-use writes ignore other transactions."""

    def __call__(self, seed: int, *, racy: bool) -> Schedule: ...


def play(schedule: ScheduleType, seeds: range, *, racy: bool = False) -> None:
    for seed in seeds:
        try:
            schedule(seed, racy=racy).play()
        except AssertionError as error:
            repeat = f"schedule seed {seed}; repeat it: SIMULATION_SEED={seed} pytest tests/reliability"
            raise AssertionError(f"{repeat}: {error}") from error


def seeds(count: int, *, first: int = 0) -> range:
    """Return as many seeds, from `SIMULATION_SEED` if it is set."""
    first = int(os.environ.get("SIMULATION_SEED", first))
    return range(first, first + count)
