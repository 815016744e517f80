"""Seeded schedules of recovery codes beside six digits: the real rules on a simulated store."""

from typing import Final

import pytest

from authfactor.models import FactorRecord
from authfactor.otp.recovery_code import read_code
from authfactor.rules.factors import recovery_codes as rules
from tests.reliability.test_simulation import ENVIRONMENT, Schedule, _outcome_name
from tests.support.reference_recovery_codes import Kind, RecoveryReference, plain
from tests.support.seeded_schedules import play, seeds
from tests.support.simulated_recovery_codes import SimulatedCodes

SETS: Final[dict[Kind, tuple[int | None, list[str]]]] = {
    "ours": (None, ["0123-4567-89ab-cdef", "zyxw-vtsr-qpnm-kjhg", "aaaa-bbbb-cccc-dddd"]),
    "long": (80, ["f47ac10b58cc4372a567", "0e02b2c3d479f47ac10b", "58cc4372a5670e02b2c3"]),
    "guessable": (41, ["k7x9q2mu", "8vhu3rl6", "zp1c5wd4"]),
}
WRONG: Final = {"ours": "eeee-ffff-gggg-hhhh", "long": "ffffffffffffffffffff", "guessable": "zzzz9999"}
# A wrong code that is not counted against its challenge locks no row of it: the challenge may be closed, or
# found used up, before the answer is committed.
NOT_COUNTED: Final = {"wrong", "malformed", "refused", "repeated"}


class EveryFactorActive(RecoveryReference):
    """The reference for schedules, whose factors are all active."""

    def is_active(self, factor: str) -> bool:
        return factor in self.verifier.secrets


class Recovery(Schedule):
    """A schedule whose attempts are recovery codes as often as codes of the app."""

    def __init__(self, seed: int, *, racy: bool = False) -> None:
        super().__init__(seed, racy=racy)
        self.kind = self.chance.choice(list(SETS))
        bits, self.codes = SETS[self.kind]
        self.recovery = EveryFactorActive(self.reference)
        self.recovery.replace("user_1", self.kind, self.codes)
        simulated = SimulatedCodes(self.store, bits)
        vault = self.rules._vault
        for code in self.codes:
            typed = read_code(code)
            assert typed is not None
            simulated.insert(vault.digest(rules._PURPOSE, f"{ENVIRONMENT.number}\0user_1\0{typed.text}"))
        self.spent: list[str] = []

    def _code(self, challenge_id: str) -> str:
        if self.chance.random() < 0.5:
            return super()._code(challenge_id)
        return self.chance.choice([*self.codes, *self.codes, *WRONG.values()]).upper()

    def _expected(self, challenge_id: str, text: str, now: int) -> str:
        typed = read_code(text)
        if typed is None or typed.method == "totp":
            return self.reference.verify(challenge_id, text, now)
        return self.recovery.verify(challenge_id, text, now)

    def _round(self) -> None:
        attempts = []
        for _ in range(self.chance.randint(1, 5)):
            fresh = not self.challenges or self.chance.random() < 0.6
            challenge_id = self._challenge() if fresh else self.chance.choice(self.challenges)
            attempts.append((challenge_id, self._code(challenge_id), self.now))
        units = [self.rules.verify(ENVIRONMENT, challenge_id, code) for challenge_id, code, _ in attempts]

        def committed(number: int, outcome: object, _read: FactorRecord | None) -> None:
            challenge_id, code, now = attempts[number]
            expected, name = self._expected(challenge_id, code, now), _outcome_name(outcome)
            typed = read_code(code)
            counted = typed is not None and (
                typed.method == "totp" or (typed.imported and self.kind == "guessable")
            )
            concurrent = len(attempts) > 1 and not counted and {name, expected} <= NOT_COUNTED
            assert name == expected or concurrent, f"{code}: {outcome!r}, the reference says {expected}"
            if name == "valid" and typed is not None and typed.method != "totp":
                assert plain(code) not in self.spent, "a recovery code was accepted twice"
                self.spent.append(plain(code))

        self.store.run(units, committed, self.chance.choice((0.0, 0.0, 0.05)))
        self._compare_records()


def test_two_thousand_schedules_match_the_reference() -> None:
    play(Recovery, seeds(2000))


@pytest.mark.nightly
@pytest.mark.timeout(3000)
def test_fifty_thousand_schedules_match_the_reference() -> None:
    play(Recovery, seeds(50_000, first=1_000_000))


def test_the_simulation_detects_a_code_that_is_read_before_it_is_spent() -> None:
    with pytest.raises(AssertionError, match=r"schedule seed \d+; repeat it"):
        play(Recovery, range(3000), racy=True)
