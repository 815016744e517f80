"""A reference of recovery codes in its simplest form, beside the reference of six digits.

It keeps the sets in plain, and the pace of wrong codes as one time for each user. What it accepts changes the
state of the other reference: it closes questions and clears wrong codes.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from tests.support.reference_verifier import REPEAT, Question, UserState, Verifier

BURST: Final = 10
INTERVAL: Final = 6 * 60_000
OURS: Final = "[0-9a-hjkmnp-tv-z]{16}"
IMPORTED_SHAPE: Final = r"[0-9a-z]{8,40}"
Kind = Literal["ours", "long", "guessable"]


@dataclass(frozen=True)
class Use:
    """The question that a code has answered, and when (milliseconds)."""

    question: str
    at: int


@dataclass
class CodeSet:
    """A user's codes as they are typed without hyphens, each with its use."""

    kind: Kind
    codes: dict[str, Use | None] = field(default_factory=dict)


def plain(text: str) -> str:
    return text.replace(" ", "").replace("-", "").lower()


class RecoveryReference:
    """Returns what `Verifier` returns, for texts that are not six digits."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier
        self.sets: dict[str, CodeSet] = {}
        self.pace: dict[str, int] = {}

    def is_active(self, factor: str) -> bool:
        """Imported factors are active. Others become so by a code of the app, and by no recovery code."""
        questions = self.verifier.questions.values()
        return factor in self.verifier.profiles or any(
            each.factor == factor and each.answered_at is not None for each in questions
        )

    def replace(self, user: str, kind: Kind, codes: list[str]) -> None:
        """Replace a user's set. A used code that is imported again stays used."""
        old = self.sets.get(user, CodeSet("ours")).codes
        self.sets[user] = CodeSet(kind, {plain(code): old.get(plain(code)) for code in codes})

    def remaining(self, user: str) -> int:
        return sum(use is None for use in self.sets.get(user, CodeSet("ours")).codes.values())

    def restore(self, owners: dict[str, str], now: int) -> None:
        """Delete all sets, expire what is open, repeat nothing, and spend all steps up to now."""
        self.sets.clear()
        for question in self.verifier.questions.values():
            question.code = None
            if question.answered_at is None:
                question.expires_at = min(question.expires_at, now)
        step = now // 30_000 + self.verifier.settings.window
        for factor, user in owners.items():
            key = user, self.verifier.secrets[factor]
            self.verifier.last_step[key] = max(self.verifier.last_step.get(key, 0), step)

    def verify(self, question_id: str, text: str, now: int) -> str:
        question, code = self.verifier.questions[question_id], plain(text)
        own = self.sets.get(question.user, CodeSet("ours"))
        foreign = re.fullmatch(OURS, code) is None
        no_code = foreign and (own.kind == "ours" or re.fullmatch(IMPORTED_SHAPE, code) is None)
        if no_code or not self.is_active(question.factor):
            return self.verifier.verify(question_id, "", now)
        if foreign and own.kind == "guessable":
            return self._verify_guessable(question_id, question, own, code, now)
        use = own.codes.get(code)
        if question.answered_at is not None:
            again = use is not None and use.question == question_id and abs(now - use.at) <= REPEAT
            return "repeated" if again else "refused"
        if question.expires_at <= now:
            return "refused"
        if code not in own.codes or use is not None:
            return self._pace_wrong(question.user, now)
        self._answer(question_id, question, own, code, now)
        self.verifier.users.pop(question.user, None)
        self.pace.pop(question.user, None)
        return "valid"

    def _pace_wrong(self, user: str, now: int) -> str:
        free_at = max(self.pace.get(user, 0), now)
        if free_at > now + (BURST - 1) * INTERVAL:
            return "refused"
        self.pace[user] = free_at + INTERVAL
        return "wrong"

    def _verify_guessable(
        self, question_id: str, question: Question, own: CodeSet, code: str, now: int
    ) -> str:
        """Count and lock as six digits are counted and locked; repeat nothing."""
        state = self.verifier.users.setdefault(question.user, UserState())
        used_up = question.tries >= self.verifier.settings.attempts_per_challenge
        over = question.answered_at is not None or question.expires_at <= now
        if over or state.locked_until > now or used_up:
            return "refused"
        question.tries += 1
        if code in own.codes and own.codes[code] is None:
            self._answer(question_id, question, own, code, now)
            state.in_a_row, state.locked_until = 0, 0
            return "valid"
        state.in_a_row += 1
        state.wrong.append(now // 1000)
        state.locked_until = max(state.locked_until, self.verifier._lock(state, now))
        return "wrong"

    @staticmethod
    def _answer(question_id: str, question: Question, own: CodeSet, code: str, now: int) -> None:
        own.codes[code] = Use(question_id, now)
        question.answered_at, question.code = now, None
