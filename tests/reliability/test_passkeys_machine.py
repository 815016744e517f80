"""Hypothesis drives passkeys on a real database, in both their roles, against their reference."""

import asyncio
import json
import random
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, rule

from authfactor import errors
from authfactor.testing.software_authenticator import Behavior, SoftwareAuthenticator
from authfactor.wire.requests import Authenticate
from tests.support.database_machine import DatabaseMachine
from tests.support.reference_passkeys import Key, PasskeyReference, Question, Signed

ORIGIN: Final = "https://auth.example.org"
ATTEMPTS: Final = 3
GRANT: Final = "urn:authfactor:oauth:grant-type:passkey"


class UsingPasskeys(DatabaseMachine):
    """Two users with passkeys that count or are synced, answers of every kind, a clock that moves."""

    keys = Bundle("keys")
    questions = Bundle("questions")
    answers = Bundle("answers")

    @initialize()
    def open(self) -> None:
        self._open(attempts_per_challenge=ATTEMPTS, base_url=ORIGIN)
        self.reference = PasskeyReference(ATTEMPTS)
        self.users = [self._user(f"user{number}@example.org") for number in range(2)]
        self.devices: dict[str, SoftwareAuthenticator] = {}
        self.options: dict[str, dict[str, Any]] = {}

    @rule(target=keys, user=st.integers(0, 1), synced=st.booleans())
    def register(self, user: int, synced: bool) -> str:
        if len(self.devices) >= 9:
            return next(iter(self.devices))
        device = SoftwareAuthenticator(random.Random(len(self.devices)).randbytes, backup_eligible=synced)
        user_id = self.users[user]
        begun = self._run(self.af.passkeys.begin(self.environment, user_id))
        body = json.dumps(device.create({**begun.public_key, "excludeCredentials": []}, ORIGIN)).encode()
        made = self._run(self.af.passkeys.finish(self.environment, user_id, begun.id, body))
        self.devices[made.factor.id] = device
        self.reference.keys[made.factor.id] = Key(user_id, synced, 1)
        return made.factor.id

    @rule(target=questions, key=keys)
    def challenge(self, key: str) -> str:
        try:
            made = self._run(self.af.challenges.create(self.environment, key))
        except errors.NotFound:
            assert self.reference.keys[key].removed
            return str(self.begin())
        assert made.public_key is not None
        self.options[made.id] = made.public_key
        self.reference.questions[made.id] = Question(self.reference.keys[key].user, self.now, key)
        return made.id

    @rule(target=questions)
    def begin(self) -> str:
        made = self.af.passkey_sign_in.begin(self.environment)
        self.options[made.id] = made.public_key
        self.reference.questions[made.id] = Question(None, self.now)
        return made.id

    @rule(target=answers, key=keys, question=questions, count=st.sampled_from([None, None, None, 0, 1, 3, 7]))
    def sign(self, key: str, question: str, count: int | None) -> tuple[Signed, str]:
        """Sign with the next count, or any other: the key of whichever user, asked for or not."""
        return self._signed(key, question, count, present=True)

    @rule(target=answers, key=keys, question=questions)
    def sign_without_a_user(self, key: str, question: str) -> tuple[Signed, str]:
        return self._signed(key, question, None, present=False)

    def _signed(self, key: str, question: str, count: int | None, *, present: bool) -> tuple[Signed, str]:
        device = self.devices[key]
        options = {**self.options[question], "allowCredentials": []}
        (credential,) = device.credentials.values()
        if count is not None:
            credential.counter = count - 1
        text = json.dumps(device.get(options, ORIGIN, Behavior(user_present=present)))
        return Signed(key, question, credential.counter, present), text

    @rule(answer=answers)
    def send(self, answer: tuple[Signed, str]) -> None:
        """Send an answer to its own question, for the first time or again."""
        self._send(answer[0].question, answer)

    @rule(answer=answers, question=questions)
    def send_elsewhere(self, answer: tuple[Signed, str], question: str) -> None:
        self._send(question, answer)

    @rule(answer=answers)
    def send_eight_times_at_once(self, answer: tuple[Signed, str]) -> None:
        signed, text = answer
        expected = [self.reference.answer(signed.question, signed, self.now) for _ in range(8)]
        units = [self._answering(signed.question, text) for _ in range(8)]

        async def all_of_them() -> list[str]:
            return await asyncio.gather(*units)

        found = self.loop.run_until_complete(all_of_them())
        assert sorted(found) == sorted(expected)

    def _send(self, question: str, answer: tuple[Signed, str]) -> None:
        signed, text = answer
        expected = self.reference.answer(question, signed, self.now)
        assert self.loop.run_until_complete(self._answering(question, text)) == expected

    async def _answering(self, question: str, text: str) -> str:
        if self.reference.questions[question].user is not None:
            try:
                outcome = await self.af.run(self.af.challenges.verify(self.environment, question, text))
            except (errors.ChallengeRefused, errors.NotFound):
                return "refused"
            return "valid" if outcome.valid else str(outcome.reason)
        request = Authenticate(
            grant_type=GRANT,
            authentication_id=question,
            credential=json.loads(text),
            ip_address="203.0.113.9",
        )
        try:
            unit = await self.af.passkey_sign_in.prepare(self.af.store, self.environment, request)
            signed_in = await self.af.run(unit)
        except errors.SignInRefused as refused:
            return refused.reason or "refused"
        assert signed_in.user.id in self.users
        return "valid"

    @rule(key=keys)
    def remove(self, key: str) -> None:
        if not self.reference.keys[key].removed:
            self._run(self.af.factors.delete(self.environment, key))
            self.reference.keys[key].removed = True

    @rule(seconds=st.sampled_from([1, 30, 300, 599, 600, 3600, -30, -600]))
    def move_the_clock(self, seconds: int) -> None:
        self.now += seconds * 1000

    @invariant()
    def counts_and_states_are_the_same(self) -> None:
        if not hasattr(self, "reference"):
            return
        for user in self.users:
            for each in self._run(self.af.passkeys.of_user(self.environment, user)):
                known = self.reference.keys[each.factor_id]
                assert each.sign_count == known.count
                if not known.synced:
                    assert each.is_suspect == known.suspect


TestUsingPasskeys = pytest.mark.timeout(300)(UsingPasskeys.TestCase)
TestUsingPasskeys.settings = settings(max_examples=8, stateful_step_count=40, deadline=None)
