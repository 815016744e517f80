"""Schedules of codes, resyncs and clock moves: no code is good twice, and no window ever grows."""

from typing import Final

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from authfactor.models import FactorRecord
from authfactor.rules.factors.clock_drift import LEARNED_STEPS, RESYNC_STEPS, drift_of, learn
from authfactor.settings import Settings

START: Final = 1_700_000_010
MOVES: Final = (1, 29, 30, 31, 60, 600, 86_400, 89 * 86_400, 91 * 86_400, -1, -30, -90, -3600)


class Learning(RuleBasedStateMachine):
    """One factor; `right` are the steps whose codes are accepted now."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.spent: set[int] = set()
        self.at_once: list[int] = []
        self.resynced = False

    @initialize(window=st.integers(0, 2), learn_drift=st.sampled_from([True, True, False]))
    def begin(self, window: int, learn_drift: bool) -> None:
        self.settings = Settings(window=window, learn_drift=learn_drift)
        self.factor = FactorRecord("auth_factor_1", "user_1", "Acme", "kim", "s", None, 0, 1, 1)

    @property
    def right(self) -> list[int]:
        middle = self.now // 30 + drift_of(self.factor, self.now, self.settings)
        window = range(middle - self.settings.window, middle + self.settings.window + 1)
        return [step for step in window if step > self.factor.last_step]

    @precondition(lambda self: self.right)
    @rule(at=st.integers(0, 4))
    def accept(self, at: int) -> None:
        step = self.right[min(at, len(self.right) - 1)]
        assert step not in self.spent, "a spent step became good again"
        drift, offset = learn(self.factor, step, self.now, self.settings)
        assert abs(drift - drift_of(self.factor, self.now, self.settings)) <= 1
        self.factor = msgspec.structs.replace(self.factor, last_step=step, drift=drift, last_offset=offset)
        self.spent.add(step)
        self.at_once.append(step)

    @precondition(lambda self: self.settings.learn_drift)
    @rule(first=st.integers(-RESYNC_STEPS, RESYNC_STEPS - 1))
    def resync(self, first: int) -> None:
        step = self.now // 30 + first
        if step <= self.factor.last_step:
            return
        self.factor = msgspec.structs.replace(self.factor, last_step=step + 1, drift=first + 1, last_offset=0)
        self.spent |= {step, step + 1}
        self.resynced = True

    @rule(seconds=st.sampled_from(MOVES))
    def move_the_clock(self, seconds: int) -> None:
        self.now += seconds
        self.at_once = []

    @invariant()
    def no_more_codes_are_right_than_without_learning(self) -> None:
        if not hasattr(self, "settings"):
            return
        width = 2 * self.settings.window + 1
        assert len(self.right) <= width
        assert not self.spent & set(self.right)
        if not self.resynced:
            assert len(self.at_once) <= width
            assert abs(self.factor.drift) <= LEARNED_STEPS
        assert abs(self.factor.drift) <= RESYNC_STEPS
        if not self.settings.learn_drift:
            assert set(self.right) <= {
                self.now // 30 + at for at in range(-self.settings.window, self.settings.window + 1)
            }


def test_no_schedule_makes_more_codes_right() -> None:
    run_state_machine_as_test(
        Learning, settings=settings(max_examples=150, stateful_step_count=40, deadline=None)
    )
