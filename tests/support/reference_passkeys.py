"""A reference of passkeys in its simplest form: which assertion is accepted, and why another one is not."""

from dataclasses import dataclass, field

LIFE = 600_000


@dataclass
class Key:
    """A registered passkey: its user, whether it is synced, and the count that is stored."""

    user: str
    synced: bool
    count: int
    suspect: bool = False
    removed: bool = False


@dataclass
class Question:
    """A challenge of a user, or a sign-in by a passkey alone, of no user."""

    user: str | None
    asked_at: int
    factor: str = ""
    attempts: int = 0
    closed: bool = False


@dataclass(frozen=True)
class Signed:
    """An assertion: the key that signed, what it signed, its count, and whether the user was there."""

    key: str
    question: str
    count: int
    present: bool


@dataclass
class PasskeyReference:
    """Keys by factor id, questions by id."""

    attempts: int
    keys: dict[str, Key] = field(default_factory=dict)
    questions: dict[str, Question] = field(default_factory=dict)

    def is_over(self, question: Question, now: int) -> bool:
        if question.user is None:
            return abs(now - question.asked_at) >= LIFE
        if self.keys[question.factor].removed:
            return True
        return question.asked_at + LIFE <= now

    def answer(self, question_id: str, signed: Signed, now: int) -> str:
        """Return `valid`, `refused` for a question that takes no answer, or the reason."""
        question = self.questions[question_id]
        if self.is_over(question, now):
            return "refused"
        if question.user is not None:
            if question.closed or question.attempts >= self.attempts:
                return "refused"
            question.attempts += 1
        outcome = self._judge(question_id, question, signed)
        if question.user is None and outcome in {"valid", "webauthn_counter_not_growing"}:
            # The id is used before the passkey is counted.
            if question.closed:
                return "refused"
            question.closed = True
        if outcome == "webauthn_counter_not_growing":
            self.keys[signed.key].suspect = True
        if outcome == "valid":
            question.closed = True
            key = self.keys[signed.key]
            key.count = max(key.count, signed.count)
        return outcome

    def _judge(self, question_id: str, question: Question, signed: Signed) -> str:
        key = self.keys[signed.key]
        if signed.question != question_id:
            return "webauthn_challenge_mismatch"
        if not signed.present:
            return "webauthn_user_not_present"
        if key.removed:
            return "webauthn_credential_unknown"
        if question.user not in {None, key.user}:
            return "webauthn_credential_not_allowed"
        if not key.synced and (key.suspect or signed.count <= key.count):
            return "webauthn_counter_not_growing"
        return "valid"
