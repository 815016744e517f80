"""A reference verifier of one-time codes in its simplest form: sequential, with lists and dicts.

It shares only the settings with the product. Under any interleaving, crash and clock, the product must return
the same as this verifier for the same attempts in the order of their commits.
"""

import re
from dataclasses import dataclass, field

from authfactor.settings import Settings
from tests.support import authenticator

MINUTE, DAY, MONTH = 60, 24 * 3600, 30 * 24 * 3600
FOREVER = 2**62
REPEAT = 30_000
ORDINARY = ("SHA1", 6, 30)


@dataclass
class UserState:
    """Times of wrong codes (seconds), how many in a row, and the end of the lock (milliseconds)."""

    wrong: list[int] = field(default_factory=list)
    in_a_row: int = 0
    locked_until: int = 0


@dataclass
class Drift:
    """How many steps a factor's window is moved, the side of its last code, and the last step spent."""

    steps: int = 0
    side: int = 0
    last: int = 0

    def forget(self, step: int, period: int, *, learning: bool) -> None:
        """Forget it after 90 days without a code, or where learning is off."""
        if not learning or step - self.last >= 90 * DAY // period:
            self.steps = self.side = 0

    def learn(self, offset: int) -> None:
        """Move toward a second code in a row on one side; away from 0 not beyond 2."""
        side = (offset > 0) - (offset < 0)
        moved = self.steps + side
        if side != 0 and side == self.side and (abs(moved) <= 2 or abs(moved) < abs(self.steps)):
            self.steps, self.side = moved, 0
        else:
            self.side = side


@dataclass
class Question:
    """A challenge: its user and factor, expiry (milliseconds) and attempts; when and by which code verified.

    `code` is forgotten when another one is tried while it would be repeated.
    """

    user: str
    factor: str
    expires_at: int
    tries: int = 0
    answered_at: int | None = None
    code: str | None = None


class Verifier:
    """Returns `valid`, `repeated`, `wrong` (counted), `malformed` (no code) or `refused` (not compared)."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.secrets: dict[str, str] = {}
        self.profiles: dict[str, tuple[str, int, int]] = {}
        """Algorithm, digits and seconds of a step, of imported factors."""
        self.last_step: dict[tuple[str, str], int] = {}
        """By user and secret: a code is good once, however many factors have its secret."""
        self.drift: dict[str, Drift] = {}
        self.users: dict[str, UserState] = {}
        self.questions: dict[str, Question] = {}

    def verify(self, question_id: str, code: str, now: int, read: Drift | None = None) -> str:
        """Return the answer. `read` is the drift that the attempt found before it waited its turn."""
        question = self.questions[question_id]
        state = self.users.setdefault(question.user, UserState())
        digits = code.replace(" ", "").replace("-", "")
        algorithm, length, period = self.profiles.get(question.factor, ORDINARY)
        well_formed = re.fullmatch(f"[0-9]{{6}}|[0-9]{{{length}}}", digits) is not None
        if question.answered_at is not None:
            in_time = abs(now - question.answered_at) <= REPEAT
            return self._again(question, digits) if well_formed and in_time else "refused"
        used_up = question.tries >= self.settings.attempts_per_challenge
        if question.expires_at <= now or state.locked_until > now or used_up:
            return "refused"
        if not well_formed:
            return "malformed"
        question.tries += 1
        step = now // 1000 // period
        secret = self.secrets[question.factor]
        last = self.last_step.get((question.user, secret), 0)
        drift = self.drift.setdefault(question.factor, Drift())
        found = read or Drift(drift.steps, drift.side, last)
        found.forget(step, period, learning=self.settings.learn_drift)
        middle = step + found.steps
        around = self.settings.window
        window = (
            range(middle - around, middle + around + 1) if period == 30 else range(middle - 1, middle + 1)
        )
        right = [at for at in window if authenticator.code_at(secret, at, algorithm, length) == digits]
        if right and max(right) > last:
            # A window with one side teaches nothing.
            offset = max(right) - middle if period == 30 else 0
            self._learn(drift, found, offset, overtaken=found.last != last)
            self.last_step[question.user, secret] = max(right)
            question.answered_at, question.code = now, digits
            state.in_a_row, state.locked_until = 0, 0
            return "valid"
        self._count_wrong(state, now)
        return "wrong"

    def _learn(self, drift: Drift, read: Drift, offset: int, *, overtaken: bool) -> None:
        """Learn from a code, unless another one was accepted since its attempt began."""
        if overtaken:
            drift.side = 0
            return
        drift.steps, drift.side = read.steps, read.side
        if self.settings.learn_drift:
            drift.learn(offset)

    def resync(self, factor: str, user: str, codes: list[str], now: int) -> str:
        """Return `resynced`, `wrong` (counted) or `refused` (not compared); the factor is active."""
        state = self.users.setdefault(user, UserState())
        if state.locked_until > now:
            return "refused"
        algorithm, length, period = self.profiles.get(factor, ORDINARY)
        secret, middle = self.secrets[factor], now // 1000 // period
        for step in range(middle + 19, middle - 21, -1):
            if codes == [authenticator.code_at(secret, step + at, algorithm, length) for at in (0, 1)]:
                if step <= self.last_step.get((user, secret), 0):
                    break
                self.last_step[user, secret] = step + 1
                self.drift[factor] = Drift(step + 1 - middle)
                state.in_a_row, state.locked_until = 0, 0
                return "resynced"
        self._count_wrong(state, now)
        return "wrong"

    def bring(self, factor: str, user: str, secret: str, profile: tuple[str, int, int], now: int) -> None:
        """Import a factor: no code up to now, window included, is good."""
        self.secrets[factor], self.profiles[factor] = secret, profile
        self.last_step[user, secret] = now // 1000 // profile[2] + self.settings.window

    def _count_wrong(self, state: UserState, now: int) -> None:
        state.in_a_row += 1
        state.wrong.append(now // 1000)
        state.locked_until = max(state.locked_until, self._lock(state, now))

    @staticmethod
    def _again(question: Question, digits: str) -> str:
        if digits == question.code:
            return "repeated"
        question.code = None
        return "refused"

    def _lock(self, state: UserState, now: int) -> int:
        settings, seconds, locks = self.settings, now // 1000, [0]

        def within(span: int) -> list[int]:
            return [at for at in state.wrong if at > seconds - span]

        if len(within(settings.lock_window)) >= settings.lock_after:
            locks.append(now + settings.lock_time * 1000)
        if len(within(DAY)) >= settings.failures_per_day:
            locks.append((within(DAY)[-settings.failures_per_day] + DAY) * 1000)
        over = len(within(MONTH)) - settings.doubling_after
        if over >= 0:
            locks.append(now + min(settings.lock_time * 2**over, settings.longest_wait) * 1000)
        if len(within(MONTH)) >= settings.failures_per_month:
            locks.append((within(MONTH)[-settings.failures_per_month] + MONTH) * 1000)
        if state.in_a_row >= settings.failures_in_a_row:
            locks.append(FOREVER)
        return max(locks)
