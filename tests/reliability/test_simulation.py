"""Seeded schedules: the real rules on a simulated store, against the reference verifier."""

import random
from typing import Final

import pytest

from authfactor import errors
from authfactor.crypto.vault import Vault, key_of
from authfactor.ids import IdGenerator
from authfactor.models import ChallengeRecord, Environment, FactorRecord, FailureRecord, Verification
from authfactor.otp import base32
from authfactor.rules.authentication.session_raising import SessionRaising
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.factors import attempt_limits
from authfactor.rules.factors.challenges import Challenges
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.rules.factors.passkey_challenges import PasskeyChallenges
from authfactor.rules.factors.recovery_codes import RecoveryCodeSets
from authfactor.settings import Settings
from tests.support import authenticator
from tests.support.reference_verifier import Drift, Question, Verifier
from tests.support.seeded_schedules import play, seeds
from tests.support.simulated_store import SimulatedStore, no_messages

START: Final = 1_700_000_010_000
ENVIRONMENT: Final = Environment(1, "client", "one", "Acme", "if_enrolled", "{}", 0, 0)
# Small numbers, so that a short schedule reaches every limit.
SETTINGS: Final = Settings(
    attempts_per_challenge=3,
    lock_after=4,
    lock_time=60,
    lock_window=120,
    doubling_after=6,
    longest_wait=600,
    failures_per_month=12,
    failures_in_a_row=10,
)
# The last factor is a duplicate of the first, as older releases enrolled them.
SECRETS: Final = (
    *("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
    "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
)
MALFORMED: Final = ("", "12345", "abcdef")
NOT_COUNTED: Final = {"malformed", "refused"}


def _no_passkeys() -> PasskeyChallenges:
    raise AssertionError("no schedule has a passkey")


class Schedule:
    """One user with two factors and a few rounds of concurrent attempts, drawn from one seed."""

    def __init__(self, seed: int, *, racy: bool = False) -> None:
        self.chance = random.Random(seed)
        self.now = START
        vault = Vault([key_of(self.chance.randbytes(32))], self.chance.randbytes)
        new_id = IdGenerator(lambda: self.now, self.chance.randbytes)
        log = EventLog(lambda: self.now, new_id, no_messages)
        recovery_codes = RecoveryCodeSets(lambda: self.now, self.chance.randbytes, vault, log)
        raising = SessionRaising(log, SETTINGS)
        self.rules = Challenges(
            lambda: self.now,
            new_id,
            vault,
            log,
            SETTINGS,
            lambda: recovery_codes,
            lambda: raising,
            _no_passkeys,
        )
        self.store = SimulatedStore(self.chance, racy=racy)
        self.reference = Verifier(SETTINGS)
        self.accepted: list[tuple[str, str]] = []
        self.challenges: list[str] = []
        for secret in SECRETS:
            self._factor(secret, vault)

    def play(self) -> None:
        for _ in range(self.chance.randint(2, 5)):
            self._round()
            jumps = (0, 1, 5, 30, 61, 300, 900, 3600, 86_400, -5, -30, -300)
            self.now += 1000 * self.chance.choice(jumps)

    def _factor(self, secret: str, vault: Vault) -> None:
        factor_id = f"auth_factor_{len(self.reference.secrets)}"
        raw = base32.decode(secret, min_bytes=10)
        sealed = vault.seal(raw, secret_row(1, factor_id))
        row = FactorRecord(factor_id, "user_1", "Acme", "kim", sealed, START, 0, START, START)
        self.store.insert("factor", factor_id, row)
        self.reference.secrets[factor_id] = secret

    def _challenge(self) -> str:
        challenge_id = f"auth_challenge_{len(self.challenges)}"
        factor_id = self.chance.choice(list(self.reference.secrets))
        row = ChallengeRecord(challenge_id, factor_id, 0, self.now, self.now + 600_000, None)
        self.store.insert("challenge", challenge_id, row)
        self.reference.questions[challenge_id] = Question("user_1", factor_id, row.expires_at)
        self.challenges.append(challenge_id)
        return challenge_id

    def _round(self) -> None:
        attempts = []
        for _ in range(self.chance.randint(1, 5)):
            fresh = not self.challenges or self.chance.random() < 0.6
            challenge_id = self._challenge() if fresh else self.chance.choice(self.challenges)
            attempts.append((challenge_id, self._code(challenge_id), self.now))
        units = [self.rules.verify(ENVIRONMENT, challenge_id, code) for challenge_id, code, _ in attempts]

        def committed(number: int, outcome: object, read: FactorRecord | None) -> None:
            challenge_id, code, now = attempts[number]
            found = None if read is None else Drift(read.drift, read.last_offset, read.last_step)
            expected = self.reference.verify(challenge_id, code, now, found)
            name = _outcome_name(outcome)
            # What cannot be a code locks no row: it may be answered as before another unit's commit.
            concurrent = len(attempts) > 1 and code in MALFORMED and {name, expected} <= NOT_COUNTED
            assert name == expected or concurrent, (
                f"attempt {number}: {outcome!r}, the reference says {expected}"
            )
            if expected == "valid":
                secret = self.reference.secrets[self.reference.questions[challenge_id].factor]
                assert (secret, code) not in self.accepted, "a code was accepted twice"
                self.accepted.append((secret, code))

        self.store.run(units, committed, self.chance.choice((0.0, 0.0, 0.05)))
        self._compare_records()

    def _code(self, challenge_id: str) -> str:
        if self.chance.random() < 0.3:
            return f"{self.chance.randrange(10**6):06d}"
        if self.chance.random() < 0.1:
            return self.chance.choice(MALFORMED)
        if self.chance.random() < 0.3:
            return self.reference.questions[challenge_id].code or "000000"
        secret = self.reference.secrets[self.reference.questions[challenge_id].factor]
        step = self.now // 1000 // 30 + self.chance.choice((-3, -1, -1, 0, 0, 0, 1, 2))
        return authenticator.code_at(secret, step)

    def _compare_records(self) -> None:
        record = self.store.rows.get(("failures", "user_1"), FailureRecord((), 0, None))
        state = self.reference.users.get("user_1")
        if state is None:
            return
        assert record.in_a_row == state.in_a_row
        until = attempt_limits.locked_until(record, self.now) or 0
        assert until == (state.locked_until if state.locked_until > self.now else 0)


def _outcome_name(outcome: object) -> str:
    if isinstance(outcome, Verification):
        if outcome.valid:
            return "repeated" if outcome.repeated else "valid"
        return "malformed" if outcome.reason == "code_malformed" else "wrong"
    assert isinstance(outcome, errors.ChallengeRefused), outcome
    return "refused"


def test_five_thousand_schedules_match_the_reference_verifier() -> None:
    play(Schedule, seeds(5000))


@pytest.mark.nightly
@pytest.mark.timeout(3000)
def test_a_hundred_thousand_schedules_match_the_reference_verifier() -> None:
    play(Schedule, seeds(100_000, first=1_000_000))


def test_the_simulation_detects_a_read_before_write_race() -> None:
    with pytest.raises(AssertionError, match=r"schedule seed \d+; repeat it"):
        play(Schedule, range(3000), racy=True)
