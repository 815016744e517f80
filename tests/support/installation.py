"""An open installation on a real database, and what an application does with it."""

from collections.abc import Callable
from typing import Any

from authfactor.core import Authfactor
from authfactor.models import (
    ChallengeRecord,
    Enrollment,
    Environment,
    FailureRecord,
    UserRecord,
    Verification,
)
from authfactor.otp import base32, totp
from authfactor.rules.factors.clock_drift import RESYNC_STEPS
from authfactor.store.sqlite.store import SqliteStore
from authfactor.wire.requests import CreateUser, EnrollFactor, EnrollUserFactor
from tests.support import databases
from tests.support.clock import FakeClock

Opener = Callable[..., Any]


class Installation:
    """One method for each thing that an application does with an installation."""

    def __init__(
        self, af: Authfactor, clock: FakeClock, environment: Environment, other: Environment
    ) -> None:
        self.af = af
        self.clock = clock
        self.environment = environment
        self.other = other
        self._users = 0

    async def user(self, email: str = "", **fields: Any) -> UserRecord:  # noqa: ANN401 - any field
        self._users += 1
        email = email or f"user{self._users}@example.com"
        return await self.af.run(
            await self.af.users.prepare_create(self.environment, CreateUser(email=email, **fields))
        )

    async def enroll(self, user: UserRecord, **fields: Any) -> Enrollment:  # noqa: ANN401 - any field
        request = EnrollUserFactor(type="totp", **fields)
        return await self.af.run(self.af.factors.enroll(self.environment, user.id, request))

    async def enroll_alone(self, user_id: str | None = None) -> Enrollment:
        request = EnrollFactor(type="totp", totp_issuer="Issuer", totp_user="account", user_id=user_id)
        return await self.af.run(self.af.factors.enroll_standalone(self.environment, request))

    async def challenge(self, enrolled: Enrollment) -> ChallengeRecord:
        return await self.af.run(self.af.challenges.create(self.environment, enrolled.factor.id))

    async def verify(self, challenge: ChallengeRecord | None, code: str) -> Verification:
        assert challenge is not None
        return await self.af.run(self.af.challenges.verify(self.environment, challenge.id, code))

    async def answer(self, enrolled: Enrollment, code: str) -> Verification:
        """Verify on a new challenge."""
        return await self.verify(await self.challenge(enrolled), code)

    def code(self, enrolled: Enrollment, step: int = 0) -> str:
        """Return the authenticator's code, `step` steps from now."""
        secret = base32.decode(enrolled.secret, min_bytes=1)
        return totp.code_at(secret, totp.step_at(self.clock.now // 1000) + step)

    def wrong(self, enrolled: Enrollment) -> str:
        """Return a code that no step near the current one has."""
        near = {self.code(enrolled, step) for step in range(-RESYNC_STEPS, RESYNC_STEPS)}
        return next(code for code in map("{:06d}".format, range(1000)) if code not in near)

    async def failures(self, subject: str) -> FailureRecord:
        return await self.af.read(lambda tx: tx.failures.of(self.environment.number, subject))

    async def events(self) -> list[str]:
        """Return the names of all events, oldest first."""
        rows = await self.af.read(lambda tx: tx.db.all("SELECT name FROM events ORDER BY id"))
        return [row[0] for row in rows]

    def sql(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Run a statement on the database, as an attacker with the file could."""
        found = databases.sql(self.af.settings, statement, *parameters)
        if isinstance(self.af.store, SqliteStore):
            self.af.store.end_reading()  # as at the end of an event-loop iteration
        return found

    def files(self) -> bytes:
        """Return everything stored, with the write-ahead log, without the key ring."""
        return databases.stored(self.af.settings)
