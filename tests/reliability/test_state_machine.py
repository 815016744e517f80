"""Hypothesis drives the real core on a real database and compares every result with the reference."""

import hashlib
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, rule

from authfactor import errors
from authfactor.factor_files.entries import FactorEntry
from authfactor.models import FactorRecord, FailureRecord
from authfactor.otp import base32
from authfactor.otp.totp import PROFILES, CodeProfile
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.rules.factors.imports import Owner, WantedFactor
from authfactor.store import Tx, Unit
from authfactor.wire.clock_resync import ResyncFactor
from authfactor.wire.requests import EnrollUserFactor
from tests.support import authenticator
from tests.support.database_machine import DatabaseMachine
from tests.support.reference_verifier import ORDINARY, Question, UserState, Verifier

LIMITS: Final[dict[str, Any]] = {
    "attempts_per_challenge": 3,
    "lock_after": 4,
    "lock_window": 120,
    "lock_time": 60,
    "doubling_after": 6,
    "longest_wait": 600,
    "failures_per_month": 12,
    "failures_in_a_row": 9,
    "pending_factor_life": 10**9,
}


class Verifying(DatabaseMachine):
    """Two users with a few factors each, attempts of every kind, a clock that moves both ways."""

    factors = Bundle("factors")
    challenges = Bundle("challenges")

    @initialize(learn_drift=st.sampled_from([True, True, True, False]))
    def open(self, learn_drift: bool) -> None:
        self.reference = Verifier(self._open(learn_drift=learn_drift, **LIMITS))
        self.users = [self._user(f"user{number}@example.org") for number in range(2)]

    @rule(target=factors, user=st.integers(0, 1))
    def enroll(self, user: int) -> str:
        async def enroll() -> tuple[str, str]:
            request = EnrollUserFactor(type="totp")
            unit = self.af.factors.enroll(self.environment, self.users[user], request)
            made = await self.af.run(unit)
            return made.factor.id, made.secret

        try:
            factor_id, secret = self.loop.run_until_complete(enroll())
        except errors.InvalidRequest:  # the user already has ten factors
            return next(iter(self.reference.secrets))
        self.reference.secrets[factor_id] = secret
        self._owner(factor_id, self.users[user])
        return factor_id

    @rule(target=factors, user=st.integers(0, 1), profile=st.sampled_from(sorted(PROFILES)))
    def bring(self, user: int, profile: CodeProfile) -> str:
        raw = hashlib.sha256(str(len(self.reference.secrets)).encode()).digest()
        wanted = WantedFactor(Owner("id", self.users[user]), FactorEntry("line 1", raw, profile))
        (outcome,) = self._run(self.af.imports.run(self.environment, [wanted]))
        if outcome.status == "refused":  # the user already has ten factors
            return next(iter(self.reference.secrets))
        factor_id = outcome.factor_id or ""
        self.reference.bring(factor_id, self.users[user], base32.encode(raw), profile, self.now)
        self._owner(factor_id, self.users[user])
        (again,) = self._run(self.af.imports.run(self.environment, [wanted]))
        assert (again.status, again.factor_id) == ("exists", factor_id)
        return factor_id

    def _owner(self, factor_id: str, user: str) -> None:
        self.owners = {**getattr(self, "owners", {}), factor_id: user}

    @rule(target=challenges, factor=factors)
    def challenge(self, factor: str) -> str:
        made = self._run(self.af.challenges.create(self.environment, factor))
        self.reference.questions[made.id] = Question(self.owners[factor], factor, made.expires_at)
        return made.id

    @rule(challenge=challenges, ahead=st.sampled_from([-12, -2, -1, 0, 0, 0, 1, 2, 12]))
    def answer(self, challenge: str, ahead: int) -> None:
        factor = self.reference.questions[challenge].factor
        self._verify(challenge, self._code(factor, ahead))

    def _code(self, factor: str, ahead: int) -> str:
        """Return the code that a factor's phone shows so many steps from now."""
        algorithm, digits, period = self.reference.profiles.get(factor, ORDINARY)
        step = self.now // 1000 // period + ahead
        return authenticator.code_at(self.reference.secrets[factor], step, algorithm, digits)

    @rule(challenge=challenges, code=st.sampled_from(["000000", "", "12345", "\u0661" * 6, "00000000"]))
    def guess(self, challenge: str, code: str) -> None:
        self._verify(challenge, code)

    @rule(challenge=challenges, form=st.sampled_from(["{}", " {} ", "-{}"]))
    def answer_again(self, challenge: str, form: str) -> None:
        self._verify(challenge, form.format(self.reference.questions[challenge].code or "000000"))

    @rule(factor=factors)
    def enroll_again(self, factor: str) -> None:
        request = EnrollUserFactor(type="totp", totp_secret=self.reference.secrets[factor].lower())
        unit = self.af.factors.enroll(self.environment, self.owners[factor], request)
        with pytest.raises(errors.InvalidRequest) as refused:
            self._run(unit)
        assert [item.code for item in refused.value.items] == ["factor_already_enrolled"]

    @rule(target=factors, factor=factors)
    def add_duplicate(self, factor: str) -> str:
        """Add a factor with the same secret, as an older release did."""
        if factor in self.reference.profiles:  # no older release has such factors
            return factor
        secret, user = self.reference.secrets[factor], self.owners[factor]
        factor_id = f"auth_factor_{len(self.reference.secrets):026}"
        raw = base32.decode(secret, min_bytes=1)
        sealed = self.af.vault.seal(raw, secret_row(1, factor_id))
        spent = self.reference.last_step.get((user, secret), 0)
        row = FactorRecord(factor_id, user, "Acme", "kim", sealed, None, spent, self.now, self.now)

        async def insert(tx: Tx) -> None:
            await tx.factors.insert(1, row)
            await tx.db.run(
                "UPDATE factors SET secret_compared = 0 WHERE environment = 1 AND id = $1", row.id
            )

        self._run(insert)
        self.reference.secrets[factor_id] = secret
        self._owner(factor_id, user)
        return factor_id

    @rule(
        factor=factors, first=st.sampled_from([-20, -9, -1, 0, 4, 19, 20]), apart=st.sampled_from([1, 1, 2])
    )
    def resync(self, factor: str, first: int, apart: int) -> None:
        codes = [self._code(factor, first + at) for at in (0, apart)]
        try:
            outcome = "resynced"
            unit = self.af.clock_resync.resync(self.environment, factor, ResyncFactor(codes))
            self._run(unit)
        except errors.InvalidRequest as refused:
            if refused.items[0].code in {"factor_not_active", "clock_drift_off"}:
                return
            outcome = "wrong"
        except errors.TooManyAttempts:
            outcome = "refused"
        assert outcome == self.reference.resync(factor, self.owners[factor], codes, self.now)

    def _verify(self, challenge: str, code: str) -> None:
        expected = self.reference.verify(challenge, code, self.now)
        unit = self.af.challenges.verify(self.environment, challenge, code)
        try:
            outcome = self._run(unit)
        except errors.ChallengeRefused:
            assert expected == "refused"
            return
        if outcome.valid:
            assert ("repeated" if outcome.repeated else "valid") == expected
        else:
            assert ("malformed" if outcome.reason == "code_malformed" else "wrong") == expected

    @rule(seconds=st.sampled_from([1, 29, 30, 61, 120, 600, 3600, 86_400, 91 * 86_400, -30, -300, -3600]))
    def move_the_clock(self, seconds: int) -> None:
        self.now += seconds * 1000

    @rule(user=st.integers(0, 1))
    def unlock(self, user: int) -> None:
        self._run(self.af.users.unlock(self.environment, self.users[user]))
        self.reference.users.pop(self.users[user], None)

    @invariant()
    def locks_are_the_same(self) -> None:
        if not hasattr(self, "af"):
            return
        for user in self.users:
            record = self.loop.run_until_complete(self.af.read(self._record_of(user)))
            state = self.reference.users.get(user, UserState())
            until = max(record.locked_until or 0, self.now)
            assert until == max(state.locked_until, self.now)
            assert record.in_a_row == state.in_a_row

    @staticmethod
    def _record_of(user: str) -> Unit[FailureRecord]:
        return lambda tx: tx.failures.of(1, user)


TestVerifying = Verifying.TestCase
TestVerifying.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
