"""Hypothesis drives trusted devices on a real database, against their reference."""

from typing import Any, Final, TypeVar

import jwt
import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    initialize,
    invariant,
    multiple,
    rule,
)

from authfactor import errors
from authfactor.models import MfaOptions, PendingSignIn
from authfactor.rules.authentication.opaque_tokens import token_hash
from authfactor.rules.authentication.session_state import BY_RECOVERY_CODE, BY_TOTP, ONE_STEP
from authfactor.rules.authentication.step_up import password_mark
from authfactor.rules.maintenance.after_restore import AfterRestore
from authfactor.rules.tenants.environments import options_of
from authfactor.rules.unit import Scope
from authfactor.store import Tx
from authfactor.wire.requests import Authenticate, EnrollUserFactor, UpdateUser
from authfactor.wire.trusted_devices import CreateTrustedDevice
from tests.support import authenticator
from tests.support.database_machine import DatabaseMachine
from tests.support.reference_trusted_devices import DeviceReference, Session, User

T = TypeVar("T")
HASHES: Final = ["$2b$04$" + first + "." * 52 for first in "./"]
REFUSED: Final = {
    "off": "trusted_devices_off",
    "unproven": "second_factor_required",
    "again": "trusted_device_exists",
    "ended": "session_not_active",
    "yes": "",
}
METHODS: Final = {"code": BY_TOTP, "recovery code": BY_RECOVERY_CODE, "password": ONE_STEP}
USERS: Final = st.integers(0, 1)
MOVES: Final = [1, 30_000, 59_999, 60_000, 60_001, 600_000, 600_001, 86_400_000, 31 * 86_400_000, -1, -90_000]


class Trusting(DatabaseMachine):
    """Two users who sign in by codes and by devices, all that ends a device, a clock that moves both ways."""

    sessions = Bundle("sessions")
    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.pending = 0

    @initialize(keep=st.sampled_from([False, False, True]))
    def open(self, keep: bool) -> None:
        self._open(
            password_change_ends_sessions=not keep,
            pending_factor_life=10**9,
            session_life=10**9,
        )
        self.reference = DeviceReference(password_ends_sessions=not keep)
        self.users = [self._user(f"user{number}@example.org") for number in range(2)]
        for number in range(2):
            self.add_factor(number)
        self.allow(True, 30)

    def _user(self, email: str) -> str:
        user = super()._user(email)
        self.reference.users[user] = User()
        return user

    @staticmethod
    def _compare(expected: object, found: object) -> None:
        assert found == expected

    @rule(target=sessions, user=USERS, proof=st.sampled_from(["code", "code", "code", *METHODS]))
    def sign_in(self, user: int, proof: str) -> str:
        """Start a session as the second step does."""
        user_id, now = self.users[user], self.now

        async def start() -> str:
            prepared = await self.af.sessions.prepare(
                self.af.store,
                self.environment,
                user_id,
                amr=METHODS[proof],
                now=now,
                ip_address=None,
                user_agent=None,
            )

            async def unit(tx: Tx) -> str:
                locked = await tx.users.lock(1, user_id)
                assert locked is not None
                await self.af.sessions.start(Scope(tx, self.environment, now), locked, prepared)
                return prepared.session.id

            return await self.af.run(unit)

        session = self.loop.run_until_complete(start())
        self.reference.sessions[session] = Session(user_id, proof, now)
        return session

    @rule(target=tokens, session=sessions)
    def make(self, session: str) -> str | MultipleResults[str]:
        expected = self.reference.may_make(session, self.now)
        request = CreateTrustedDevice(session)
        try:
            made = self._run(self.af.trusted_devices.create(self.environment, request))
        except (errors.Conflict, errors.InvalidRequest) as error:
            refused = error.code if isinstance(error, errors.Conflict) else error.items[0].code
            self._compare(REFUSED[expected], refused)
            return multiple()
        self._compare(expected, "yes")
        self.reference.make(session, made.device.id, made.token, self.now)
        return made.token

    @rule(target=tokens, user=USERS)
    def sign_in_and_make(self, user: int) -> str | MultipleResults[str]:
        """Make a device as an application does."""
        return self.make(self.sign_in(user, "code"))

    @rule(target=tokens, user=USERS)
    def make_ten(self, user: int) -> MultipleResults[str]:
        made = [self.sign_in_and_make(user) for _ in range(10)]
        return multiple(*(token for token in made if isinstance(token, str)))

    @rule(target=tokens, token=tokens, stranger=st.sampled_from([False, False, False, True]))
    def use(self, token: str, stranger: bool) -> str | MultipleResults[str]:
        """Sign in with a token: of its own user, and seldom of the other one."""
        known = self.reference.tokens.get(token)
        owner = self.users[0] if known is None else self.reference.devices[known.device].user
        user = next(each for each in self.users if each != owner) if stranger else owner
        following, session = self._use(user, token)
        expected = self.reference.sign_in(user, token, following or "missing", session, self.now)
        assert following == expected[1], expected
        return multiple() if following is None else following

    def _trusted(self, user: int) -> str:
        """Return an unspent token of a device that is trusted; make what is missing."""
        if not self.reference.allowed:
            self.allow(True, 30)
        if self.reference.names_factors:
            self.name_factors(False)
        if not self.reference.users[self.users[user]].factors:
            self.add_factor(user)
        for text, token in self.reference.tokens.items():
            of_user = self.reference.devices[token.device].user == self.users[user]
            if (
                of_user
                and token.spent_at is None
                and self.reference.status(token.device, self.now) == "active"
            ):
                return text
        made = self.sign_in_and_make(user)
        assert isinstance(made, str)
        return made

    @rule(target=tokens, user=USERS)
    def use_a_trusted_one(self, user: int) -> str | MultipleResults[str]:
        return self.use(self._trusted(user), False)

    @rule(target=tokens, user=USERS, after=st.sampled_from(MOVES), rotated=st.booleans())
    def use_twice(self, user: int, after: int, rotated: bool) -> str | MultipleResults[str]:
        """Use a token whose successor is unused, some time after it was spent."""
        token = self._trusted(user)
        assert isinstance(self.use(token, False), str)
        self.now += after
        return self.rotate(token) if rotated else self.use(token, False)

    @rule(target=tokens, user=USERS)
    def use_one_before_the_last(self, user: int) -> str | MultipleResults[str]:
        """Use a token whose successor has been used."""
        token = self._trusted(user)
        following = self.use(token, False)
        assert isinstance(following, str)
        self.use(following, False)
        return self.use(token, False)

    @rule(target=tokens, user=USERS, number=st.integers(0, 1))
    def use_with_the_earlier_password(self, user: int, number: int) -> str | MultipleResults[str]:
        """Use a device after the password was changed and changed back."""
        self.change_password(user, number)
        token = self._trusted(user)
        self.change_password(user, 1 - number)
        self.change_password(user, number)
        return self.use(token, False)

    def _use(self, user_id: str, token: str) -> tuple[str | None, str]:
        """Send a token as the code of a second step; return the next token and the session."""
        self.pending += 1
        pending_token = f"pending {self.pending}"

        async def begin(tx: Tx) -> None:
            user = await tx.users.by_id(1, user_id)
            assert user is not None
            mark = password_mark(user.password_hash)
            pending = PendingSignIn(user_id, mark, self.now, self.now + 600_000, None)
            await tx.pending_sign_ins.insert(1, token_hash(pending_token), pending)

        async def answer() -> tuple[str | None, str]:
            request = Authenticate(code=token, pending_authentication_token=pending_token)
            unit = await self.af.second_step.prepare(self.af.store, self.environment, request)
            signed_in = await self.af.run(unit)
            assert signed_in.trusted_device is not None
            claims = jwt.decode(signed_in.access_token, options={"verify_signature": False})
            assert claims["amr"] == ["pwd", "trusted_device"]
            return signed_in.trusted_device.token, claims["sid"]

        self._run(begin)
        try:
            return self.loop.run_until_complete(answer())
        except errors.SignInRefused as refused:
            self._compare((refused.code, refused.reason), ("invalid_one_time_code", "device_not_trusted"))
            return None, ""

    @rule(target=tokens, token=tokens)
    def rotate(self, token: str) -> str | MultipleResults[str]:
        known = self.reference.tokens.get(token)
        owner = self.users[0] if known is None else self.reference.devices[known.device].user
        try:
            unit = self.af.trusted_devices.rotate(self.environment, token)
            following: str | None = self._run(unit).token
        except errors.SignInRefused:
            following = None
        expected = self.reference.use(owner, token, following or "missing", self.now)
        assert following == expected[1], expected
        return multiple() if following is None else following

    @rule(user=USERS, text=st.sampled_from(["td_", "td_junk", "td_01HF8000000000000000000000.AAAA"]))
    def guess(self, user: int, text: str) -> None:
        assert self._use(self.users[user], text)[0] is None

    @rule(user=USERS, number=st.integers(0, 1))
    def change_password(self, user: int, number: int) -> None:
        """Import a hash, often the previous one."""
        request = UpdateUser(password_hash=HASHES[number], password_hash_type="bcrypt")
        update = self.af.users.prepare_update(self.environment, self.users[user], request)
        self._run(self.loop.run_until_complete(update))
        self.reference.change_password(self.users[user], HASHES[number], self.now)

    def _enroll(self, user: int) -> tuple[str, str] | None:
        request = EnrollUserFactor(type="totp")
        try:
            made = self._run(self.af.factors.enroll(self.environment, self.users[user], request))
        except errors.InvalidRequest:  # the user already has ten factors
            return None
        return made.factor.id, made.secret

    @rule(user=USERS)
    def add_factor(self, user: int) -> None:
        enrolled = self._enroll(user)
        if enrolled is not None:
            factor, secret = enrolled
            self._verify(factor, authenticator.code_at(secret, self.now // 30_000))
            self.reference.add_factor(self.users[user], factor)

    def _verify(self, factor: str, code: str) -> None:
        challenge = self._run(self.af.challenges.create(self.environment, factor))
        assert self._run(self.af.challenges.verify(self.environment, challenge.id, code)).valid

    @rule(user=USERS, at=st.integers(0, 9))
    def delete_factor(self, user: int, at: int) -> None:
        owned = sorted(self.reference.users[self.users[user]].factors)
        if owned:
            factor = owned[-1 - at % len(owned)]
            self._run(self.af.factors.delete(self.environment, factor))
            self.reference.delete_factor(self.users[user], factor, self.now)

    @rule(user=USERS)
    def add_and_delete_a_factor(self, user: int) -> None:
        """After it the user has the earlier factors."""
        self.add_factor(user)
        self.delete_factor(user, 0)

    @rule(user=USERS)
    def delete_a_pending_factor(self, user: int) -> None:
        enrolled = self._enroll(user)
        if enrolled is not None:
            self._run(self.af.factors.delete(self.environment, enrolled[0]))

    @rule(user=USERS)
    def reset(self, user: int) -> None:
        self._run(self.af.factors.reset(self.environment, self.users[user]))
        self.reference.delete_all_factors(self.users[user], self.now)

    @rule(user=USERS)
    def use_a_recovery_code(self, user: int) -> None:
        user_id = self.users[user]
        owned = sorted(self.reference.users[user_id].factors)
        if owned and not self.reference.names_factors:
            codes = self._run(self.af.recovery_codes.create(self.environment, user_id)).codes
            self._verify(owned[0], codes[0])
            self.reference.end_all(user_id, self.now)

    @rule(user=USERS, at=st.integers(0, 9))
    def revoke(self, user: int, at: int) -> None:
        user_id = self.users[user]
        names = sorted(name for name, each in self.reference.devices.items() if each.user == user_id)
        if names:
            name = names[-1 - at % len(names)]
            self._run(self.af.trusted_devices.revoke(self.environment, user_id, name))
            self.reference.end(name)

    @rule(user=USERS)
    def revoke_all(self, user: int) -> None:
        count = self._run(self.af.trusted_devices.revoke_all(self.environment, self.users[user]))
        assert count == self.reference.end_all(self.users[user], self.now)

    @rule(user=USERS)
    def end_all_sessions(self, user: int) -> None:
        user_id, now = self.users[user], self.now

        async def unit(tx: Tx) -> None:
            assert await tx.users.lock(1, user_id) is not None
            await self.af.sessions.end_of_user(Scope(tx, self.environment, now), user_id)

        self._run(unit)
        self.reference.end_sessions(user_id, now)

    @rule(allowed=st.sampled_from([True, True, True, False]), days=st.sampled_from([1, 30, 90]))
    def allow(self, allowed: bool, days: int) -> None:
        policy = "allowed" if allowed else "off"
        self._set_options(trusted_devices=policy, trusted_device_days=days)
        self.reference.allow(allowed=allowed, days=days)

    @rule()
    def forbid_for_a_moment(self) -> None:
        self.allow(False, 30)
        self.allow(True, 30)

    @rule(named=st.sampled_from([True, False, False]))
    def name_factors(self, named: bool) -> None:
        self._set_options(mfa=MfaOptions(methods=("totp",)) if named else MfaOptions())
        self.reference.names_factors = named

    def _set_options(self, **changes: object) -> None:
        options = msgspec.structs.replace(options_of(self.environment), **changes)
        self.environment = self._run(self.af.environments.update(self.environment, options=options))

    @rule()
    def restore(self) -> None:
        marking = AfterRestore(lambda: self.now, self.af.settings, self.af.audit)
        marks = self.loop.run_until_complete(marking.mark(self.af.store, "a test"))
        assert marks.trusted_devices == self.reference.restore()

    @rule(milliseconds=st.sampled_from(MOVES))
    def move_the_clock(self, milliseconds: int) -> None:
        self.now += milliseconds

    @invariant()
    def devices_are_the_same(self) -> None:
        for user in getattr(self, "users", []):
            found = self._run(self.af.trusted_devices.list_of_user(self.environment, user))
            expected = {
                name: (self.reference.status(name, self.now), each.ended, each.last_used_at, each.expires_at)
                for name, each in self.reference.devices.items()
                if each.user == user
            }
            assert expected == {
                each.device.id: (
                    each.status,
                    each.device.ended_at is not None,
                    each.device.last_used_at,
                    each.device.expires_at,
                )
                for each in found
            }

    @invariant()
    def sessions_tokens_and_events_are_the_same(self) -> None:
        if not hasattr(self, "users"):
            return
        ended = self._all("SELECT id, ended_at IS NOT NULL FROM sessions ORDER BY id")
        sessions = self.reference.sessions.items()
        assert [(each, bool(over)) for each, over in ended] == sorted((k, v.ended) for k, v in sessions)
        tokens = self._all("SELECT device_id, spent_at FROM trusted_device_tokens")
        expected = [(each.device, each.spent_at) for each in self.reference.tokens.values()]
        assert sorted(map(repr, tokens)) == sorted(map(repr, expected))
        names = self._all("SELECT name FROM events WHERE name LIKE 'authfactor.trusted_device_%'")
        found = [name.removeprefix("authfactor.trusted_device_") for (name,) in names]
        assert sorted(found) == sorted(self.reference.events)

    def _all(self, statement: str) -> list[tuple[Any, ...]]:
        async def read(tx: Tx) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await tx.db.all(statement)]

        return self.loop.run_until_complete(self.af.read(read))


TestTrusting = Trusting.TestCase
TestTrusting.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestTrusting = pytest.mark.timeout(400)(TestTrusting)  # time to shrink a failure
