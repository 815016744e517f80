"""Seeded schedules of a trusted device's tokens: the real rules on a simulated store."""

import random
from types import SimpleNamespace
from typing import Any, Final, cast

import msgspec
import pytest

from authfactor import errors
from authfactor.crypto.vault import Vault, key_of
from authfactor.ids import IdGenerator
from authfactor.models import (
    Environment,
    EnvironmentOptions,
    FactorRecord,
    IssuedDeviceToken,
    TrustedDeviceRecord,
    TrustedDeviceToken,
    UserRecord,
)
from authfactor.rules.authentication.opaque_tokens import token_hash
from authfactor.rules.authentication.trusted_device_endings import end_devices
from authfactor.rules.authentication.trusted_device_tokens import _PURPOSE, _bound
from authfactor.rules.authentication.trusted_devices import TrustedDevices
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope
from authfactor.store import Tx, Unit
from tests.support.reference_trusted_devices import DAY, Device, DeviceReference, Session, Token, User
from tests.support.seeded_schedules import play, seeds
from tests.support.simulated_store import SimulatedStore, no_messages
from tests.support.simulated_trusted_devices import USER, SimulatedDevices

START: Final = 1_700_000_010_000
OPTIONS: Final = msgspec.json.encode(EnvironmentOptions(trusted_devices="allowed")).decode()
ENVIRONMENT: Final = Environment(1, "client", "one", "Acme", "if_enrolled", OPTIONS, 0, 0)
FACTOR: Final = FactorRecord("auth_factor_0", USER, "Acme", "kim", "", START, 0, START, START)
ENDINGS: Final = ("revoke", "recovery code")
PREFIX: Final = "authfactor.trusted_device_"


class Schedule:
    """Two devices of one user, and a few rounds of concurrent uses and endings, drawn from one seed."""

    def __init__(self, seed: int, *, racy: bool = False) -> None:
        self.chance = random.Random(seed)
        self.now = START
        self.vault = Vault([key_of(self.chance.randbytes(32))], self.chance.randbytes)
        new_id = IdGenerator(lambda: self.now, self.chance.randbytes)
        self.log = EventLog(lambda: self.now, new_id, no_messages)
        self.store = SimulatedStore(self.chance, racy=racy)
        self.user = _user()
        tables = SimulatedDevices(self.store, self.user, [FACTOR])
        sessions: Any = SimpleNamespace(end_of_device=tables.end_of_device)
        self.rules = TrustedDevices(
            lambda: self.now, self.chance.randbytes, new_id, self.vault, self.log, sessions, cast("Any", None)
        )
        self.reference = DeviceReference(allowed=True)
        self.reference.users[USER] = User(factors=frozenset({FACTOR.id}))
        for number in range(2):
            self._device(f"trusted_device_{number}", f"td_{number}")

    def _device(self, name: str, token: str) -> None:
        """Insert a device with a token and a session that it started."""
        scope, until = Scope(self.store.tx, ENVIRONMENT, self.now), self.now + 30 * DAY
        mark = self.vault.digest(_PURPOSE, _bound(scope, self.user, [FACTOR], name))
        row = TrustedDeviceRecord(name, USER, name, mark, None, None, None, self.now, None, until, None)
        self.store.insert("device", name, row)
        self.store.insert("token", token_hash(token).hex(), TrustedDeviceToken(name, self.now, None, None))
        self.store.insert("session", f"session of {name}", name)
        factors = self.reference.users[USER].factors
        self.reference.devices[name] = Device(USER, name, "", factors, self.now, until)
        self.reference.tokens[token] = Token(name)
        self.reference.sessions[f"session of {name}"] = Session(USER, "device", self.now, name)

    def play(self) -> None:
        for _ in range(self.chance.randint(2, 6)):
            self._round()
            self.now += self.chance.choice((0, 1, 5_000, 59_000, 60_000, 60_001, 600_000, -5_000, -90_000))

    def _round(self) -> None:
        attempts = [self._attempt() for _ in range(self.chance.randint(1, 5))]
        now, ended = self.now, any(attempt in ENDINGS for attempt in attempts)

        def committed(number: int, outcome: object, _: FactorRecord | None) -> None:
            attempt = attempts[number]
            if attempt == "revoke":
                self.reference.end("trusted_device_0")
                return
            if attempt == "recovery code":
                self.reference.end_all(USER, now)
                return
            found = outcome.token if isinstance(outcome, IssuedDeviceToken) else None
            assert found is not None or isinstance(outcome, errors.SignInRefused), repr(outcome)
            spent_before = attempt in self.reference.tokens and self.reference.tokens[attempt].spent_at
            answer, expected = self.reference.use(USER, attempt, found or "missing", now)
            # A spent token locks no row of the device, which a recovery code may end before the answer is
            # committed. The successor is of no use then.
            overtaken = ended and answer == "refused" and spent_before and found in self.reference.tokens
            assert found == expected or overtaken, f"{attempt}: {outcome!r}, the reference says {answer}"

        units = [self._unit(attempt) for attempt in attempts]
        self.store.run(units, committed, self.chance.choice((0.0, 0.0, 0.05)))
        self._compare()

    def _attempt(self) -> str:
        """Return a token, most often one of the last ones, or what ends devices."""
        if self.chance.random() < 0.05:
            return self.chance.choice(ENDINGS)
        if self.chance.random() < 0.05:
            return "td_junk"
        return self.chance.choice(list(self.reference.tokens)[-3:])

    def _unit(self, attempt: str) -> Unit[Any]:
        if attempt == "revoke":
            return self.rules.revoke(ENVIRONMENT, USER, "trusted_device_0")
        if attempt == "recovery code":
            now = self.now

            async def end(tx: Tx) -> int:
                return await end_devices(Scope(tx, ENVIRONMENT, now), self.log, USER, "recovery_code_used")

            return end
        return self.rules.rotate(ENVIRONMENT, attempt)

    def _compare(self) -> None:
        rows = self.store.rows
        for name, device in self.reference.devices.items():
            row = rows["device", name]
            assert (row.ended_at is not None, row.last_used_at) == (device.ended, device.last_used_at), name
        for name, session in self.reference.sessions.items():
            assert (rows["session", name] == "ended") == session.ended, name
        spent = {token_hash(text).hex(): each.spent_at for text, each in self.reference.tokens.items()}
        assert spent == {key: row.spent_at for (table, key), row in rows.items() if table == "token"}
        names = [row.removeprefix(PREFIX) for (table, _), row in rows.items() if table == "event"]
        assert sorted(names) == sorted(self.reference.events)


def _user() -> UserRecord:
    return UserRecord(
        id=USER,
        email="kim@example.org",
        email_verified=True,
        first_name=None,
        last_name=None,
        name=None,
        profile_picture_url=None,
        external_id=None,
        metadata="{}",
        locale=None,
        last_sign_in_at=None,
        created_at=START,
        updated_at=START,
        password_hash=None,
    )


def test_two_thousand_schedules_of_devices_match_the_reference() -> None:
    play(Schedule, seeds(2000))


@pytest.mark.nightly
@pytest.mark.timeout(3000)
def test_fifty_thousand_schedules_of_devices_match_the_reference() -> None:
    play(Schedule, seeds(50_000, first=1_000_000))


def test_the_simulation_detects_a_device_token_that_is_read_before_it_is_spent() -> None:
    with pytest.raises(AssertionError, match=r"schedule seed \d+; repeat it"):
        play(Schedule, range(3000), racy=True)
