"""Hypothesis drives recovery codes beside six digits on a real database, against their reference."""

from typing import Any, Final, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from authfactor import errors
from authfactor.rules.maintenance.after_restore import AfterRestore
from authfactor.store import Unit
from tests.reliability.test_state_machine import Verifying
from tests.support.reference_recovery_codes import CodeSet, Kind, RecoveryReference, plain

T = TypeVar("T")
IMPORTED: Final[dict[Kind, list[list[str]]]] = {
    "guessable": [[f"k7x9q2{at}{each}" for each in "u345"] for at in range(2)],
    "long": [[f"f47ac10b-58cc-4372-a567-0e02b2c3d4{at}{each}" for each in "0123"] for at in range(2)],
}
UNKNOWN: Final = ["zzzz-zzzz-zzzz-zzzz", "zzzz9999", "ffffffff-ffff-ffff-ffff-ffffffffffff", "no code"]


class Recovering(Verifying):
    """The rules of six digits, and sets that are made, imported, replaced, spent and restored."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: dict[str, list[str]] = {}  # all that a user ever had, in the order of their sets

    @property
    def recovery(self) -> RecoveryReference:
        if not hasattr(self, "_recovery"):
            self._recovery = RecoveryReference(self.reference)
        return self._recovery

    def _has_active_factor(self, user: str) -> bool:
        owned = [factor for factor, owner in self._owners().items() if owner == user]
        return any(map(self.recovery.is_active, owned))

    def _owners(self) -> dict[str, str]:
        return getattr(self, "owners", {})

    def _replace(self, user: str, kind: Kind, unit: Unit[Any], codes: list[str] | None = None) -> None:
        try:
            made = self._run(unit)
        except errors.InvalidRequest:
            assert not self._has_active_factor(user)
            return
        assert self._has_active_factor(user)
        given = list(made.codes) if codes is None else codes
        self.recovery.replace(user, kind, given)
        self.codes.setdefault(user, []).extend(given)

    @rule(target=Verifying.challenges, user=st.integers(0, 1), kind=st.sampled_from([*IMPORTED, "ours"]))
    def challenge_with_codes(self, user: int, kind: Kind) -> str:
        """Open a challenge of an active factor of a user who has a set, and make what is missing."""
        user_id = self.users[user]
        if not self._has_active_factor(user_id):
            factor = self.enroll(user)
            self.answer(self.challenge(factor), 0)
        if user_id not in self.recovery.sets:
            if kind == "ours":
                self.make(user)
            else:
                self.import_set(user, kind, 0)
        owned = [factor for factor, owner in self._owners().items() if owner == user_id]
        active = [factor for factor in owned if self.recovery.is_active(factor)]
        return str(self.challenge((active or owned)[0]))

    @rule(user=st.integers(0, 1))
    def make(self, user: int) -> None:
        user_id = self.users[user]
        self._replace(user_id, "ours", self.af.recovery_codes.create(self.environment, user_id))

    @rule(user=st.integers(0, 1), kind=st.sampled_from(["guessable", "long"]), number=st.integers(0, 1))
    def import_set(self, user: int, kind: Kind, number: int) -> None:
        user_id, codes = self.users[user], IMPORTED[kind][number]
        unit = self.af.recovery_codes.import_set(self.environment, user_id, codes)
        self._replace(user_id, kind, unit, codes)

    @rule(challenge=Verifying.challenges, code=st.sampled_from(["000000", "", "12345", "\u0661" * 6]))
    def guess(self, challenge: str, code: str) -> None:
        """Guess codes of apps alone: eight digits may be one of an imported set, which `spend` tries."""
        self._verify(challenge, code)

    @rule(challenge=Verifying.challenges)
    def spend_good_one(self, challenge: str) -> None:
        """Use a code that is unused, and try it once more on the next challenge of the factor."""
        question = self.reference.questions[challenge]
        codes = self.recovery.sets.get(question.user, CodeSet("ours")).codes
        unused = [code for code, use in codes.items() if use is None]
        if unused:
            self._use(challenge, unused[0])
            self._use(str(self.challenge(question.factor)), unused[0])

    @rule(user=st.integers(0, 1))
    def import_the_same_again(self, user: int) -> None:
        """An import whose response was lost is repeated."""
        own = self.recovery.sets.get(self.users[user], CodeSet("ours"))
        if own.kind != "ours":
            number = next(at for at in (0, 1) if plain(IMPORTED[own.kind][at][0]) in own.codes)
            self.import_set(user, own.kind, number)

    @rule(challenge=Verifying.challenges, at=st.integers(0, 9), form=st.sampled_from(["{}", " {} "]))
    def spend(self, challenge: str, at: int, form: str) -> None:
        """Use any code that the user has or ever had: good, used, or of a replaced set."""
        codes = self.codes.get(self.reference.questions[challenge].user, UNKNOWN)
        self._use(challenge, form.format(codes[-1 - at % len(codes)].upper()))

    @rule(challenge=Verifying.challenges, other=st.integers(0, 1), at=st.integers(0, 9))
    def spend_anyones(self, challenge: str, other: int, at: int) -> None:
        codes = self.codes.get(self.users[other], UNKNOWN)
        self._use(challenge, codes[-1 - at % len(codes)])

    @rule(challenge=Verifying.challenges, text=st.sampled_from(UNKNOWN), times=st.sampled_from([1, 1, 1, 12]))
    def guess_a_recovery_code(self, challenge: str, text: str, times: int) -> None:
        for _ in range(times):
            self._use(challenge, text)

    @rule()
    def restore(self) -> None:
        marking = AfterRestore(lambda: self.now, self.af.settings, self.af.audit)
        marks = self.loop.run_until_complete(marking.mark(self.af.store, "a test"))
        assert marks.recovery_codes == sum(len(each.codes) for each in self.recovery.sets.values())
        self.recovery.restore(self._owners(), self.now)

    def _use(self, challenge: str, text: str) -> None:
        expected = self.recovery.verify(challenge, text, self.now)
        try:
            outcome = self._run(self.af.challenges.verify(self.environment, challenge, text))
        except errors.ChallengeRefused:
            assert expected == "refused"
            return
        if outcome.valid:
            assert ("repeated" if outcome.repeated else "valid") == expected
            user = self.reference.questions[challenge].user
            assert outcome.recovery_codes_remaining == self.recovery.remaining(user)
        else:
            assert ("malformed" if outcome.reason == "code_malformed" else "wrong") == expected

    @invariant()
    def counts_are_the_same(self) -> None:
        if not hasattr(self, "af"):
            return
        for user in self.users:
            count = self._run(self.af.recovery_codes.count(self.environment, user))
            assert count.remaining == self.recovery.remaining(user)


TestRecovering = Recovering.TestCase
TestRecovering.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
