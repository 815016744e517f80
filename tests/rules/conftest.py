"""One installation on a real database, with a clock and a source of entropy that the test holds."""

import random
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from authfactor.core import Authfactor
from authfactor.crypto import passwords
from authfactor.models import (
    ChallengeRecord,
    Enrollment,
    Environment,
    FailureRecord,
    UserRecord,
    Verification,
)
from authfactor.otp import base32, totp
from authfactor.rules.factors.challenges import DRIFT_STEPS
from authfactor.settings import Settings
from authfactor.store import migrations
from authfactor.store.sqlite.store import SqliteStore
from authfactor.wire.requests import CreateUser, EnrollFactor, EnrollUserFactor
from tests import databases
from tests.postgres.server import migrated_database, postgres_database, postgres_server

__all__ = ["migrated_database", "postgres_database", "postgres_server"]

START = 1_700_000_010_000  # the first millisecond of a step
MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on, or back when negative."""
        self.now += round(seconds * 1000)


class Installation:
    """What an application does with one installation, in a word each."""

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
        """Verify on a challenge of its own."""
        return await self.verify(await self.challenge(enrolled), code)

    def code(self, enrolled: Enrollment, step: int = 0) -> str:
        """Say what the app shows now, or some steps from now."""
        secret = base32.decode(enrolled.secret, min_bytes=1)
        return totp.code_at(secret, totp.step_at(self.clock.now // 1000) + step)

    def wrong(self, enrolled: Enrollment) -> str:
        """Say a code that no step anywhere near has."""
        near = {self.code(enrolled, step) for step in range(-2 * DRIFT_STEPS, 2 * DRIFT_STEPS)}
        return next(code for code in map("{:06d}".format, range(1000)) if code not in near)

    async def failures(self, subject: str) -> FailureRecord:
        return await self.af.read(lambda tx: tx.failures.of(self.environment.number, subject))

    async def events(self) -> list[str]:
        """Names of the events so far, first to last."""
        rows = await self.af.read(lambda tx: tx.db.all("SELECT name FROM events ORDER BY id"))
        return [row[0] for row in rows]

    def sql(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Do to the database what an intruder with the file could do."""
        found = databases.sql(self.af.settings, statement, *parameters)
        if isinstance(self.af.store, SqliteStore):
            self.af.store.end_reading()  # as the event loop does before its next turn
        return found

    def files(self) -> bytes:
        """Everything that is stored, logs included, the key ring not."""
        return databases.stored(self.af.settings)


Opener = Callable[..., Any]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated once; tests work on copies."""
    path = tmp_path_factory.mktemp("empty") / "authfactor.db"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Make an empty database; every rule is tested on both kinds."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database"))
    shutil.copy(request.getfixturevalue("empty_database"), tmp_path / "authfactor.db")
    return ""


@pytest.fixture
async def open_desk(tmp_path: Path, database_url: str, clock: FakeClock) -> AsyncIterator[Opener]:
    """Open an installation with settings of the test's choice; opening again finds the same data."""
    entropy = random.Random(20_240_229)
    opened: list[Authfactor] = []

    async def open_it(**settings: Any) -> Installation:  # noqa: ANN401 - any setting
        # What a rule answers is tested here, not how long a busy machine may take for it.
        chosen = {"team_name": "Acme", "pool_wait": 20_000, **settings}
        af = await Authfactor.open(
            Settings(data=tmp_path, database_url=database_url, **chosen),
            clock=clock,
            entropy=entropy.randbytes,
            profile=passwords.CHEAPEST,
        )
        opened.append(af)
        first = await af.read(lambda tx: tx.environments.by_number(1))
        second = await af.read(lambda tx: tx.environments.by_number(2))
        if second is None:
            second = await af.run(af.environments.create("other", team_name="Other"))
        assert first is not None
        return Installation(af, clock, first, second)

    yield open_it
    for af in opened:
        await af.close()


@pytest.fixture
async def desk(open_desk: Opener) -> Installation:
    """Open with the default settings."""
    made: Installation = await open_desk()
    return made
